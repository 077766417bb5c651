//! `leakscope capture`.

use anyhow::Result;

use crate::args::{CaptureArgs, MemoryPart};
use crate::gathered::{Heaps, Plan, gather};
use crate::{NOTHING, capture_file};

/// Gathers, and writes what was gathered into one file.
pub(crate) fn run(args: &CaptureArgs) -> Result<u8> {
    let heaps = match args.memory {
        MemoryPart::Graph => Heaps::Read,
        MemoryPart::None => Heaps::LeaveOut,
    };
    let plan = Plan { window: args.window, pprof: args.pprof.as_deref(), heaps, access: &args.access };
    let gathered = gather(&args.target, &plan)?;
    capture_file::write(&gathered, &args.output)?;
    Ok(NOTHING)
}
