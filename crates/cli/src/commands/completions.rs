//! `leakscope completions`.

use std::io::Write;

use anyhow::{Context, Result};

use crate::NOTHING;
use crate::args::{CompletionsArgs, description};

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut description(), "leakscope", &mut script);
    std::io::stdout().lock().write_all(&script).context("writing to standard output")?;
    Ok(NOTHING)
}
