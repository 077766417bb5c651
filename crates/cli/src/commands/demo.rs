//! `leakscope demo`: the main job on a recording, by the same road as on any capture.

use anyhow::Result;

use crate::args::DemoArgs;
use crate::{NOTHING, capture_file};

/// Judges the recording and prints its report. A demonstration that shows a leak has done what it should: status 0.
pub(crate) fn run(args: &DemoArgs) -> Result<u8> {
    let recording = capture_file::recording(&args.case)?;
    let readings = capture_file::readings(recording, &format!("demo:{}", args.case))?;
    super::diagnose::print(&leakscope_diagnose::diagnose(readings), &args.output)?;
    Ok(NOTHING)
}
