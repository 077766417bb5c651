//! What Go's allocator looks like from outside, against what the program's runtime says of it: of a live process, of
//! a core, and of a capture.
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
use support::debuggers::gcore;
use support::leakscope;

/// A process that stands still, and what it said then.
fn figures(version: &str) -> (GoProcess, Value) {
    let process = GoProcess::start(&format!("figures-go{version}"), &[]);
    let said = serde_json::from_str(process.ready.trim().strip_prefix("READY ").unwrap()).unwrap();
    (process, said)
}

/// Bytes that a processor takes for small stacks at a time (`runtime/malloc.go`, `_StackCacheSize`).
const STACK_REFILL: u64 = 32 << 10;
/// What differs when it does: pages of the heap become stacks, and the goal counts stacks.
const MOVED_BY_STACKS: [&str; 5] = ["HeapSys", "HeapIdle", "StackInuse", "StackSys", "NextGC"];

/// The fields of an answer that are not what the program said.
fn differences(answer: &Value, said: &Value) -> Vec<String> {
    assert_eq!(answer["schema"], "leakscope.heap-memstats/1");
    assert_eq!(answer["gaps"], serde_json::json!([]));
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 26);
    let off = |row: &&Value| {
        let field = row["field"].as_str().unwrap();
        let (ours, theirs) = (row["value"].as_u64().unwrap(), said[field].as_u64().unwrap());
        assert_eq!(answer["memstats"][field], row["value"]);
        if field == "HeapReleased" {
            // The scavenger works on its own, long after a collection too.
            return ours > said["HeapIdle"].as_u64().unwrap();
        }
        // A thread that comes after the program has asked takes pages for stacks, once.
        let stacks = if MOVED_BY_STACKS.contains(&field) { STACK_REFILL } else { 0 };
        theirs + stacks < ours - row["lower"].as_u64().unwrap()
            || theirs > ours + row["higher"].as_u64().unwrap() + stacks
    };
    let mut off: Vec<String> = rows.iter().filter(off).map(|row| format!("{row} {said}")).collect();
    let classes = answer["memstats"]["BySize"].as_array().unwrap().iter();
    let classes: Vec<Value> =
        classes.map(|class| serde_json::json!([class["Size"], class["Mallocs"], class["Frees"]])).collect();
    if Value::from(classes) != said["BySize"] {
        off.push("BySize".to_owned());
    }
    off
}

/// The runtime works on its own now and then; a process in which it did not must agree.
fn live_and_core_agree(version: &str) {
    let mut last = Vec::new();
    for _ in 0..4 {
        let (process, said) = figures(version);
        let folder = tempfile::tempdir().unwrap();
        let pid = process.pid().to_string();
        let live = leakscope(&["heap", "memstats", &pid, "--json"]).json();
        let core = gcore(process.pid(), folder.path());
        let exe = fixture(&format!("figures-go{version}"));
        let (core, exe) = (core.to_str().unwrap(), exe.to_str().unwrap());
        let dead = leakscope(&["heap", "memstats", core, "--exe", exe, "--json"]).json();
        last = [differences(&live, &said), differences(&dead, &said)].concat();
        if last.is_empty() {
            assert_eq!(dead["snapshot"]["mode"], "core");
            return;
        }
    }
    panic!("{version}: {last:#?}");
}

#[test]
fn memstats_are_those_of_the_program_live_and_in_a_core() {
    live_and_core_agree("1.26.6");
    live_and_core_agree("1.22.10");
}

fn total(answer: &Value, field: &str) -> u64 {
    answer["rows"].as_array().unwrap().iter().map(|row| row[field].as_u64().unwrap()).sum()
}

#[test]
fn spans_arenas_and_caches_of_a_live_process_and_of_a_capture() {
    let (process, said) = figures("1.26.6");
    let pid = process.pid().to_string();
    let spans = leakscope(&["heap", "spans", &pid, "--json"]).json();
    assert_eq!(total(&spans, "bytes"), said["HeapInuse"].as_u64().unwrap());
    assert_eq!(total(&spans, "object_bytes"), said["HeapAlloc"].as_u64().unwrap());
    let parts = total(&spans, "object_bytes") + total(&spans, "free_bytes") + total(&spans, "tail_bytes");
    assert_eq!(parts, total(&spans, "bytes"));

    let arenas = leakscope(&["heap", "arenas", &pid, "--json"]).json();
    assert_eq!(total(&arenas, "object_pages") * 8192, said["HeapInuse"].as_u64().unwrap());

    let caches = leakscope(&["heap", "caches", &pid, "--json"]).json();
    assert_eq!(caches["processors"].as_array().unwrap().len(), 4, "GOMAXPROCS");

    let class = leakscope(&["heap", "spans", &pid, "--class", "5", "--json", "--limit", "100000"]).json();
    let listed = class["rows"].as_array().unwrap();
    let of_class = spans["rows"].as_array().unwrap().iter().filter(|row| row["class"] == 5);
    let spans_of_class: u64 = of_class.map(|row| row["spans"].as_u64().unwrap()).sum();
    assert_eq!(listed.len() as u64, spans_of_class);
    assert!(listed.iter().all(|row| row["slot_bytes"] == 48 && row["owner"] != ""), "{class}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("figures.leakscope");
    let file = file.to_str().unwrap();
    assert_eq!(leakscope(&["capture", &pid, "-o", file, "--for", "0s"]).status, 0);
    let kept = leakscope(&["heap", "spans", file, "--json"]).json();
    for field in ["spans", "objects", "bytes", "object_bytes", "free_slots", "tail_bytes"] {
        assert_eq!(total(&kept, field), total(&spans, field), "{field}");
    }
    for question in ["memstats", "arenas", "caches"] {
        leakscope(&["heap", question, file])
            .could_not(&["memory of Go's allocator", "ask the process or a core"]);
    }
}

#[test]
fn a_bar_is_plain_where_colours_are_not_wanted() {
    let (process, _) = figures("1.26.6");
    let pid = process.pid().to_string();
    let plain = support::shell(&format!("NO_COLOR=1 $LEAKSCOPE heap spans {pid}"));
    assert!(plain.out.contains('@') && plain.out.is_ascii(), "{}", plain.out);
    let drawn = support::shell(&format!("TERM=xterm $LEAKSCOPE heap spans {pid}"));
    assert!(drawn.out.contains('█'), "{}", drawn.out);
}
