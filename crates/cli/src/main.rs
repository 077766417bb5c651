//! The binary: arguments, wiring, exit codes.
#![allow(
    clippy::disallowed_methods,
    reason = "the command line reads arguments and files, and ends the process"
)]

mod args;
mod capture_file;
mod commands;
mod gathered;
mod leak_proof;
mod opening;
mod output;
mod progress;
mod terminal;

use std::process::ExitCode;

use leakscope_target::snapshot::watchdog;

/// Exit status: the command did what it was asked, and found nothing that leaks.
pub(crate) const NOTHING: u8 = 0;
/// Exit status: something leaks.
pub(crate) const FINDINGS: u8 = 1;
/// Exit status: the command could not do its work.
pub(crate) const COULD_NOT: u8 = 2;

fn main() -> ExitCode {
    if let Some(status) = watchdog::run_if_asked() {
        return status;
    }
    let parsed = match args::parse(std::env::args_os()) {
        Ok(parsed) => parsed,
        Err(message) => return args::answer(&message),
    };
    match commands::run(parsed) {
        Ok(status) => ExitCode::from(status),
        Err(error) if output::is_broken_pipe(&error) => ExitCode::from(NOTHING),
        Err(error) => {
            terminal::complain(&error);
            ExitCode::from(COULD_NOT)
        }
    }
}
