//! `leakscope demo`: the main job on a recording, by the same road as on any capture.

use anyhow::Result;

use crate::args::{DemoArgs, TargetWord};
use crate::{NOTHING, capture_file};

/// Judges the recording and prints its report. A demonstration that shows a leak has done what it should: status 0.
pub(crate) fn run(args: &DemoArgs) -> Result<u8> {
    let word = TargetWord::Demo(args.case.clone());
    let readings = capture_file::gathered(capture_file::recording(&args.case)?)?.readings(&word);
    super::diagnose::print(&leakscope_diagnose::diagnose(readings), &args.output)?;
    Ok(NOTHING)
}
