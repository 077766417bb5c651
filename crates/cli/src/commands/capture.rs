//! `leakscope capture`.

use anyhow::{Result, bail};

use crate::args::{CaptureArgs, MemoryPart};
use crate::gathered::{Heaps, Plan, gather};
use crate::{NOTHING, capture_file};

/// Gathers, and writes what was gathered into one file.
pub(crate) fn run(args: &CaptureArgs) -> Result<u8> {
    if std::fs::metadata(&args.output).is_ok_and(|found| !found.is_file()) {
        bail!(
            "{} is no regular file: a capture is put in the place of what was there",
            args.output.display()
        );
    }
    let heaps = match args.memory {
        MemoryPart::Graph => Heaps::Read,
        MemoryPart::None => Heaps::LeaveOut,
    };
    let plan = Plan { window: args.window, endpoint: &args.endpoint, heaps, access: &args.access };
    let gathered = gather(&args.target, &plan)?;
    capture_file::write(&gathered, &args.output)?;
    Ok(NOTHING)
}
