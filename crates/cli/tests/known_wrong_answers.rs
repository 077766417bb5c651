//! What other heap analysers are known to get wrong, asked of us: every entry of maps of any size, every element of
//! pointer arrays, lists of a million nodes, closures, timers, what interfaces and generic containers hold, and who
//! retains what two containers hold both. The truth is what the program counts itself.
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
#[path = "../../heap/tests/oracle/mod.rs"]
mod oracle;
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use go_process::GoProcess;
use serde_json::Value;
use support::leakscope;

/// What a program holds, and how to name it on the command line.
struct Asked<'a> {
    build: &'a str,
    target: Vec<String>,
    truth: BTreeMap<String, u64>,
}

impl Asked<'_> {
    fn ask(&self, question: &str, more: &[&str]) -> Value {
        let mut words = vec!["heap", question];
        words.extend(self.target.iter().map(String::as_str));
        words.extend(more);
        words.push("--json");
        let run = leakscope(&words);
        assert_eq!(run.status, 0, "{}: {words:?}: {}", self.build, run.err);
        run.json()
    }

    /// Whether only a closure holds the objects of this type, and the compiler did not say what closures captured.
    fn is_unsaid(&self, ty: &str) -> bool {
        let captured = ["main.captured", "main.counted", "main.timerArg", "main.finalArg", "main.deferred"]
            .contains(&ty);
        captured && self.build.contains("go1.22")
    }

    /// The paths to the objects of a type, each as `name name …`, with how many objects there are by it.
    fn paths(&self, ty: &str) -> BTreeMap<String, u64> {
        let answer = self.ask("why", &[ty, "--limit", "100000"]);
        let name = |step: &Value| step["name"].as_str().unwrap().to_owned();
        let path = |row: &Value| {
            let steps: Vec<String> = row["steps"].as_array().unwrap().iter().map(name).collect();
            (steps.join(" "), row["objects"].as_u64().unwrap())
        };
        answer["paths"].as_array().unwrap().iter().map(path).collect()
    }
}

fn truth(ready: &str) -> BTreeMap<String, u64> {
    let said: Value = serde_json::from_str(ready.trim().strip_prefix("READY ").unwrap()).unwrap();
    let types = said["truth"].as_object().unwrap();
    types.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}

/// Everything that is asked of a program.
fn check(asked: &Asked<'_>) {
    check_types(asked);
    check_paths(asked);
    check_retained(asked);
}

fn check_types(asked: &Asked<'_>) {
    let answer = asked.ask("types", &["--limit", "100000"]);
    let rows = answer["rows"].as_array().unwrap();
    let counted: BTreeMap<&str, u64> =
        rows.iter().map(|row| (row["type"].as_str().unwrap(), row["objects"].as_u64().unwrap())).collect();
    let count = |name: &str| counted.get(name).copied().unwrap_or(0);
    let wrong: Vec<String> = asked
        .truth
        .iter()
        .filter(|(name, truth)| !asked.is_unsaid(name) && count(name) != **truth)
        .map(|(name, truth)| format!("{} of {truth} {name}", count(name)))
        .collect();
    assert_eq!(wrong, [""; 0], "{}", asked.build);
    let gaps = answer["gaps"].as_array().unwrap().iter().filter(|gap| gap["part"] != "core");
    assert_eq!(gaps.count(), 0, "{}: {}", asked.build, answer["gaps"]);
}

/// By which path the objects of a type are held: each once, in words that a reader of the source knows.
fn check_paths(asked: &Asked<'_>) {
    for (ty, path) in [
        ("main.captured", "main.functions.closures […] one"),
        ("main.counted", "main.functions.nested […] two"),
        ("main.bound", "main.functions.methods […] receiver"),
        ("main.finalArg", "finalizer last"),
        ("main.Circle", "main.interfaces.shapes […]"),
        ("main.behindAtomic", "main.interfaces.atomics […]"),
        ("main.onlyLocal", "main.waitWith: local"),
        ("main.deferred", "main.waitWith: later"),
        ("main.mapped9", "main.maps.of9 […]"),
        ("main.element2000", "main.arrays.of2000 […]"),
    ] {
        if asked.is_unsaid(ty) {
            continue;
        }
        let paths = asked.paths(ty);
        assert_eq!(paths.values().sum::<u64>(), asked.truth[ty], "{}: {paths:?}", asked.build);
        let by_it = paths.get(path).copied().unwrap_or(0);
        assert_eq!(by_it, asked.truth[ty], "{}: {ty} by {path:?}: {paths:?}", asked.build);
    }
}

