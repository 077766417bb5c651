//! Killed at random instants, a run leaves the target as it was: requests are answered, no thread stands still,
//! no child lives on, and within two seconds none is left as a zombie.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::disallowed_methods, reason = "tests start processes and read /proc")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;

use std::process::{Command, Stdio};
use std::time::Duration;

use go_process::{GoProcess, Load, snapshot_example};

/// Instants at which runs are killed.
const KILLS: u64 = 120;
/// The latest of them, after the start of the run, in microseconds.
const LATEST_US: u64 = 40_000;
/// How long the kernel may take to let everything go, on a machine that has other things to do.
const RELEASED_WITHIN: Duration = Duration::from_secs(1);
/// How long our watchdog may take to bury the dead.
const BURIED_WITHIN: Duration = Duration::from_secs(2);

/// The `n`-th instant: spread over the whole time, in no order (multiples of the golden ratio).
fn instant(n: u64) -> Duration {
    Duration::from_micros(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % LATEST_US)
}

fn living(go: &GoProcess) -> Vec<(u32, char)> {
    go.children().into_iter().filter(|(_, state)| *state != 'Z').collect()
}

#[test]
fn a_run_killed_at_any_instant_leaves_nothing_behind() {
    let mut go = GoProcess::start("pong-go1.24.3", &["-heap", "150"]);
    let load = Load::start(&go.said("http"), 3);
    let mut zombies = 0;
    for n in 0..KILLS {
        let mut run = Command::new(snapshot_example())
            .args([&go.pid().to_string(), "fork", "5"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(instant(n));
        run.kill().unwrap();
        run.wait().unwrap();
        go.within(RELEASED_WITHIN, GoProcess::disturbed_threads);
        go.within(RELEASED_WITHIN, living);
        zombies += go.children().len();
        if n % 10 == 0 {
            go.within(BURIED_WITHIN, GoProcess::children);
        }
    }
    go.within(BURIED_WITHIN, GoProcess::children);
    let (answered, failures) = load.end();
    assert_eq!(failures, Vec::<String>::new());
    assert!(answered > 1000 && go.is_alive(), "{answered} requests answered");
    assert!(zombies > 0, "no kill hit a run that had a child: the test tests nothing");
}
