//! What the terminal is: colours, columns, and where complaints go.

use std::io::{IsTerminal, Write};

use leakscope_model::Gap;
use leakscope_report::Look;

/// How text may look on standard output: coloured on a terminal, unless NO_COLOR is set (no-color.org), and with bars
/// of blocks, unless that is set or the terminal is a dumb one.
pub(crate) fn look() -> Look {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = std::io::stdout().is_terminal() && !plain;
    let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80);
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    Look { colour, width: usize::clamp(width, 60, 120), blocks: !plain && !dumb }
}

/// Whether progress may be shown.
pub(crate) fn shows_progress() -> bool {
    std::io::stderr().is_terminal()
}

/// Writes what could not be seen to standard error, for answers that are files.
pub(crate) fn remark(gaps: &[Gap]) {
    let lines: String =
        gaps.iter().map(|gap| format!("leakscope: not seen: {}: {}\n", gap.part, gap.reason)).collect();
    // Standard error is gone: nobody is left to tell.
    let _ = std::io::stderr().write_all(lines.as_bytes());
}

/// Writes an error with its causes to standard error.
pub(crate) fn complain(error: &anyhow::Error) {
    let mut lines = format!("leakscope: {error}\n");
    for cause in error.chain().skip(1) {
        lines.push_str(&format!("  because: {cause}\n"));
    }
    // Standard error is gone: nobody is left to tell.
    let _ = std::io::stderr().write_all(lines.as_bytes());
}
