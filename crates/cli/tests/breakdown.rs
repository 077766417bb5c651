//! What resident memory is made of, against what the kernel counts and what the program says it has touched.
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

const MIB: i64 = 1 << 20;

/// A process with memory of every kind, and how much of each it says it has.
struct Program {
    process: GoProcess,
    said: Value,
    _folder: tempfile::TempDir,
}

impl Program {
    fn start(name: &str, arguments: &[&str]) -> Program {
        let folder = tempfile::tempdir().unwrap();
        let dir = format!("-dir={}", folder.path().display());
        let process = GoProcess::start(name, &[&[dir.as_str()], arguments].concat());
        let said = serde_json::from_str(process.ready.trim().strip_prefix("READY ").unwrap()).unwrap();
        Program { process, said, _folder: folder }
    }

    fn said(&self, what: &str) -> i64 {
        self.said[what].as_i64().unwrap()
    }

    /// The sum of `Rss` in its `smaps`, by a reader of this test.
    fn rss(&self) -> i64 {
        self.sum_of("Rss:")
    }

    fn sum_of(&self, field: &str) -> i64 {
        let text = std::fs::read_to_string(format!("/proc/{}/smaps", self.process.pid())).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix(field));
        lines.map(|line| line.trim().strip_suffix(" kB").unwrap().parse::<i64>().unwrap() * 1024).sum()
    }

    fn breakdown(&self) -> Value {
        leakscope(&["heap", "breakdown", &self.process.pid().to_string(), "--json"]).json()
    }
}

fn part(answer: &Value, name: &str) -> i64 {
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.filter(|row| row["part"] == name).map(|row| row["bytes"].as_i64().unwrap()).sum()
}

fn area(answer: &Value, name: &str) -> i64 {
    let rows = answer["rows"].as_array().unwrap().iter();
    rows.filter(|row| row["area"] == name).map(|row| row["bytes"].as_i64().unwrap()).sum()
}

fn near(what: &str, found: i64, low: i64, high: i64) {
    assert!((low..=high).contains(&found), "{what}: {found} is not in {low}..={high}");
}

/// Every row against the program's truth; the bounds say what else lies in the row.
fn agrees(program: &Program) {
    let answer = program.breakdown();
    assert_eq!(answer["schema"], "leakscope.heap-breakdown/1");
    assert_eq!(answer["gaps"], serde_json::json!([]), "{answer}");
    let rss = program.rss();
    near("rss", answer["rss"].as_i64().unwrap(), rss - rss / 100, rss + rss / 100);
    let sum: i64 = answer["rows"].as_array().unwrap().iter().map(|row| row["bytes"].as_i64().unwrap()).sum();
    assert_eq!(sum, answer["rss"].as_i64().unwrap(), "rows with `unexplained` are the whole");
    near("unexplained", part(&answer, "unexplained"), -rss / 100, rss / 100);

    let live = program.said("live") + program.said("garbage");
    near("live", part(&answer, "heap_live"), live, live + 2 * MIB);
    let garbage = program.said("garbage");
    near("garbage", part(&answer, "heap_garbage"), garbage, garbage + 2 * MIB);
    // Small objects have come since, into pages that lay idle.
    let idle = program.said("idle");
    near("idle", part(&answer, "heap_idle"), idle - 8 * MIB, idle + MIB);
    let stacks = program.said("stack_bytes");
    near("stacks", part(&answer, "goroutine_stacks"), stacks, 3 * stacks);
    let native = program.said("anonymous") + program.said("native");
    near("native", part(&answer, "native"), native, native + 2 * MIB);
    let shared = program.said("shared");
    near("shared", part(&answer, "shared_memory"), shared, shared);
    let file = program.said("file");
    near("files", part(&answer, "mapped_files"), file, file);
    assert_eq!(answer["files"][0]["bytes"].as_i64().unwrap().max(shared), file);
    near("runtime", area(&answer, "runtime"), MIB / 2, 12 * MIB);
    near("binary", area(&answer, "binary"), MIB / 2, 8 * MIB);
}

