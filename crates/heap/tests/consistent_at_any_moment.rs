//! A process that allocates without rest, stopped at many moments: in every phase of the collector what is read
//! agrees with itself.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test: anything unexpected is to end it"
)]

mod oracle;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use leakscope_goruntime::Runtime;
use leakscope_target::{LiveProcess, Mode, Snapshot, SnapshotOptions};

/// Snapshots of one process.
const ROUNDS: u64 = 15;

/// Ends the process when dropped.
struct Churn(Child);

impl Drop for Churn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(release: &str) -> Churn {
    let program = oracle::fixture(&format!("churn-go{release}"));
    let mut command = Command::new(&program);
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{}: {error}; run ./test", program.display()));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("READY"), "churn said {line:?}");
    Churn(child)
}

#[test]
fn no_pointer_leads_into_free_memory_in_any_phase() {
    for release in ["1.24.3", "1.26.6"] {
        let churn = start(release);
        let process = LiveProcess::open(churn.0.id()).unwrap();
        let executable = process.executable().unwrap();
        let options = SnapshotOptions { mode: Mode::Stop, max_pause: Duration::from_secs(5) };
        let mut collections = BTreeSet::new();
        for round in 0..ROUNDS {
            std::thread::sleep(Duration::from_millis(round * 7 % 23));
            let snapshot = Snapshot::take(&process, None, options).unwrap();
            let runtime = Runtime::identify(&executable, &snapshot, snapshot.mappings()).unwrap();
            let scan =
                leakscope_heap::scan(&snapshot, snapshot.mappings(), snapshot.threads(), &runtime, None)
                    .unwrap();
            drop(snapshot);
            assert_eq!(scan.gaps, [], "go{release}, phase {} of the collector", scan.memstats.gc_phase);
            let churning = scan.goroutines.iter().filter(|goroutine| {
                goroutine.start.as_ref().is_some_and(|start| start.function.starts_with("main.main"))
            });
            assert_eq!(churning.count(), 4, "go{release}: goroutines that churn");
            collections.insert((scan.memstats.collections, scan.memstats.gc_phase));
        }
        assert!(collections.len() > 2, "go{release}: only {collections:?} of the collector were met");
    }
}
