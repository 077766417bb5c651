//! `leakscope man`.

use std::io::Write;

use anyhow::{Context, Result};

use crate::NOTHING;
use crate::args::description;

/// Prints the manual page: the command and each of its parts.
pub(crate) fn run() -> Result<u8> {
    let mut page = Vec::new();
    let command = description();
    clap_mangen::Man::new(command.clone()).render(&mut page).context("rendering the manual page")?;
    for part in command.get_subcommands().filter(|part| !part.is_hide_set()) {
        let name = format!("leakscope-{}", part.get_name());
        clap_mangen::Man::new(part.clone())
            .title(name)
            .render(&mut page)
            .context("rendering the manual page")?;
    }
    std::io::stdout().lock().write_all(&page).context("writing to standard output")?;
    Ok(NOTHING)
}
