//! A reader of the text of `runtime.Stack`, for tests.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test's own reader: anything unexpected is to end the test"
)]

use std::collections::BTreeMap;

/// One goroutine of the text.
#[derive(Debug, Default)]
pub(crate) struct TextGoroutine {
    /// `chan receive`, `running`, …
    pub(crate) state: String,
    /// `function file:line`, innermost first, without frames of the runtime.
    pub(crate) frames: Vec<String>,
    /// The same for the `go` statement; empty for the main goroutine.
    pub(crate) created_by: String,
}

/// Every goroutine by id.
pub(crate) fn parse(text: &str) -> BTreeMap<u64, TextGoroutine> {
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(goroutine).collect()
}

fn goroutine(block: &str) -> (u64, TextGoroutine) {
    let mut lines = block.lines();
    let head = lines.next().unwrap().strip_prefix("goroutine ").unwrap();
    let (id, rest) = head.split_once(' ').unwrap();
    let states = rest.split_once('[').unwrap().1.split_once(']').unwrap().0;
    let mut found =
        TextGoroutine { state: states.split(',').next().unwrap().to_owned(), ..Default::default() };
    while let Some(call) = lines.next() {
        let place = lines.next().unwrap().trim().split(" +0x").next().unwrap();
        match call.strip_prefix("created by ") {
            Some(creator) => {
                found.created_by = format!("{} {place}", creator.split(" in goroutine").next().unwrap());
            }
            None if call.starts_with("runtime.") => {}
            None => found.frames.push(format!("{} {place}", call.get(..call.rfind('(').unwrap()).unwrap())),
        }
    }
    (id.parse().unwrap(), found)
}
