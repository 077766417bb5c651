//! Stopping every thread of a process at one moment, and letting them go.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use nix::libc;
use nix::unistd::{Pid, gettid};

use crate::error::TargetError;
use crate::proc_files::{self, Status};
use crate::process::ThreadRegisters;
use crate::snapshot::arch;
use crate::snapshot::wait::{Stop, wait_for_stop};
use crate::sys::{self, Registers};

/// How long a thread that sleeps where no signal reaches it may keep the others standing: one that waits for a
/// child between vfork and exec, or for a dead disk, may not stop for long.
const SLEEPER_PATIENCE: Duration = Duration::from_millis(20);
/// How long the threads of a process may take to stop that only wait for a turn of a busy processor.
const RUNNER_PATIENCE: Duration = Duration::from_millis(500);
/// Rounds of looking for new threads; each finds fewer, since only threads that run can make some.
const MAX_ROUNDS: usize = 32;

/// One thread that stands still under our hand.
#[derive(Debug)]
pub(super) struct StoppedThread {
    pub(super) tid: Pid,
    pub(super) stop: Stop,
    pub(super) registers: Registers,
}

/// All threads of one process, stopped; those not yet let go are let go when this is dropped.
///
/// Where letting go fails (a thread that never stopped), the end of the calling thread does it: the kernel
/// detaches all tracees of a tracer that ends. So stop a process only from a thread made for it.
#[derive(Debug)]
pub(super) struct StoppedProcess {
    pid: u32,
    threads: Vec<StoppedThread>,
    since: Instant,
}

impl StoppedProcess {
    /// Attaches to every thread, stops it and reads its registers.
    pub(super) fn stop(pid: u32) -> Result<StoppedProcess, TargetError> {
        let mut seized = BTreeSet::new();
        let first = seize_new(pid, &mut seized)?;
        let mut process =
            StoppedProcess { pid, threads: Vec::with_capacity(first.len() + 8), since: Instant::now() };
        process.stop_rounds(first, &mut seized)?;
        Ok(process)
    }

    /// Stops `batch`, then what has appeared meanwhile, until nothing new appears.
    fn stop_rounds(&mut self, mut batch: Vec<Pid>, seized: &mut BTreeSet<u32>) -> Result<(), TargetError> {
        for _ in 0..MAX_ROUNDS {
            for tid in &batch {
                // One that was attached automatically, or that has just ended, is found by the wait below.
                let _ = sys::interrupt(*tid);
            }
            for tid in batch {
                self.take_in(tid)?;
            }
            batch = seize_new(self.pid, seized)?;
            if batch.is_empty() {
                return Ok(());
            }
        }
        let source =
            io::Error::new(io::ErrorKind::TimedOut, "it makes threads faster than they can be stopped");
        Err(TargetError::Trace { pid: self.pid, doing: "stopping all threads", source })
    }

    /// Waits for the stop of one thread and writes it down.
    fn take_in(&mut self, tid: Pid) -> Result<(), TargetError> {
        let stop = match self.wait_for(tid) {
            Ok(stop) => stop,
            Err(err) if err.raw_os_error() == Some(libc::ECHILD) => Stop::Gone,
            Err(source) => {
                return Err(TargetError::Trace {
                    pid: self.pid,
                    doing: "waiting for a thread to stop",
                    source,
                });
            }
        };
        if stop == Stop::Clone {
            self.release_other_process(tid);
        }
        if stop != Stop::Gone {
            let registers = sys::registers(tid).map_err(failed(self.pid, "reading a thread's registers"))?;
            self.threads.push(StoppedThread { tid, stop, registers });
        }
        Ok(())
    }

    /// Waits for the stop of one thread, with the patience that it deserves.
    fn wait_for(&self, tid: Pid) -> io::Result<Stop> {
        match wait_for_stop(tid, self.since + SLEEPER_PATIENCE) {
            Err(err) if err.kind() == io::ErrorKind::TimedOut => {
                let status = Status::of_thread(self.pid, tid.as_raw().unsigned_abs());
                match status.is_ok_and(|status| status.state == 'D') {
                    true => Err(err),
                    false => wait_for_stop(tid, self.since + RUNNER_PATIENCE),
                }
            }
            stop => stop,
        }
    }

