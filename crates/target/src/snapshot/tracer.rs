//! The thread that attaches. The kernel ties every tracee to the one thread that attached to it: that thread
//! takes the snapshot, holds it, and lets it go; when it ends, for whatever reason, so does its hold.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_timerslack;
use nix::unistd::Pid;

use crate::error::TargetError;
use crate::process::ThreadRegisters;
use crate::snapshot::Gadgets;
use crate::snapshot::fork::{self, ForkedChild};
use crate::snapshot::headroom;
use crate::snapshot::stop::{StoppedProcess, pid_of};
use crate::sys::{self, Urgency};

/// How often a held child is asked whether it is still bearable.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// Tries to stop a process of which a thread just then could not stop, or none was idle.
const TRIES: u32 = 4;
/// Pause between two tries; the collector and vfork need about so long.
const BETWEEN_TRIES: Duration = Duration::from_millis(7);

/// What was taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// The task to read from.
    pub(super) task: Pid,
    /// The registers of all threads.
    pub(super) threads: Vec<ThreadRegisters>,
    /// How long the target stood; zero while it still stands.
    pub(super) pause: Duration,
}

/// The hold on a target, by a thread of its own.
#[derive(Debug)]
pub(super) struct Tracer {
    /// Dropping it is the order to let go.
    hold: Option<Sender<Infallible>>,
    thread: Option<JoinHandle<Option<Duration>>>,
    lost: Arc<OnceLock<String>>,
}

/// Which hold to take.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hold {
    /// A child, made by these gadgets.
    Child(Gadgets),
    /// The process itself, stopped.
    Process,
}

/// What the tracer thread holds.
enum Held {
    Child(ForkedChild),
    Process(StoppedProcess),
}

impl Tracer {
    /// Takes hold of `pid`. A try that fails ends its thread, and thereby whatever it had attached to; for how
    /// long the target stood in vain is part of the pause.
    pub(super) fn take(pid: u32, hold: Hold) -> Result<(Taken, Tracer), TargetError> {
        let mut in_vain = Duration::ZERO;
        let mut tries = 1;
        loop {
            let start = Instant::now();
            match Tracer::take_once(pid, hold) {
                Ok((taken, tracer)) => return Ok((Taken { pause: taken.pause + in_vain, ..taken }, tracer)),
                Err(err) if tries == TRIES || !may_pass(&err) => return Err(err),
                Err(_) => in_vain += start.elapsed(),
            }
            tries += 1;
            std::thread::sleep(BETWEEN_TRIES);
        }
    }

    fn take_once(pid: u32, hold: Hold) -> Result<(Taken, Tracer), TargetError> {
        let lost = Arc::new(OnceLock::new());
        let (answer, answered) = channel();
        let (order, ordered) = channel();
        let report = Arc::clone(&lost);
        let work = move || hold_until_ordered(pid, hold, &answer, &ordered, &report);
        let thread = std::thread::Builder::new().name("tracer".to_owned()).spawn(work);
        let failed = |source| TargetError::Trace { pid, doing: "starting the thread that traces it", source };
        let mut tracer = Tracer { hold: Some(order), thread: Some(thread.map_err(failed)?), lost };
        match answered.recv() {
            Ok(Ok(taken)) => Ok((taken, tracer)),
            Ok(Err(err)) => {
                tracer.let_go();
                Err(err)
            }
            Err(_) => Err(failed(io::Error::other("it ended early"))),
        }
    }

    /// Why the snapshot had to be given up early, if it had.
    pub(super) fn lost(&self) -> Option<&str> {
        self.lost.get().map(String::as_str)
    }

    /// Lets the target go; answers how long it stood, where that was not known before.
    pub(super) fn let_go(&mut self) -> Option<Duration> {
        self.hold = None;
        self.thread.take().and_then(|thread| thread.join().ok()).flatten()
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Whether the next try may fare better: a thread could not stop, none was idle, or another run's watchdog traced
/// one for a moment.
fn may_pass(err: &TargetError) -> bool {
    matches!(err, TargetError::Refused { .. } | TargetError::Trace { .. } | TargetError::NotAllowed { .. })
}

/// The life of the tracer thread.
fn hold_until_ordered(
    pid: u32,
    hold: Hold,
    answer: &Sender<Result<Taken, TargetError>>,
    ordered: &Receiver<Infallible>,
    lost: &OnceLock<String>,
) -> Option<Duration> {
    // Others stand still while this thread works: it must not wait for its turn on a busy machine.
    sys::set_urgency(Urgency::Urgent);
    let _ = set_timerslack(1);
    let taken = take_hold(pid, hold);
    sys::set_urgency(Urgency::Normal);
    match taken {
        Err(err) => {
            let _ = answer.send(Err(err));
            None
        }
        Ok((held, taken)) => {
            // Whoever asked may be gone: then the order to let go is there already.
            let _ = answer.send(Ok(taken));
            match held {
                Held::Process(process) => {
                    let _ = ordered.recv();
                    Some(process.detach())
                }
                Held::Child(child) => {
                    watch(pid, &child, ordered, lost);
                    child.end();
                    None
                }
            }
        }
    }
}

fn take_hold(pid: u32, hold: Hold) -> Result<(Held, Taken), TargetError> {
    match hold {
        Hold::Process => {
            let process = StoppedProcess::stop(pid)?;
            let threads = process.thread_registers();
            Ok((Held::Process(process), Taken { task: pid_of(pid), threads, pause: Duration::ZERO }))
        }
        Hold::Child(gadgets) => {
            let forked = fork::fork(pid, gadgets)?;
            let taken = Taken { task: forked.child.task(), threads: forked.threads, pause: forked.pause };
            Ok((Held::Child(forked.child), taken))
        }
    }
}

/// Holds the child until the order comes, the target ends, or memory gets tight.
fn watch(pid: u32, child: &ForkedChild, ordered: &Receiver<Infallible>, lost: &OnceLock<String>) {
    while ordered.recv_timeout(WATCH_EVERY) == Err(RecvTimeoutError::Timeout) {
        let reason = if child.parent_lives() {
            headroom::too_tight(pid)
        } else {
            Some("the process has ended".to_owned())
        };
        if let Some(reason) = reason {
            let _ = lost.set(reason);
            return;
        }
    }
}
