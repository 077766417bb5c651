//! What bytes that are no profile are instead: the difference between "malformed" and a hint that helps.

use crate::error::PprofError;

/// Longest piece of a foreign text that an error quotes, in characters.
const LONGEST_QUOTE: usize = 120;
/// How far into a page we look for its title, in bytes.
const TITLE_WITHIN: usize = 4096;

/// What `bytes` are, if they are surely not a protobuf profile.
pub(crate) fn not_a_profile(bytes: &[u8]) -> Option<PprofError> {
    let other = |found, remedy| Some(PprofError::OtherKind { found, wanted: "a protobuf profile", remedy });
    let text = start_of_text(bytes);
    match text.as_deref() {
        _ if bytes.is_empty() => Some(PprofError::Empty),
        _ if bytes.starts_with(b"go 1.") => other("an execution trace", "name it to `leakscope trace`"),
        _ if bytes.starts_with(b"\x7fELF") => other("an ELF file", "name it as a core or executable"),
        Some(text) if text.starts_with("goroutine profile: total ") => {
            other("a goroutine profile as text (debug=1)", "ask for it without debug=1, or name it as a dump")
        }
        Some(text) if text.starts_with("goroutine ") && text.contains(" [") => {
            other("a goroutine dump (debug=2)", "name it as a dump, not as a profile")
        }
        Some(text) if is_legacy(text) => other("a profile as text (debug=1)", "ask for it without debug=1"),
        Some(text) => html(bytes, text).or_else(|| Some(plain_text(text))),
        None => None,
    }
}

/// The error for `bytes` that should have been a goroutine dump.
pub(crate) fn not_a_dump(bytes: &[u8], wanted: &'static str) -> PprofError {
    let other = |found, remedy| PprofError::OtherKind { found, wanted, remedy };
    match start_of_text(bytes).as_deref() {
        _ if bytes.is_empty() => PprofError::Empty,
        _ if bytes.starts_with(&[0x1f, 0x8b]) => other("a compressed profile", "ask for it with ?debug=2"),
        Some(text) if is_legacy(text) => {
            other("a heap profile as text (debug=1)", "ask for goroutine?debug=2")
        }
        Some(text) => html(bytes, text).unwrap_or_else(|| plain_text(text)),
        None => other("binary data", "ask for it with ?debug=2"),
    }
}

/// `heap profile: 1: 2 [3: 4] @ heap/1048576` and its like, from runtime/pprof with debug=1.
fn is_legacy(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.starts_with("heap profile: ")
        || first.starts_with("--- contention:")
        || first.starts_with("--- mutex:")
        || first.contains(" profile: total ")
}

fn html(bytes: &[u8], text: &str) -> Option<PprofError> {
    let start = text.trim_start().to_ascii_lowercase();
    let is_page = ["<!doctype", "<html", "<head", "<?xml", "<!--"].iter().any(|tag| start.starts_with(tag));
    is_page.then(|| PprofError::Html { title: title(bytes) })
}

fn title(page: &[u8]) -> String {
    let start = String::from_utf8_lossy(page.get(..TITLE_WITHIN).unwrap_or(page)).into_owned();
    let lower = start.to_ascii_lowercase();
    let inner = lower.find("<title>").map(|at| at + "<title>".len());
    let title = inner.and_then(|from| {
        let to = from + lower.get(from..)?.find("</title>")?;
        start.get(from..to)
    });
    quote(title.unwrap_or_default())
}

fn plain_text(text: &str) -> PprofError {
    let line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    PprofError::Text { first_line: quote(line) }
}

fn quote(text: &str) -> String {
    text.trim().chars().take(LONGEST_QUOTE).collect()
}

/// The first bytes as text, if they are printable; a protobuf profile starts with bytes that are not.
fn start_of_text(bytes: &[u8]) -> Option<String> {
    let start = bytes.get(..512).unwrap_or(bytes);
    let valid = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(err) if err.valid_up_to() + 4 > start.len() => {
            std::str::from_utf8(start.get(..err.valid_up_to())?).ok()?
        }
        Err(_) => return None,
    };
    let printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    valid.chars().all(printable).then(|| valid.to_owned())
}
