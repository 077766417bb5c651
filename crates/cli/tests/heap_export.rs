//! `heap export` held against the tools that read what it writes: `go tool pprof` of several releases, gdb, delve,
//! and leakscope itself.
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

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use go_process::{GoProcess, fixture};
use serde_json::Value;
use support::debuggers::delve;
use support::leakscope;

/// Releases whose `pprof` comes ready to run.
const PPROF: [&str; 3] = ["1.21.13", "1.22.10", "1.24.3"];

fn pprof(go: &str, arguments: &[&str]) -> String {
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache/leakscope");
    let cache = std::env::var_os("LEAKSCOPE_CACHE").map_or_else(home, PathBuf::from);
    let tool = cache.join(format!("toolchains/go{go}/pkg/tool/linux_amd64/pprof"));
    let output = Command::new(&tool).args(arguments).env("PPROF_TMPDIR", "/nonexistent").output();
    let output = output.unwrap_or_else(|error| panic!("{}: {error}; run ./test", tool.display()));
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn capture(process: &GoProcess, folder: &Path) -> String {
    let path = folder.join("it.leakscope").to_str().unwrap().to_owned();
    let run = leakscope(&["capture", &process.pid().to_string(), "-o", &path, "--for", "0s"]);
    assert_eq!(run.status, 0, "{run:?}");
    path
}

fn export(target: &str, format: &str, to: &Path) {
    let run = leakscope(&["heap", "export", target, "--format", format, "-o", to.to_str().unwrap()]);
    assert_eq!((run.status, run.out.as_str()), (0, ""), "{run:?}");
}

/// The total that `pprof -top` says, without its unit.
fn total(text: &str) -> u64 {
    let words = text.split("100% of ").nth(1).unwrap_or_else(|| panic!("no total in {text}"));
    let digits: String = words.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn a_retention_profile_adds_up_in_go_tool_pprof() {
    let process = GoProcess::start("rounds-go1.26.6", &[]);
    let folder = tempfile::tempdir().unwrap();
    let target = capture(&process, folder.path());
    let summary = leakscope(&["heap", "summary", &target, "--json"]).json();
    let profile = folder.path().join("heap.pb.gz");
    export(&target, "pprof", &profile);
    let profile = profile.to_str().unwrap();
    for go in PPROF {
        let top = |index: &str, unit: &str| {
            let index = format!("-sample_index={index}");
            pprof(go, &["-top", &index, unit, "-nodecount=1000000", "-nodefraction=0", profile])
        };
        let (bytes, objects) = (top("inuse_space", "-unit=B"), top("inuse_objects", "-unit=count"));
        assert_eq!(total(&bytes), summary["reachable_bytes"].as_u64().unwrap(), "{go}");
        assert_eq!(total(&objects), summary["reachable_objects"].as_u64().unwrap(), "{go}");
        let line = objects.lines().find(|line| line.ends_with(" […] main.leaky"));
        let line = line.unwrap_or_else(|| panic!("no leaky objects in {objects}"));
        assert_eq!(line.split_whitespace().next(), Some("1000"), "{line}");
        let traces = pprof(go, &["-traces", "-sample_index=inuse_objects", profile]);
        assert!(traces.contains("main.leaks []*main.leaky"), "the variable is the outermost frame: {traces}");
    }
}

#[test]
fn lines_of_json_hold_every_object_pointer_and_goroutine() {
    let process = GoProcess::start("rounds-go1.26.6", &[]);
    let folder = tempfile::tempdir().unwrap();
    let target = capture(&process, folder.path());
    let summary = leakscope(&["heap", "summary", &target, "--json"]).json();
    let run = leakscope(&["heap", "export", &target, "--format", "jsonl"]);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let (mut reachable, mut addresses, mut ends) = (0, BTreeSet::new(), Vec::new());
    for line in run.out.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let (kind, body) = line.as_object().unwrap().iter().next().unwrap();
        *counts.entry(kind.clone()).or_default() += 1;
        match kind.as_str() {
            "object" => {
                reachable += if body["reachable"] == true { body["size"].as_u64().unwrap() } else { 0 };
                addresses.insert(body["addr"].as_str().unwrap().to_owned());
            }
            "edge" => ends.extend([&body["from"], &body["to"]].map(|end| end.as_str().unwrap().to_owned())),
            _ => {}
        }
    }
    assert_eq!(counts["object"], summary["objects"].as_u64().unwrap());
    assert_eq!(counts["goroutine"], summary["goroutines"].as_u64().unwrap());
    assert_eq!(reachable, summary["reachable_bytes"].as_u64().unwrap());
    assert!(ends.len() > 2000 && ends.iter().all(|end| addresses.contains(end)));
}

#[test]
fn a_graph_names_what_it_draws() {
    let text = leakscope(&["heap", "export", "demo:grpc", "--format", "dot", "--limit", "20"]).out;
    assert!(text.starts_with("digraph heap {\n") && text.ends_with("}\n"), "{text}");
    let drawn: BTreeSet<&str> =
        text.lines().filter_map(|line| line.trim().split_once(" [label")).map(|(name, _)| name).collect();
    let arrows: Vec<(&str, &str)> = text.lines().filter_map(|line| line.trim().split_once(" -> ")).collect();
    assert_eq!(arrows.len(), 20, "one above each");
    for (from, to) in arrows {
        let to = to.split([' ', ';']).next().unwrap();
        assert!((from == "roots" || drawn.contains(from)) && drawn.contains(to), "{from} -> {to}");
    }
}

fn ids(answer: &Value) -> Vec<u64> {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

#[test]
fn a_core_is_read_by_delve_by_gdb_and_by_leakscope_to_the_same() {
    let program = "goroutineleak-go1.26.6";
    let process = GoProcess::start(program, &[]);
    let folder = tempfile::tempdir().unwrap();
    let pid = process.pid().to_string();
    let core = folder.path().join("core");
    export(&pid, "core", &core);
    let (core, exe) = (core.to_str().unwrap(), fixture(program));
    let exe = exe.to_str().unwrap();

    let goroutines = |target: &[&str]| leakscope(&[&["goroutines"], target, &["--json"]].concat()).json();
    let live = ids(&goroutines(&[&pid]));
    assert_eq!(ids(&goroutines(&[core])), live, "the core names its executable");
    let summary = |target: &str| leakscope(&["heap", "summary", target, "--json"]).json();
    let (of_core, of_process) = (summary(core), summary(&pid));
    for field in ["objects", "bytes", "reachable_objects", "reachable_bytes", "goroutines"] {
        assert_eq!(of_core[field], of_process[field], "{field}: {of_core}");
    }

    let said = delve(&["core", exe, core], folder.path(), "goroutines");
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(text.contains(&format!("[{} goroutines]", live.len())), "{said:?}");

    let gdb = Command::new("gdb")
        .args([
            "-nx",
            "-batch",
            "-iex",
            "set auto-load off",
            "-ex",
            "info threads",
            "-ex",
            "print 'runtime.allglen'",
            exe,
            core,
        ])
        .output()
        .expect("gdb is there: run ./test");
    let text = String::from_utf8_lossy(&gdb.stdout).into_owned();
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
    assert_eq!(
        text.matches("LWP ").count().max(text.matches("Thread ").count()).min(threads),
        threads,
        "{gdb:?}"
    );
    let all: u64 = text.split("$1 = ").nth(1).and_then(|rest| rest.trim().parse().ok()).unwrap_or(0);
    assert!(all >= live.len() as u64, "{gdb:?}");
}

#[test]
fn a_core_of_what_is_no_process_is_refused() {
    leakscope(&["heap", "export", "demo:grpc", "--format", "core", "-o", "/dev/null"])
        .could_not(&["a capture holds no memory"]);
}
