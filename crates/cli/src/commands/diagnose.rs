//! `leakscope diagnose`: the main job.

use anyhow::Result;
use leakscope_model::Report;

use crate::args::{DiagnoseArgs, OutputArgs};
use crate::gathered::{Heaps, Plan, gather};
use crate::{FINDINGS, NOTHING, output};

/// Reads, judges, and prints the report.
pub(crate) fn run(args: &DiagnoseArgs) -> Result<u8> {
    let plan =
        Plan { window: args.window, endpoint: &args.endpoint, heaps: Heaps::Read, access: &args.access };
    let readings = gather(&args.target, &plan)?.readings(&args.target);
    print(&leakscope_diagnose::diagnose(readings), &args.output)
}

/// Prints a report; the exit status says whether something leaks.
pub(super) fn print(report: &Report, args: &OutputArgs) -> Result<u8> {
    output::write(args, &leakscope_report::render(report, args.format(), output::look(args)))?;
    Ok(if report.findings.is_empty() { NOTHING } else { FINDINGS })
}
