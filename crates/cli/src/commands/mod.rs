//! One file a command, each to be read from top to bottom.

mod capture;
mod completions;
mod demo;
mod diagnose;
mod explain;
mod goroutines;
mod heap;
mod man;

use anyhow::Result;

use crate::args::Command;

/// Does what was asked; answers with the exit status.
pub(crate) fn run(command: Command) -> Result<u8> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Diagnose(args) => diagnose::run(&args),
        Command::Capture(args) => capture::run(&args),
        Command::Heap(args) => heap::run(&args.question),
        Command::Goroutines(args) => goroutines::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(_) => man::run(),
    }
}
