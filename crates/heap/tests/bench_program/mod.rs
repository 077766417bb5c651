//! Starts the fixtures `cache` and `leak`: Go processes that say what their heap holds, and reads their heap.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test's own process: anything unexpected is to end the test"
)]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leakscope_goruntime::{DebugInfo, Runtime};
use leakscope_heap::{Heap, Tally, read};
use leakscope_target::{LiveProcess, Mode, Snapshot, SnapshotOptions};
use serde_json::Value;

/// A running fixture; it is ended when this is dropped.
pub(crate) struct Program {
    process: Child,
    ready: Value,
}

impl Program {
    /// Starts a fixture and waits until it says what it holds.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Program {
        let path = fixture(name);
        let mut process = Command::new(&path)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run ./test", path.display()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.find_map(|line| Some(line.unwrap().strip_prefix("READY ")?.to_owned()));
        // The rest of its output is of no interest, but a closed pipe would end it.
        std::thread::spawn(move || lines.for_each(drop));
        let ready = serde_json::from_str(&ready.expect("it says READY")).unwrap();
        Program { process, ready }
    }

    /// All that it said of itself.
    pub(crate) fn said(&self) -> &Value {
        &self.ready
    }

    /// What it says of one kind of its objects.
    pub(crate) fn truth(&self, name: &str) -> Tally {
        let facts = self.ready["truth"].as_array().unwrap();
        let fact = facts.iter().find(|fact| fact["name"] == name).unwrap_or_else(|| panic!("no fact {name}"));
        let number = |field: &str| fact[field].as_u64().unwrap();
        Tally { objects: number("count"), bytes: number("count") * number("size") }
    }

    /// Its `runtime.MemStats.HeapAlloc` and `HeapObjects` after a collection.
    pub(crate) fn live(&self) -> Tally {
        let number = |field: &str| self.ready[field].as_u64().unwrap();
        Tally { objects: number("heap_objects"), bytes: number("heap_alloc") }
    }

    /// Reads its heap while it stands still.
    pub(crate) fn heap(&self) -> Heap {
        self.read(|runtime, read| read(runtime))
    }

    /// Its heap in one moment, with debug information and as if there were none.
    pub(crate) fn heap_with_and_without_debug(&self) -> (Heap, Heap) {
        self.read(|runtime, read| {
            let with = read(runtime);
            runtime.debug = DebugInfo::default();
            (with, read(runtime))
        })
    }

    fn read<T>(&self, ask: impl FnOnce(&mut Runtime<'_>, &dyn Fn(&Runtime<'_>) -> Heap) -> T) -> T {
        let process = LiveProcess::open(self.process.id()).unwrap();
        let exe = process.executable().unwrap();
        let options = SnapshotOptions { mode: Mode::Stop, max_pause: Duration::from_secs(60) };
        let snapshot = Snapshot::take(&process, None, options).unwrap();
        let mut runtime = Runtime::identify(&exe, &snapshot, snapshot.mappings()).unwrap();
        ask(&mut runtime, &|runtime| {
            read::read(&snapshot, snapshot.mappings(), snapshot.threads(), runtime, None).unwrap()
        })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn fixture(name: &str) -> PathBuf {
    let folder = std::env::var_os("LEAKSCOPE_FIXTURES").map(PathBuf::from).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("HOME is set");
        PathBuf::from(home).join(".cache/leakscope/fixtures")
    });
    folder.join(name)
}
