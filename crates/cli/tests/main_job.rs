//! The main job on the real service under load, held against what the service says of itself.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the tests start services and ask them"
)]

#[path = "../../target/tests/support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Duration;

use go_process::{GoProcess, fixture};
use serde_json::Value;
use support::debuggers::{delve_dump, gcore};
use support::leakscope;

/// One service at a time: the load is part of what is measured.
static TURN: Mutex<()> = Mutex::new(());

/// The service under 300 calls a second, and what it says of itself ten times a second.
struct Loaded {
    service: GoProcess,
    load: Child,
    stop: Arc<AtomicBool>,
    truth: Option<JoinHandle<Vec<Truth>>>,
    _turn: MutexGuard<'static, ()>,
}

/// The service's own account at one moment.
#[derive(Debug, Clone, Copy)]
struct Truth {
    /// Seconds since 1970.
    at: f64,
    contexts: f64,
    goroutines: f64,
    /// With the stacks.
    bytes: f64,
}

impl Loaded {
    fn start(version: &str, mode: &str) -> Loaded {
        let turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let service = GoProcess::start(&format!("grpc-context-go{version}"), &[mode]);
        let load = Command::new(fixture(&format!("grpc-context-load-go{version}")))
            .args(["-addr", &service.said("grpc"), "-qps", "300", "-for", "0"])
            .stdout(Stdio::null())
            .spawn()
            .expect("the load starts");
        let stop = Arc::new(AtomicBool::new(false));
        let (http, stopped) = (service.said("http"), Arc::clone(&stop));
        let truth = std::thread::spawn(move || {
            let mut told = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                told.push(ask(&http));
                std::thread::sleep(Duration::from_millis(100));
            }
            told
        });
        std::thread::sleep(Duration::from_secs(3));
        Loaded { service, load, stop, truth: Some(truth), _turn: turn }
    }

    fn diagnose(&self, window: &str) -> support::Run {
        leakscope(&["diagnose", &self.service.pid().to_string(), "--for", window, "--json"])
    }

    /// All that the service said.
    fn truth(&mut self) -> Vec<Truth> {
        self.stop.store(true, Ordering::Relaxed);
        self.truth.take().expect("asked once").join().expect("it was asked")
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.load.kill();
        let _ = self.load.wait();
    }
}

fn ask(http: &str) -> Truth {
    let mut connection = TcpStream::connect(http).expect("the service listens");
    connection.write_all(b"GET /truth HTTP/1.0\r\n\r\n").expect("it is asked");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    let at = jiff::Timestamp::now().as_nanosecond() as f64 / 1e9;
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    let said: Value = serde_json::from_str(body).expect("JSON");
    let number = |name: &str| said[name].as_f64().unwrap_or_else(|| panic!("{name} in {said}"));
    Truth {
        at,
        contexts: number("leaked_contexts"),
        goroutines: number("leaked_goroutines"),
        bytes: number("leaked_bytes") + number("leaked_stack_bytes"),
    }
}

/// What the service would have said at a moment between two of its answers.
fn at(told: &[Truth], time: &Value) -> Truth {
    let time: jiff::Timestamp = time.as_str().and_then(|text| text.parse().ok()).expect("a time");
    let time = time.as_nanosecond() as f64 / 1e9;
    let after = told.iter().position(|truth| truth.at >= time).expect("it was asked until later");
    let (a, b) = (told[after.saturating_sub(1)], told[after]);
    let share = if b.at > a.at { (time - a.at) / (b.at - a.at) } else { 0.0 };
    let between = |a: f64, b: f64| a + (b - a) * share;
    Truth {
        at: time,
        contexts: between(a.contexts, b.contexts),
        goroutines: between(a.goroutines, b.goroutines),
        bytes: between(a.bytes, b.bytes),
    }
}

#[track_caller]
fn within_5_percent(what: &str, ours: &Value, truth: f64) {
    let ours = ours.as_f64().unwrap_or_else(|| panic!("{what} is a number"));
    let off = (ours - truth).abs() / truth;
    println!("{what}: {ours:.1}, truth {truth:.1}, off by {:.2} %", off * 100.0);
    assert!(off <= 0.05, "{what}: {ours}, truth {truth}");
}

