//! Every step of a snapshot, in order: a run is killed before its n-th call that touches the target, for every n.
//!
//! `sigkill.rs` kills at random instants; most of them fall into the long steps. Here the short ones have their
//! turn too, such as the one between setting a thread's registers and blocking its signals.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::disallowed_methods, reason = "tests start processes and read /proc")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use go_process::{GoProcess, Load, snapshot_example};
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// The calls by which a run touches its target.
const TOUCHES: [i64; 4] =
    [libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_kill];
/// How long the kernel may take to let everything go, on a machine that has other things to do.
const RELEASED_WITHIN: Duration = Duration::from_secs(1);
/// More steps than any snapshot of a small process has.
const MAX_STEPS: usize = 1000;

/// So many runs in a row that end by themselves: there are no more steps. One alone may have found no fit thread.
const RUNS_DONE: usize = 5;

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// By our hand, before this call.
    KilledBefore(i64),
    /// By itself: it has fewer steps.
    Done,
}

/// A run of the example under our own trace.
struct Run {
    main: Pid,
    /// Its threads that are inside a system call.
    inside: BTreeSet<i32>,
    touches: usize,
}

impl Run {
    /// Starts one on `target` and lets it go on to its first system call.
    #[allow(clippy::zombie_processes, reason = "`kill_before` waits for it, by the system call itself")]
    fn start(target: u32) -> Run {
        let child = Command::new(snapshot_example())
            .args([&target.to_string(), "fork"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let main = Pid::from_raw(i32::try_from(child.id()).unwrap());
        ptrace::seize(main, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE).unwrap();
        ptrace::interrupt(main).unwrap();
        Run { main, inside: BTreeSet::new(), touches: 0 }
    }

    /// Follows all its threads, up to its `nth` touch or its end.
    fn kill_before(mut self, nth: usize) -> End {
        loop {
            let stop = wait_any();
            let signal = match stop {
                WaitStatus::Exited(pid, _) | WaitStatus::Signaled(pid, ..) if pid == self.main => {
                    return End::Done;
                }
                WaitStatus::PtraceSyscall(tid) => {
                    if let Some(call) = self.entered(tid).filter(|_| self.touches == nth) {
                        kill(self.main, Signal::SIGKILL).unwrap();
                        // Its other threads are ours to wait for as well, and it ends after them.
                        while wait_any() != WaitStatus::Signaled(self.main, Signal::SIGKILL, false) {}
                        return End::KilledBefore(call);
                    }
                    None
                }
                WaitStatus::Stopped(_, signal) => Some(signal),
                _ => None,
            };
            if let Some(tid) = stop.pid() {
                let _ = ptrace::syscall(tid, signal);
            }
        }
    }

    /// The call that `tid` is about to make, if it is one that touches the target.
    fn entered(&mut self, tid: Pid) -> Option<i64> {
        if self.inside.remove(&tid.as_raw()) {
            return None;
        }
        self.inside.insert(tid.as_raw());
        let call = ptrace::getregs(tid).ok()?.orig_rax.cast_signed();
        TOUCHES.contains(&call).then(|| self.touches += 1).map(|()| call)
    }
}

/// The next event of whatever this very thread has started or traces: other tests have children, too.
fn wait_any() -> WaitStatus {
    waitpid(Pid::from_raw(-1), Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)).unwrap()
}

fn living(go: &GoProcess) -> Vec<(u32, char)> {
    go.children().into_iter().filter(|(_, state)| *state != 'Z').collect()
}

/// Threads that block every signal. Go does so for a moment when it starts a thread; we do while a thread works for us.
fn deaf_threads(go: &GoProcess) -> Vec<(String, String)> {
    go.blocked_signals().into_iter().filter(|(_, mask)| mask == "fffffffffffbfeff").collect()
}

#[test]
fn a_run_killed_before_any_of_its_steps_leaves_nothing_behind() {
    let mut go = GoProcess::start("pong-go1.26.6", &["-heap", "10"]);
    let load = Load::start(&go.said("http"), 2);
    let mut killed = Vec::new();
    let (mut zombies, mut done) = (0, 0);
    for nth in 1..MAX_STEPS {
        match Run::start(go.pid()).kill_before(nth) {
            End::Done if done + 1 == RUNS_DONE => break,
            End::Done => {
                done += 1;
                continue;
            }
            End::KilledBefore(call) => {
                done = 0;
                killed.push(call);
            }
        }
        go.within(RELEASED_WITHIN, GoProcess::disturbed_threads);
        go.within(RELEASED_WITHIN, deaf_threads);
        go.within(RELEASED_WITHIN, living);
        zombies += go.children().len();
        go.within(Duration::from_secs(2), GoProcess::children);
    }
    let (answered, failures) = load.end();
    assert_eq!(failures, Vec::<String>::new());
    assert!(answered > 100 && go.is_alive(), "{answered} requests answered");
    assert!(killed.len() > 40 && killed.len() < MAX_STEPS - 1, "{killed:?}");
    assert!(zombies > 5, "{zombies} of {} kills came after the fork", killed.len());
    assert!(TOUCHES.iter().all(|call| killed.contains(call)), "{killed:?}");
}
