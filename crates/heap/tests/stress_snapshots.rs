//! A process whose runtime is in mid-flight all the time, met at many moments: what stands still in it is found
//! exactly, whatever state the rest is in.
//!
//! `LEAKSCOPE_SNAPSHOTS=1000` takes that many of each build instead of the few of a usual run.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test: anything unexpected is to end it"
)]

mod oracle;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leakscope_goruntime::Runtime;
use leakscope_heap::{Heap, groups, read, type_table};
use leakscope_model::Gap;
use leakscope_target::{
    CoreFile, FileBytes, Gadgets, LiveProcess, MappedFile, Mode, Snapshot, SnapshotOptions,
};
use serde_json::Value;

const BUILDS: [&str; 6] = [
    "stress-go1.21.13",
    "stress-go1.22.10",
    "stress-go1.24.3",
    "stress-go1.26.6",
    "stress-go1.27.3",
    "stress-cgo-go1.26.6",
];
/// Snapshots of each build in a usual run.
const USUAL_ROUNDS: usize = 26;
/// Attempts at one snapshot.
const MOST_ATTEMPTS: usize = 20;

/// The fixture `stress` at work; it is ended when this is dropped.
struct Storm {
    child: Child,
    truth: Stable,
    process: LiveProcess,
    executable: MappedFile,
    gadgets: Gadgets,
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What stands still in the process, as it says itself or as we see it.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Stable {
    nodes: u64,
    entries: u64,
    items: u64,
    locals: u64,
    parked: u64,
}

impl Stable {
    fn of(ready: &Value) -> Stable {
        let number = |name: &str| ready[name].as_u64().unwrap();
        let parked = number("parked");
        let (nodes, entries, items) = (number("nodes"), number("entries"), number("items"));
        Stable { nodes, entries, items, locals: parked, parked }
    }

    fn numbers(&self) -> [u64; 5] {
        [self.nodes, self.entries, self.items, self.locals, self.parked]
    }
}

/// Starts a storm and waits until it says what stands still in it.
fn start(mut command: Command) -> (Child, Value) {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}; run ./test"));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready = line.strip_prefix("READY ").unwrap_or_else(|| panic!("{command:?} said {line:?}"));
    (child, serde_json::from_str(ready).unwrap())
}

impl Storm {
    fn start(build: &str) -> Storm {
        let (child, ready) = start(Command::new(oracle::fixture(build)));
        let process = LiveProcess::open(child.id()).unwrap();
        let executable = process.executable().unwrap();
        let gadgets = leakscope_goruntime::gadgets(&executable, &process.mappings().unwrap()).unwrap();
        Storm { child, truth: Stable::of(&ready), process, executable, gadgets }
    }

    /// The heap at this moment. A machine that is too busy to stop every thread in time refuses a snapshot: that is
    /// no wrong answer, and the next moment will do.
    fn heap(&self, mode: Mode) -> Heap {
        let options = SnapshotOptions { mode, max_pause: Duration::from_secs(5) };
        let mut attempts =
            (0..MOST_ATTEMPTS).map(|_| Snapshot::take(&self.process, Some(self.gadgets), options));
        let snapshot = attempts.find_map(Result::ok).expect("some moment can be had");
        let runtime = Runtime::identify(&self.executable, &snapshot, snapshot.mappings()).unwrap();
        read::read(&snapshot, snapshot.mappings(), snapshot.threads(), &runtime, None).unwrap()
    }
}

fn found(heap: &Heap) -> Stable {
    let rows = type_table::types(heap);
    let live = |name: &str| rows.iter().find(|row| &*row.name == name).map_or(0, |row| row.live.objects);
    let parked = heap.goroutines.iter().filter(|goroutine| {
        goroutine.wait.as_deref() == Some("chan receive")
            && goroutine.stack.iter().any(|frame| &*frame.function == "main.parkedStably")
    });
    Stable {
        nodes: live("main.stableNode"),
        entries: live("main.stableEntry"),
        items: live("main.stableItem"),
        locals: live("main.stableLocal"),
        parked: parked.count() as u64,
    }
}

/// An object that the program has just taken and not cleared yet may hold pointers of whatever lay there before.
fn is_being_allocated(gap: &Gap) -> bool {
    gap.reason.contains("pointers lead into free memory")
}

fn rounds() -> usize {
    std::env::var("LEAKSCOPE_SNAPSHOTS").map_or(USUAL_ROUNDS, |number| number.parse().unwrap())
}

#[test]
fn what_stands_still_is_found_in_every_snapshot() {
    for build in BUILDS {
        let storm = Storm::start(build);
        let mut phases = BTreeSet::new();
        for round in 0..rounds() {
            let heap = storm.heap(Mode::Fork);
            let phase = heap.memstats.gc_phase;
            let gaps: Vec<_> = heap.gaps.iter().filter(|gap| !is_being_allocated(gap)).collect();
            assert!(gaps.is_empty(), "{build}, snapshot {round}, phase {phase} of the collector: {gaps:?}");
            assert_eq!(found(&heap), storm.truth, "{build}, snapshot {round}, phase {phase}");
            assert!(groups::single(&heap).len() > 10 && !heap.goroutines.is_empty());
            phases.insert((phase, heap.memstats.collections));
        }
        assert!(phases.len() > rounds() / 3, "{build}: only {phases:?} of the collector were met");
    }
}

#[test]
fn read_while_it_runs_nothing_is_invented_and_what_is_missing_is_said() {
    for build in BUILDS {
        let storm = Storm::start(build);
        for round in 0..rounds().div_ceil(5) {
            let heap = storm.heap(Mode::Live);
            let (seen, truth) = (found(&heap), storm.truth.clone());
            let pairs = seen.numbers().into_iter().zip(truth.numbers());
            for (ours, theirs) in pairs {
                assert!(ours <= theirs, "{build}, snapshot {round}: {seen:?} of {truth:?}");
            }
            assert!(seen == truth || !heap.gaps.is_empty(), "{build}, snapshot {round}: {seen:?} and no gap");
        }
    }
}

/// A core that qemu writes of a storm on another processor: threads stand in handlers of signals, goroutines where
/// a signal met them.
#[test]
fn a_core_of_an_arm64_storm_shows_what_stands_still() {
    let build = "stress-arm64-go1.26.6";
    let folder = tempfile::tempdir().unwrap();
    let mut command = oracle::under_qemu(build);
    command.current_dir(folder.path());
    let (mut guest, ready) = start(command);
    let core = oracle::abort(&mut guest, folder.path());
    let executable = oracle::fixture(build);
    let bytes = FileBytes::from(MappedFile::open(&executable).unwrap());
    let core = CoreFile::open(&core).unwrap().with_executable(&executable, bytes.clone()).unwrap();
    let runtime = Runtime::identify(&bytes, &core, core.mappings()).unwrap();
    let heap = read::read(&core, core.mappings(), core.threads(), &runtime, None).unwrap();
    assert_eq!(heap.gaps, []);
    assert_eq!(found(&heap), Stable::of(&ready));
}
