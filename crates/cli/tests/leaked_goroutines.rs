//! `goroutines --leaked` and `heap leaked`, of a live process, its core and its capture, held against what the
//! program knows of itself.
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

use go_process::{GoProcess, fixture};
use serde_json::Value;
use support::debuggers::delve_dump;
use support::leakscope;

const PROGRAM: &str = "goroutineleak-go1.24.3";

/// The ids that the program gives for `word`, sorted.
fn truth(process: &GoProcess, word: &str) -> Vec<u64> {
    let said: Value = serde_json::from_str(process.ready.strip_prefix("READY ").unwrap()).unwrap();
    let mut ids: Vec<u64> = said[word].as_object().unwrap().keys().map(|id| id.parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

fn rows(answer: &Value) -> &[Value] {
    answer["rows"].as_array().expect("rows")
}

/// The ids of the rows of which `leaked` says this.
fn said(answer: &Value, leaked: &Value) -> Vec<u64> {
    let rows = rows(answer).iter().filter(|row| row["leaked"] == *leaked);
    rows.map(|row| row["id"].as_u64().unwrap()).collect()
}

/// The ids of `heap leaked`, whose rows count as many.
fn grouped(answer: &Value) -> Vec<u64> {
    let ids = rows(answer).iter().flat_map(|row| {
        let ids = row["ids"].as_array().unwrap();
        assert_eq!(row["count"].as_u64(), Some(ids.len() as u64), "{row}");
        ids.iter().map(|id| id.as_u64().unwrap())
    });
    let mut ids: Vec<u64> = ids.collect();
    ids.sort_unstable();
    ids
}

#[test]
fn a_process_its_core_and_its_capture_tell_the_same_goroutines() {
    let process = GoProcess::start(PROGRAM, &[]);
    let (leaked, live) = (truth(&process, "leaked"), truth(&process, "live"));
    let pid = process.pid().to_string();
    let all = leakscope(&["goroutines", &pid, "--json"]).json();
    assert_eq!(said(&all, &Value::Bool(true)), leaked);
    assert_eq!(said(&all, &Value::Null), [0; 0], "{}", all["gaps"]);
    let not = said(&all, &Value::Bool(false));
    assert!(live.iter().all(|id| not.contains(id)), "{not:?}");
    let only = leakscope(&["goroutines", &pid, "--leaked", "--json"]).json();
    assert_eq!(said(&only, &Value::Bool(true)), leaked);
    assert_eq!(rows(&only).len(), leaked.len());

    let folder = tempfile::tempdir().expect("a folder");
    let (core, exe) = (delve_dump(process.pid(), folder.path()), fixture(PROGRAM));
    let of_core =
        leakscope(&["heap", "leaked", core.to_str().unwrap(), "--exe", exe.to_str().unwrap(), "--json"]);
    assert_eq!(grouped(&of_core.json()), leaked);

    let capture = folder.path().join("it.leakscope");
    let capture = capture.to_str().unwrap();
    assert_eq!(leakscope(&["capture", &pid, "-o", capture, "--for", "0s"]).status, 0);
    let of_capture = leakscope(&["heap", "leaked", capture, "--json"]).json();
    assert_eq!(grouped(&of_capture), leaked);
    let send = rows(&of_capture).iter().find(|row| row["wait"] == "chan send" && row["count"] == 1).unwrap();
    assert!(send["waits_for"][0]["type"].as_str().unwrap().contains("chan"), "{send}");
    assert!(send["function"].as_str().unwrap().starts_with("main.leakChannels.func"), "{send}");
}

#[test]
fn a_recording_from_before_waits_were_kept_says_that_nobody_can_tell() {
    let answer = leakscope(&["goroutines", "demo:grpc", "--json"]).json();
    assert!(rows(&answer).iter().all(|row| row["leaked"].is_null()));
    let gaps = answer["gaps"].to_string();
    assert!(gaps.contains("an earlier leakscope, which did not keep what goroutines wait for"), "{gaps}");
}

#[test]
fn where_none_is_leaked_that_is_said() {
    let process = GoProcess::start("quiet-go1.26.6", &[]);
    let run = leakscope(&["heap", "leaked", &process.pid().to_string()]);
    assert!(run.out.starts_with("No goroutine is proven to be leaked.\n"), "{run:?}");
}
