//! Killed at random instants, a run leaves the target as it was: requests are answered, no thread stands still,
//! no child lives on, and within two seconds none is left as a zombie.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::disallowed_methods, reason = "tests start processes and read /proc")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use go_process::{GoProcess, Load, children_of, snapshot_example};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

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

/// A run that holds its snapshot for long, once it does.
fn holding_run(go: &GoProcess) -> Child {
    // A test that runs in the background of a shell has inherited that SIGINT is ignored.
    let run = Command::new("env")
        .arg("--default-signal=INT")
        .arg(snapshot_example())
        .args([&go.pid().to_string(), "fork", "60000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while !go.children().iter().any(|(_, state)| *state == 't') {
        assert!(Instant::now() < until, "no snapshot was taken");
        std::thread::sleep(Duration::from_millis(10));
    }
    run
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

#[test]
fn ctrl_c_reaches_the_run_and_not_its_watchdog() {
    let go = GoProcess::start("pong-go1.26.6", &[]);
    let mut run = holding_run(&go);
    // A negative id is the whole process group, as the terminal has it.
    signal(-i32::try_from(run.id()).unwrap(), Signal::SIGINT);
    assert_eq!(run.wait().unwrap().signal(), Some(2), "it died of SIGINT, not of old age");
    go.within(BURIED_WITHIN, GoProcess::children);
    go.within(RELEASED_WITHIN, GoProcess::disturbed_threads);
}

#[test]
fn the_next_run_buries_what_a_run_left_whose_watchdog_was_killed_as_well() {
    let go = GoProcess::start("pong-go1.26.6", &[]);
    let mut run = holding_run(&go);
    let watchdogs = children_of(run.id());
    assert_eq!(watchdogs.len(), 1);
    signal(i32::try_from(watchdogs[0].0).unwrap(), Signal::SIGKILL);
    run.kill().unwrap();
    run.wait().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(matches!(go.children()[..], [(_, 'Z')]), "{:?}", go.children());
    let next = Command::new(snapshot_example()).args([&go.pid().to_string(), "fork"]).output().unwrap();
    assert!(next.status.success(), "{next:?}");
    assert_eq!(go.children(), []);
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
