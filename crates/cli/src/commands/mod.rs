//! One file a command, each to be read from top to bottom.

mod completions;
mod explain;
mod man;

use anyhow::Result;

use crate::args::Command;

/// Does what was asked; answers with the exit status.
pub(crate) fn run(command: Command) -> Result<u8> {
    match command {
        Command::Explain(args) => explain::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(_) => man::run(),
        _ => anyhow::bail!("this command is not wired yet"),
    }
}