/// The one finding, held to name the leak and nothing else.
fn the_leak(report: &Value) -> &Value {
    let findings = report["findings"].as_array().expect("findings");
    assert_eq!(findings.len(), 1, "the cache and the price table are no leaks: {findings:#?}");
    let leak = &findings[0];
    assert_eq!(leak["rule"], "GO-CTX-001", "{leak:#}");
    let names: Vec<&str> =
        leak["path"].as_array().expect("a path").iter().filter_map(|step| step["name"].as_str()).collect();
    assert_eq!(names.first(), Some(&"main.server"), "{names:?}");
    assert!(names.iter().any(|name| name.ends_with("children")), "{names:?}");
    for place in [&leak["allocated_at"][0], &leak["held_by"], &leak["fix"]] {
        assert!(place["file"].as_str().is_some_and(|file| file.ends_with("interceptor.go")), "{leak:#}");
    }
    leak
}

fn leaky(version: &str) {
    let mut loaded = Loaded::start(version, "-leak");
    let run = loaded.diagnose("15s");
    let told = loaded.truth();
    assert_eq!(run.status, 1, "{run:?}");
    let report = run.json();
    let leak = the_leak(&report);
    assert_eq!(leak["confidence"], "likely");
    let (first, last) = (at(&told, &report["window"]["from"]), at(&told, &report["window"]["to"]));
    let per_second = |a: f64, b: f64| (b - a) / (last.at - first.at);
    within_5_percent("objects", &leak["objects"], last.contexts);
    within_5_percent("goroutines", &leak["goroutines"], last.goroutines);
    within_5_percent("retained bytes", &leak["retained_bytes"], last.bytes);
    within_5_percent(
        "objects a second",
        &leak["growth_objects_per_s"],
        per_second(first.contexts, last.contexts),
    );
    within_5_percent("bytes a second", &leak["growth_bytes_per_s"], per_second(first.bytes, last.bytes));
    let agrees = report["evidence"].as_array().expect("evidence").iter().any(|fact| {
        fact["source"] == "pprof" && fact["says"].as_str().is_some_and(|says| says.contains("it agrees with"))
    });
    assert!(agrees, "{:#}", report["evidence"]);
}

fn healthy(version: &str) {
    let loaded = Loaded::start(version, "-fixed");
    let run = loaded.diagnose("12s");
    assert_eq!(run.json()["findings"], Value::Array(Vec::new()), "{run:?}");
    assert_eq!(run.status, 0);
}

#[test]
fn the_leaky_service_of_go_1_26() {
    leaky("1.26.6");
}

#[test]
fn the_leaky_service_of_go_1_24() {
    leaky("1.24.3");
}

#[test]
fn the_fixed_service_of_go_1_26() {
    healthy("1.26.6");
}

#[test]
fn the_fixed_service_of_go_1_24() {
    healthy("1.24.3");
}

/// The leak from one moment: no growth, and no more than a possibility.
fn the_same_culprit_in(core_of: fn(u32, &Path) -> PathBuf) {
    let loaded = Loaded::start("1.26.6", "-leak");
    std::thread::sleep(Duration::from_secs(3));
    let folder = tempfile::tempdir().expect("a folder");
    let core = core_of(loaded.service.pid(), folder.path());
    drop(loaded);
    let exe = fixture("grpc-context-go1.26.6");
    let run = leakscope(&["diagnose", core.to_str().unwrap(), "--exe", exe.to_str().unwrap(), "--json"]);
    assert_eq!(run.status, 1, "{run:?}");
    let report = run.json();
    let leak = the_leak(&report);
    assert_eq!(leak["confidence"], "possible");
    assert_eq!(leak["growth_objects_per_s"], 0.0);
    let counts = [&leak["objects"], &leak["goroutines"]].map(|count| count.as_f64().expect("a count"));
    assert!((counts[0] - counts[1]).abs() <= 4.0, "a call may be between the two: {counts:?}");
}

#[test]
fn a_core_of_the_leaky_service_by_gdb_names_the_same_culprit() {
    the_same_culprit_in(gcore);
}

#[test]
fn a_dump_of_the_leaky_service_by_delve_names_the_same_culprit() {
    the_same_culprit_in(delve_dump);
}
