//! `heap diff` held against a program that says what it leaks, replaces and keeps in each round.
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

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use go_process::fixture;
use serde_json::Value;
use support::leakscope;

/// The fixture `rounds`, which does the next round when it is asked.
struct Rounds {
    process: Child,
    output: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

impl Rounds {
    fn start(go: &str) -> Rounds {
        let mut process = Command::new(fixture(&format!("rounds-go{go}")))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the fixture is built: run ./test");
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut rounds = Rounds { process, output, folder: tempfile::tempdir().unwrap() };
        rounds.says("READY");
        rounds
    }

    fn pid(&self) -> String {
        self.process.id().to_string()
    }

    fn says(&mut self, word: &str) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(line.strip_prefix(word).unwrap_or_else(|| panic!("it said {line}"))).unwrap()
    }

    /// One more round, and what it says of it.
    fn step(&mut self) -> Value {
        self.process.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.says("STEP")
    }

    fn capture(&self, name: &str) -> String {
        let path = self.folder.path().join(format!("{name}.leakscope")).to_str().unwrap().to_owned();
        let run = leakscope(&["capture", &self.pid(), "-o", &path, "--for", "0s"]);
        assert_eq!(run.status, 0, "{run:?}");
        path
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn row<'a>(answer: &'a Value, ty: &str) -> &'a Value {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().find(|row| row["type"] == ty).unwrap_or_else(|| panic!("no {ty}"))
}

fn objects(row: &Value) -> [u64; 4] {
    ["born", "died", "survived", "stayed"].map(|field| row[field]["objects"].as_u64().unwrap())
}

#[test]
fn three_moments_tell_who_leaks_from_who_is_replaced() {
    for go in ["1.24.3", "1.26.6"] {
        let mut rounds = Rounds::start(go);
        let a = rounds.capture("a");
        let first = rounds.step()["reused"].as_u64().unwrap();
        let b = rounds.capture("b");
        let second = rounds.step()["reused"].as_u64().unwrap();
        let c = rounds.capture("c");
        let answer = leakscope(&["heap", "diff", &a, &b, &c, "--json", "--limit", "100000"]).json();
        assert_eq!(answer["schema"], "leakscope.heap-diff/1");
        let leaky = row(&answer, "main.leaky");
        assert_eq!(objects(leaky), [2000, 0, 1000, 1000], "{go}");
        assert_eq!(leaky["could_stay"]["objects"], 1000);
        assert_eq!((&leaky["moments"][2]["objects"], &leaky["suspect"]), (&3000.into(), &true.into()));
        assert_eq!(answer["rows"][0]["type"], "main.leaky", "what stays comes first");
        assert_eq!(objects(row(&answer, "main.settled")), [0, 0, 300, 0], "{go}");
        // An entry that lies where one of its type lay cannot be told from it: nothing is sampled here.
        let cached = row(&answer, "main.cached");
        let came = 1000 - first - second;
        assert_eq!([cached["born"]["objects"].as_u64(), cached["died"]["objects"].as_u64()], [Some(came); 2]);
        let reuse = &answer["address_reuse"];
        assert!(reuse["collections"].as_u64().unwrap() >= 8, "{reuse}");
        // Samples of the runtime's own start, before the program says that nothing be sampled.
        let checked = reuse["checked"].as_u64().unwrap();
        assert!(
            checked < 20 && reuse["replaced"] == 0 && reuse["unchecked"].as_u64() > Some(1800),
            "{reuse}"
        );
        assert_eq!(reuse["share_high"].is_null(), checked == 0, "{reuse}");
        let by_path = leakscope(&["heap", "diff", &a, &b, &c, "--by", "path", "--json"]).json();
        let top = &by_path["rows"][0];
        assert_eq!(top["path"][0]["name"], "main.leaks", "{top}");
        assert_eq!(objects(top), [2000, 0, 1000, 1000]);
    }
}

#[test]
fn a_process_that_waits_has_no_births_and_no_doubt() {
    let rounds = Rounds::start("1.26.6");
    let answer =
        leakscope(&["heap", "diff", &rounds.pid(), "--rounds", "2", "--every", "0s", "--json"]).json();
    assert_eq!(answer["moments"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&answer["address_reuse"]["collections"], &answer["address_reuse"]["share_high"]),
        (&0.into(), &0.0.into())
    );
    assert!(answer["born"]["objects"].as_u64().unwrap() < 20, "{}", answer["born"]);
    assert!(answer["survived"]["objects"].as_u64().unwrap() > 1800, "{}", answer["survived"]);
    assert!(answer["stayed"].is_null(), "two moments cannot show it");
}

#[test]
fn what_is_not_of_one_process_is_refused_unless_forced() {
    let (one, other) = (Rounds::start("1.26.6"), Rounds::start("1.26.6"));
    let (a, b) = (one.capture("a"), other.capture("b"));
    let refused = leakscope(&["heap", "diff", &a, &b]);
    refused.could_not(&["are not of one process", "one was process", "--force"]);
    leakscope(&["heap", "diff", &a, "demo:grpc"]).could_not(&["has build ID", "--force"]);
    leakscope(&["heap", "diff", &a]).could_not(&["holds 1 of the two moments"]);
    let forced = leakscope(&["heap", "diff", &a, &b, "--force", "--json", "--limit", "100000"]).json();
    assert_eq!(forced["one_process"], false);
    let leaky = row(&forced, "main.leaky");
    assert_eq!((&leaky["moments"][1]["objects"], &leaky["born"]["objects"]), (&1000.into(), &0.into()));
    assert!(forced["gaps"].to_string().contains("objects are not"), "{}", forced["gaps"]);
}

#[test]
fn the_moments_of_one_capture_are_compared() {
    let answer = leakscope(&["heap", "diff", "demo:grpc", "--by", "alloc-stack", "--json"]).json();
    assert_eq!(answer["moments"].as_array().unwrap().len(), 2);
    assert!(answer["rows"][0]["stack"][0]["function"].is_string(), "{}", answer["rows"][0]);
    let text = leakscope(&["heap", "diff", "demo:grpc"]).out;
    assert!(text.contains("born") && text.contains("context.timerCtx"), "{text}");
}
