//! One consistent moment of a live process, taken so that it stands still for milliseconds.

mod arch;
mod fit;
mod fork;
mod headroom;
mod inject;
mod plan;
mod predict;
mod reap;
mod seccomp;
mod stop;
mod tracer;
mod wait;
pub mod watchdog;

use std::time::Duration;

use leakscope_model::Addr;

use crate::error::{ReadError, TargetError};
use crate::mappings::Mapping;
use crate::memory::TargetMemory;
use crate::process::{LiveProcess, ThreadRegisters, mappings_of};
use crate::remote::RemoteMemory;
use crate::snapshot::plan::Plan;
use crate::snapshot::tracer::{Hold, Taken, Tracer};
use crate::snapshot::watchdog::Watchdog;

/// Where the instructions stand that the target runs for us; found by whoever knows its symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gadgets {
    /// A `syscall` instruction whose function then returns with a plain `ret`.
    pub syscall: Addr,
    /// A signal trampoline that calls `rt_sigreturn` (`runtime.sigreturn__sigaction`).
    pub sigreturn: Addr,
    /// A function that ends its process (`runtime.exit`): where a snapshot goes that lost its tracer.
    pub exit: Addr,
    /// Offset from a thread's pointer (`fs` on amd64) to the word that holds the address of two words: the
    /// lowest and the highest address of the stack that the thread runs on. For Go that word is the current
    /// `g` (`runtime.tlsg`, -8 where no C variable shares the thread's storage), and `runtime.g` starts with
    /// its `stack`; `runtime/cgo` relies on both.
    pub stack_word: i64,
}

/// How a snapshot is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Fork if that is safe and short enough, else stop, else live.
    Auto,
    /// A copy-on-write child made by the target itself.
    Fork,
    /// Stop all threads while memory is read.
    Stop,
    /// Read without stopping: cheap, and torn where the program writes.
    Live,
}

/// What the user allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Which way.
    pub mode: Mode,
    /// The longest stop that `Auto` may choose by its prediction.
    pub max_pause: Duration,
}

/// What was done to the target, for the report.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotFacts {
    /// The way that was taken; never `Auto`.
    pub mode: Mode,
    /// The stop that had been predicted for it.
    pub predicted_pause: Option<Duration>,
    /// The stop that was measured; for `Mode::Stop` known only after [`Snapshot::release`].
    pub pause: Duration,
    /// Bytes that copy-on-write may cost at worst while the snapshot is held.
    pub copy_on_write: u64,
    /// Why not fork, where it was not fork.
    pub why: Option<String>,
}

/// One moment of a process; lets it go when dropped.
///
/// Reading is `Send` and `Sync`. What the kernel ties to one thread, attaching and letting go, happens on a
/// thread of its own that lives as long as this does.
#[derive(Debug)]
pub struct Snapshot {
    facts: SnapshotFacts,
    threads: Vec<ThreadRegisters>,
    mappings: Vec<Mapping>,
    memory: RemoteMemory,
    /// Dropped before the watchdog, which must see the end of the hold.
    tracer: Option<Tracer>,
    _watchdog: Option<Watchdog>,
}

impl Snapshot {
    /// Takes a snapshot of `process`.
    ///
    /// `Mode::Auto` forks if that is safe and its predicted pause fits, else stops the process if reading is
    /// predicted to fit, else reads while it runs. Any other mode is taken as asked for.
    ///
    /// # Errors
    /// [`TargetError::Refused`] with the reason where the mode asked for cannot be taken; other errors where
    /// the process ends, or the kernel forbids a step.
    pub fn take(
        process: &LiveProcess,
        gadgets: Option<Gadgets>,
        options: SnapshotOptions,
    ) -> Result<Snapshot, TargetError> {
        let pid = process.pid;
        if let Some(gadgets) = gadgets {
            reap::reap_leftovers(pid, gadgets);
        }
        let plan = Plan::of(pid, options);
        match options.mode {
            Mode::Fork => Snapshot::fork(pid, gadgets, &plan),
            Mode::Stop => Snapshot::stop(pid, &plan, None),
            Mode::Live => Snapshot::live(pid, None),
            Mode::Auto => Snapshot::choose(pid, gadgets, &plan),
        }
    }

