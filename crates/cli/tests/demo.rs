//! The recorded leak, by the same road as any capture.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the tests start the program"
)]

mod support;

use std::io::Read;
use std::process::Stdio;

use support::{command, leakscope};

#[test]
fn the_report_of_the_recording() {
    let run = leakscope(&["demo"]);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    insta::assert_snapshot!("demo", run.out);
}

#[test]
fn its_first_finding_is_the_leak_of_the_service() {
    let report = leakscope(&["demo", "--json"]).json();
    let findings = report["findings"].as_array().expect("a list");
    assert_eq!(findings.len(), 1, "{findings:#?}");
    let finding = &findings[0];
    assert_eq!(finding["rule"], "GO-CTX-001");
    assert_eq!(finding["confidence"], "likely");
    for place in [&finding["fix"], &finding["held_by"], &finding["allocated_at"][0]] {
        assert!(place["file"].as_str().is_some_and(|file| file.ends_with("/interceptor.go")), "{place}");
    }
    let names: Vec<&str> =
        finding["path"].as_array().expect("a path").iter().filter_map(|step| step["name"].as_str()).collect();
    assert_eq!(names, ["main.server", "baseCtx", "children", "[…]"]);
}

#[test]
fn diagnose_says_the_same_and_exits_with_1() {
    let (demo, diagnosed) = (leakscope(&["demo", "--json"]), leakscope(&["diagnose", "demo:grpc", "--json"]));
    assert_eq!((demo.status, diagnosed.status), (0, 1));
    assert_eq!(demo.out, diagnosed.out);
}

#[test]
fn other_commands_read_the_recording_too() {
    let types = leakscope(&["heap", "types", "demo:grpc", "--json"]).json();
    assert_eq!(types["schema"], "leakscope.heap-types/1");
    let rows = types["rows"].as_array().expect("rows");
    assert!(rows.iter().any(|row| row["type"] == "context.timerCtx"), "{rows:#?}");
    let found = leakscope(&[
        "heap",
        "find",
        "demo:grpc",
        "-type",
        "*context.timerCtx",
        "-min",
        "1",
        "--limit",
        "3",
        "--json",
    ]);
    assert_eq!(found.json()["rows"].as_array().map(Vec::len), Some(3));
    let groups = leakscope(&["goroutines", "demo:grpc", "--group", "stack", "--json"]).json();
    assert_eq!(groups["rows"][0]["function"], "main.audit.func1");
    let why = leakscope(&["heap", "why", "demo:grpc", "context.timerCtx", "--json"]).json();
    assert_eq!(why["paths"][0]["steps"][0]["name"], "main.server");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut run = command(&["goroutines", "demo:grpc", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    drop(run.stdout.take());
    let mut said = String::new();
    run.stderr.take().expect("piped").read_to_string(&mut said).expect("it says UTF-8");
    assert_eq!((run.wait().expect("it ends").code(), said.as_str()), (Some(0), ""));
}

#[test]
fn an_unknown_recording_is_said() {
    leakscope(&["demo", "mysql"]).could_not(&["no recording is called mysql", "grpc"]);
}
