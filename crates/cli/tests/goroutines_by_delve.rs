//! Goroutines and their stacks, held against what delve reads in the same core.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests start processes and read files"
)]

#[path = "../../target/tests/support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;
mod support;

use std::collections::BTreeMap;

use go_process::{GoProcess, fixture};
use serde_json::Value;
use support::debuggers::{delve, gcore};
use support::leakscope;

/// A function with its line.
type Call = (String, u64);

/// Goroutines by id, each with its calls, innermost first.
type Goroutines = BTreeMap<u64, Vec<Call>>;

/// What `goroutines -t` printed: heads such as `Goroutine 7 - User: …`, then for each frame `0  0x… in function`
/// and `at file:line`.
fn by_delve(text: &str) -> Goroutines {
    let mut goroutines = Goroutines::new();
    let (mut id, mut function) = (0, None);
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["Goroutine", number, ..] | ["*", "Goroutine", number, ..] => {
                id = number.parse().expect("a goroutine's id");
                goroutines.insert(id, Vec::new());
            }
            [_, pc, "in", name @ ..] if pc.starts_with("0x") => function = Some(name.join(" ")),
            ["at", place] => {
                let line = place.rsplit_once(':').expect("file:line").1.parse().expect("a line");
                let function = function.take().expect("a function before its place");
                goroutines.get_mut(&id).expect("a goroutine before its frames").push((function, line));
            }
            _ => {}
        }
    }
    goroutines
}

fn by_leakscope(answer: &Value) -> Goroutines {
    let rows = answer["rows"].as_array().expect("rows");
    let call =
        |frame: &Value| (frame["function"].as_str().unwrap().to_owned(), frame["line"].as_u64().unwrap());
    let calls = |row: &Value| row["stack"].as_array().expect("a stack").iter().map(call).collect();
    rows.iter().map(|row| (row["id"].as_u64().unwrap(), calls(row))).collect()
}

/// Whether `calls` stand in `all` in this order. Delve shows more: what runs on the thread's own stack, wrappers
/// that Go's own tracebacks hide, and `goexit`. Of the innermost call it shows the next line, not the call's.
fn in_order(calls: &[Call], all: &[Call]) -> bool {
    let mut rest = all.iter();
    calls.iter().enumerate().all(|(index, (function, line))| {
        rest.any(|(their_function, their_line)| {
            their_function == function && (index == 0 || their_line == line)
        })
    })
}

fn the_same_goroutines(program: &str) {
    let process = GoProcess::start(program, &["60"]);
    let folder = tempfile::tempdir().expect("a folder");
    let core = gcore(process.pid(), folder.path());
    let (core, exe) = (core.to_str().unwrap(), fixture(program));
    let exe = exe.to_str().unwrap();
    let said = delve(&["core", exe, core], folder.path(), "goroutines -t 60");
    let text = String::from_utf8_lossy(&said.stdout).replace("\x1b[1m", "").replace("\x1b[0m", "");
    let theirs = by_delve(&text);
    assert!(theirs.len() > 60, "{said:?}");
    let ours = by_leakscope(&leakscope(&["goroutines", core, "--exe", exe, "--json"]).json());
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    let mut parked = 0;
    for (id, calls) in &ours {
        assert!(in_order(calls, &theirs[id]), "goroutine {id}: {calls:?}, delve: {:?}", theirs[id]);
        parked += usize::from(calls.iter().any(|(function, _)| function == "main.handleLocal"));
    }
    assert_eq!(parked, 30, "every second goroutine waits there");
}

#[test]
fn of_go_1_26() {
    the_same_goroutines("leak-go1.26.6");
}

#[test]
fn of_go_1_24() {
    the_same_goroutines("leak-go1.24.3");
}