    /// Fork, or whatever comes next, with the reason why not fork.
    fn choose(pid: u32, gadgets: Option<Gadgets>, plan: &Plan) -> Result<Snapshot, TargetError> {
        let why = match plan.against_fork() {
            Some(reason) => reason,
            None => match Snapshot::fork(pid, gadgets, plan) {
                Ok(snapshot) => return Ok(snapshot),
                Err(TargetError::Refused { reason, .. }) => reason,
                Err(err @ TargetError::Trace { .. }) => chain(&err),
                Err(err) => return Err(err),
            },
        };
        if !plan.stop_fits() {
            return Snapshot::live(pid, Some(why));
        }
        match Snapshot::stop(pid, plan, Some(why.clone())) {
            Err(err @ TargetError::Trace { .. }) => {
                Snapshot::live(pid, Some(format!("{why}; {}", chain(&err))))
            }
            stopped => stopped,
        }
    }

    fn fork(pid: u32, gadgets: Option<Gadgets>, plan: &Plan) -> Result<Snapshot, TargetError> {
        let gadgets = gadgets.ok_or_else(|| TargetError::Refused {
            pid,
            mode: "fork",
            reason: "the instructions that the process would have to run were not found in its executable"
                .to_owned(),
        })?;
        let watchdog = Watchdog::start(pid, &gadgets).map_err(|source| TargetError::Trace {
            pid,
            doing: "starting the watchdog that cleans up after us",
            source,
        })?;
        let (taken, tracer) = Tracer::take(pid, Hold::Child(gadgets))?;
        let facts = SnapshotFacts {
            mode: Mode::Fork,
            predicted_pause: plan.fork_pause(),
            pause: taken.pause,
            copy_on_write: plan.copy_on_write(),
            why: None,
        };
        Snapshot::of_held(taken, tracer, watchdog, facts)
    }

    fn stop(pid: u32, plan: &Plan, why: Option<String>) -> Result<Snapshot, TargetError> {
        let (taken, tracer) = Tracer::take(pid, Hold::Process)?;
        let facts = SnapshotFacts {
            mode: Mode::Stop,
            predicted_pause: plan.stop_pause(),
            pause: taken.pause,
            copy_on_write: 0,
            why,
        };
        Snapshot::of_held(taken, tracer, None, facts)
    }

    fn live(pid: u32, why: Option<String>) -> Result<Snapshot, TargetError> {
        let facts = SnapshotFacts {
            mode: Mode::Live,
            predicted_pause: Some(Duration::ZERO),
            pause: Duration::ZERO,
            copy_on_write: 0,
            why,
        };
        Ok(Snapshot {
            facts,
            threads: Vec::new(),
            mappings: mappings_of(pid)?,
            memory: RemoteMemory::of(stop::pid_of(pid)),
            tracer: None,
            _watchdog: None,
        })
    }

    fn of_held(
        taken: Taken,
        tracer: Tracer,
        watchdog: Option<Watchdog>,
        facts: SnapshotFacts,
    ) -> Result<Snapshot, TargetError> {
        let memory = match facts.mode {
            Mode::Fork => RemoteMemory::of_copy(taken.task),
            Mode::Auto | Mode::Stop | Mode::Live => RemoteMemory::of(taken.task),
        };
        Ok(Snapshot {
            facts,
            threads: taken.threads,
            mappings: mappings_of(taken.task.as_raw().unsigned_abs())?,
            memory,
            tracer: Some(tracer),
            _watchdog: watchdog,
        })
    }

    /// What was done.
    pub fn facts(&self) -> &SnapshotFacts {
        &self.facts
    }

    /// The registers of every thread at that moment; none for `Mode::Live`.
    pub fn threads(&self) -> &[ThreadRegisters] {
        &self.threads
    }

    /// The mappings at that moment.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Why the snapshot had to be given up early, if it had: reads fail since then.
    pub fn lost(&self) -> Option<&str> {
        self.tracer.as_ref().and_then(Tracer::lost)
    }

    /// Lets the target go for good: kills and reaps the child, or resumes the threads. Also done on drop.
    pub fn release(mut self) -> SnapshotFacts {
        let pause = self.tracer.as_mut().and_then(Tracer::let_go);
        let mut facts = self.facts.clone();
        facts.pause += pause.unwrap_or_default();
        facts
    }
}

impl TargetMemory for Snapshot {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read_exact(addr, buf)
    }

    fn read_many(&self, ranges: &mut [(Addr, &mut [u8])]) -> Vec<Result<(), ReadError>> {
        self.memory.read_many(ranges)
    }
}

/// An error with its cause, in one line.
fn chain(err: &TargetError) -> String {
    match std::error::Error::source(err) {
        Some(source) => format!("{err}: {source}"),
        None => err.to_string(),
    }
}