/// A list and a map hold the orders both: neither retains them alone, and their common owner does.
fn check_retained(asked: &Asked<'_>) {
    let rows = |ty: &str, limit: &str| asked.ask("find", &["--type", ty, "--limit", limit])["rows"].clone();
    let retained = |row: &Value| row["retained_bytes"].as_u64().unwrap();
    let (size, orders) = (176, asked.truth["main.order"]);
    let found = rows("main.order", "100000");
    assert_eq!(found.as_array().unwrap().len() as u64, orders, "{}", asked.build);
    assert!(found.as_array().unwrap().iter().all(|row| row["size"] == size), "{}", asked.build);
    let owner = retained(&rows("main.owner", "2")[0]);
    let alone = asked.truth["main.onlyMapped"] * 240;
    assert!(owner > orders * (size + 16) + alone, "{}: the owner retains {owner}", asked.build);
    let list = rows("main.listNode", "100000");
    let head = list.as_array().unwrap().iter().map(retained).max().unwrap();
    assert_eq!(head, orders * 16, "{}: the list retains its nodes alone", asked.build);
    let map = retained(&rows("map[int]*main.order", "2")[0]);
    let of_alone = retained(&rows("map[int]*main.onlyMapped", "2")[0]);
    assert!(map < orders * size, "{}: the map retains {map}", asked.build);
    assert_eq!(of_alone, map + alone, "{}: what only a map holds, it retains", asked.build);
    let largest = asked.ask("dominators", &["--limit", "40"]);
    let named = |row: &&Value| row["type"] == "main.owner" && retained(row) == owner;
    assert_eq!(largest["rows"].as_array().unwrap().iter().filter(named).count(), 1, "{largest}");
}

#[test]
fn every_object_is_named_and_retained_sizes_are_those_of_dominators() {
    for build in
        ["peers_wrong-go1.22.10", "peers_wrong-go1.24.3", "peers_wrong-go1.26.6", "peers_wrong-go1.27.3"]
    {
        let program = GoProcess::start(build, &["20"]);
        check(&Asked { build, target: vec![program.pid().to_string()], truth: truth(&program.ready) });
    }
}

#[test]
fn maps_and_lists_of_a_million_are_counted_whole() {
    let build = "peers_wrong-go1.26.6";
    let program = GoProcess::start(build, &["1"]);
    check_types(&Asked { build, target: vec![program.pid().to_string()], truth: truth(&program.ready) });
}

#[test]
fn cores_of_another_processor_answer_the_same() {
    for build in ["peers_wrong-arm64-go1.24.3", "peers_wrong-arm64-go1.26.6"] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = oracle::under_qemu(build);
        command.arg("20").current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut guest = command.spawn().expect("qemu is there: run ./test");
        let mut ready = String::new();
        BufReader::new(guest.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        let core = oracle::abort(&mut guest, folder.path()).display().to_string();
        let exe = oracle::fixture(build).display().to_string();
        let asked = Asked { build, target: vec![core, "--exe".to_owned(), exe], truth: truth(&ready) };
        check(&asked);
        let goroutines =
            leakscope(&["goroutines", &asked.target[0], "--exe", &asked.target[2], "--json"]).json();
        let waiting = goroutines["rows"].as_array().unwrap().iter().filter(|row| {
            row["wait"] == "chan receive"
                && row["stack"].as_array().unwrap().iter().any(|frame| frame["function"] == "main.waitWith")
        });
        assert_eq!(waiting.count() as u64, asked.truth["main.onlyLocal"], "{build}");
        let report = leakscope(&["diagnose", &asked.target[0], "--exe", &asked.target[2], "--json"]);
        assert!(report.status < 2, "{build}: {}", report.err);
        assert_eq!(report.json()["target"]["arch"], "arm64", "{build}");
    }
}