    /// A task made this very moment that is no thread of the target was attached to as well: lets it go.
    fn release_other_process(&self, maker: Pid) {
        let made = sys::event_message(maker).ok().and_then(|id| u32::try_from(id).ok());
        let other = made.filter(|id| Status::of(*id).is_ok_and(|status| status.tgid != self.pid));
        if let Some(other) = other.map(pid_of)
            && let Ok(stop) = wait_for_stop(other, Instant::now() + SLEEPER_PATIENCE)
        {
            let _ = sys::detach(other, stop.held_back_signal());
        }
    }

    /// The process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The threads not yet let go.
    pub(super) fn threads(&self) -> &[StoppedThread] {
        &self.threads
    }

    /// When the first thread was asked to stop.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// The registers of all threads, as the reader wants them.
    pub(super) fn thread_registers(&self) -> Vec<ThreadRegisters> {
        self.threads.iter().map(|thread| arch::describe(thread.tid, &thread.registers)).collect()
    }

    /// Lets all threads go but `tid`.
    pub(super) fn detach_all_but(&mut self, tid: Pid) {
        self.threads.retain(|thread| thread.tid == tid || !let_go(thread));
    }

    /// Thread `tid` has been let go by other means.
    pub(super) fn forget(&mut self, tid: Pid) {
        self.threads.retain(|thread| thread.tid != tid);
    }

    /// Lets all threads go; answers how long the first of them stood.
    pub(super) fn detach(mut self) -> Duration {
        self.threads.retain(|thread| !let_go(thread));
        self.since.elapsed()
    }
}

impl Drop for StoppedProcess {
    fn drop(&mut self) {
        self.threads.retain(|thread| !let_go(thread));
    }
}

/// Detaches one thread, handing on the signal that was held back.
fn let_go(thread: &StoppedThread) -> bool {
    sys::detach(thread.tid, thread.stop.held_back_signal()).is_ok()
}

/// Attaches to the threads not yet `seized`.
fn seize_new(pid: u32, seized: &mut BTreeSet<u32>) -> Result<Vec<Pid>, TargetError> {
    let tasks = proc_files::tasks(pid).map_err(|_| TargetError::NoProcess { pid })?;
    let mut attached = Vec::with_capacity(tasks.len());
    for task in tasks {
        if seized.contains(&task) {
            continue;
        }
        seized.insert(task);
        match sys::seize(pid_of(task), libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE) {
            Ok(()) => attached.push(pid_of(task)),
            Err(source) => match seize_failed(pid, task, source)? {
                Refusal::OursAlready => attached.push(pid_of(task)),
                Refusal::Ended => {}
            },
        }
    }
    Ok(attached)
}

/// Why a thread cannot be attached to although nothing is wrong.
enum Refusal {
    /// The kernel attached it for us, since a thread of ours made it.
    OursAlready,
    /// It has ended, or stands as a zombie (a main thread that left before the others).
    Ended,
}

fn seize_failed(pid: u32, task: u32, source: io::Error) -> Result<Refusal, TargetError> {
    match (source.raw_os_error(), Status::of_thread(pid, task)) {
        (Some(libc::ESRCH), _) | (_, Err(_)) => Ok(Refusal::Ended),
        (_, Ok(status)) if status.tracer == gettid().as_raw().unsigned_abs() => Ok(Refusal::OursAlready),
        (_, Ok(status)) if matches!(status.state, 'Z' | 'X') => Ok(Refusal::Ended),
        (Some(libc::EPERM), Ok(_)) => Err(crate::access::denied(pid)),
        _ => Err(TargetError::Trace { pid, doing: "attaching to a thread", source }),
    }
}

/// The kernel's signed form of a task id.
pub(super) fn pid_of(task: u32) -> Pid {
    Pid::from_raw(i32::try_from(task).unwrap_or(i32::MAX))
}

/// Names the step that failed.
pub(super) fn failed(pid: u32, doing: &'static str) -> impl Fn(io::Error) -> TargetError {
    move |source| TargetError::Trace { pid, doing, source }
}
