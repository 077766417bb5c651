//! `leakscope diagnose`: the main job.

use anyhow::Result;
use leakscope_model::Report;

use crate::args::{DiagnoseArgs, OutputArgs};
use crate::readings::{Plan, read};
use crate::{FINDINGS, NOTHING, output};

/// Reads, judges, and prints the report.
pub(crate) fn run(args: &DiagnoseArgs) -> Result<u8> {
    let plan = Plan { window: args.window, pprof: args.pprof.as_deref(), access: &args.access };
    let readings = read(&args.target, &plan)?;
    print(&leakscope_diagnose::diagnose(readings), &args.output)
}

/// Prints a report; the exit status says whether something leaks.
pub(super) fn print(report: &Report, args: &OutputArgs) -> Result<u8> {
    output::write(args, &leakscope_report::render(report, args.format(), output::look(args)))?;
    Ok(if report.findings.is_empty() { NOTHING } else { FINDINGS })
}
