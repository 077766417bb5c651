//! `leakscope capture`.

use anyhow::Result;

use crate::args::CaptureArgs;

/// Reads, and writes what was read into one file.
pub(crate) fn run(args: &CaptureArgs) -> Result<u8> {
    let _ = args;
    anyhow::bail!("captures are not wired yet")
}
