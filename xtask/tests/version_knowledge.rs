//! What a Go release is like stands in layouts, never in comparisons of its number.

mod sources;

use sources::Line;

/// Where a release's number may be looked at: where it is read, where a layout is chosen by it, and the reader of
/// traces, whose formats carry the number of the release that brought them: a trace can come without its binary.
const ALLOWED: &[&str] =
    &["crates/goruntime/src/buildinfo.rs", "crates/goruntime/src/layout/", "crates/trace/src/"];

#[test]
fn nobody_else_asks_for_the_release() {
    let wrong: Vec<String> = sources::lines()
        .iter()
        .filter(|line| !ALLOWED.iter().any(|place| line.file.starts_with(place)))
        .filter(|line| asks_for_a_release(line))
        .map(|line| format!("{}:{}: {}", line.file, line.number, line.code.trim()))
        .collect();
    assert!(wrong.is_empty(), "ask the layout what it has, not the version:\n{}", wrong.join("\n"));
}

/// Whether a line reads the parts of a `GoVersion`, or holds a release as a string or a pair to compare with.
fn asks_for_a_release(line: &Line) -> bool {
    let code = &line.code;
    let field = code.contains("ersion.minor") || code.contains("ersion.major");
    let string = digits_follow(code, "\"go1.");
    let pair = (18..40).any(|minor| code.contains(&format!("(1, {minor})")));
    field || string || pair
}

fn digits_follow(code: &str, prefix: &str) -> bool {
    code.split(prefix).skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[test]
fn the_gate_sees_what_it_is_for() {
    let line = |code: &str| Line { file: String::new(), number: 1, code: code.to_owned() };
    assert!(asks_for_a_release(&line("if runtime.version.minor < 24 {")));
    assert!(asks_for_a_release(&line("if release >= (1, 26) {")));
    assert!(asks_for_a_release(&line(r#"text.starts_with("go1.24")"#)));
    assert!(!asks_for_a_release(&line(r#"format!("{version} is older than Go 1.21")"#)));
    assert!(!asks_for_a_release(&line("let version = GoVersion::parse(&text);")));
}