#[test]
fn of_a_static_program_by_go_1_21() {
    agrees(&Program::start("rss-go1.21.13", &[]));
}

#[test]
fn of_a_static_program_by_go_1_24() {
    agrees(&Program::start("rss-go1.24.3", &[]));
}

#[test]
fn of_a_program_with_c_by_go_1_26() {
    let program = Program::start("rss-cgo-go1.26.6", &[]);
    agrees(&program);
    let answer = program.breakdown();
    assert!(part(&answer, "libraries") > MIB / 2, "{answer}");
    assert!(part(&answer, "thread_stacks") > 0, "{answer}");
}

/// The report's figures are the same, summed up.
#[test]
fn the_report_tells_the_same_of_a_process_and_of_its_capture() {
    let program = Program::start("rss-go1.26.6", &[]);
    let answer = program.breakdown();
    let pid = program.process.pid().to_string();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rss.leakscope");
    let file = file.to_str().unwrap();
    assert_eq!(leakscope(&["capture", &pid, "-o", file, "--for", "0s"]).status, 0);
    let kept = leakscope(&["heap", "breakdown", file, "--json"]).json();
    near(
        "kept",
        part(&kept, "heap_live"),
        part(&answer, "heap_live") - MIB,
        part(&answer, "heap_live") + MIB,
    );
    near("kept", kept["rss"].as_i64().unwrap(), program.rss() - 2 * MIB, program.rss() + 2 * MIB);
    for target in [pid.as_str(), file] {
        let report = leakscope(&["diagnose", target, "--for", "0s", "--json"]).json();
        let memory = |name: &str| report["memory"][name].as_i64().unwrap();
        let idle = part(&answer, "heap_idle") + part(&answer, "heap_returned_but_resident");
        let pairs = [
            ("heap_live", part(&answer, "heap_live")),
            ("heap_garbage", part(&answer, "heap_garbage")),
            ("heap_idle", idle),
            ("stacks", area(&answer, "stacks")),
            ("gc_metadata", area(&answer, "runtime")),
            ("native", area(&answer, "native")),
            ("mapped_files", area(&answer, "files") + area(&answer, "binary")),
        ];
        for (name, bytes) in pairs {
            near(name, memory(name), bytes - MIB, bytes + MIB);
        }
    }
}

#[test]
fn of_a_core_it_is_what_the_core_holds() {
    let program = Program::start("rss-go1.26.6", &[]);
    let live = program.breakdown();
    let folder = tempfile::tempdir().unwrap();
    let core = gcore(program.process.pid(), folder.path());
    let exe = fixture("rss-go1.26.6");
    let arguments = ["heap", "breakdown", core.to_str().unwrap(), "--exe", exe.to_str().unwrap(), "--json"];
    let dead = leakscope(&arguments).json();
    assert_eq!(dead["rss"], Value::Null);
    let gap = "a core does not tell what was resident";
    assert!(dead["gaps"].as_array().unwrap().iter().any(|row| row["reason"].as_str().unwrap().contains(gap)));
    // Objects whose pages are written to; a page of zeros is no page of a core.
    for name in ["heap_live", "native", "heap_idle"] {
        near(name, part(&dead, name), part(&live, name) * 8 / 10, part(&live, name) + MIB);
    }
}

#[test]
fn memory_that_was_only_read_counts_for_nothing_and_huge_pages_are_told() {
    let program = Program::start("rss-go1.26.6", &["-huge"]);
    let answer = program.breakdown();
    let read = program.said("read_only");
    assert!(
        program.rss() < 260 * MIB && part(&answer, "heap_live") < program.said("live") + read / 2,
        "{answer}"
    );
    // How many the kernel had to give depends on the machine.
    let huge = program.sum_of("AnonHugePages:");
    near("huge pages", answer["huge_page_bytes"].as_i64().unwrap(), huge - 4 * MIB, huge + 4 * MIB);
}
