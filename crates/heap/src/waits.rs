//! What goroutines wait for: who could wake them.
//!
//! Kept with a heap, so that whether a goroutine can ever run again ([`crate::leaks`]) can be asked without its
//! memory.

use crate::graph::ObjectId;

/// What the goroutines of a heap wait for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Waits {
    /// One for each goroutine, in the order of `Heap::goroutines`; empty where it was not looked for (a file of an
    /// earlier build).
    pub of: Vec<Wait>,
    /// The pointers, as indices of edges in order, by which the runtime's records of waits (`sudog`) lead to what
    /// is waited for. They wake nobody: the search for leaks leaves them out.
    pub hidden: Vec<u32>,
    /// Why pointers may be missing, so that nothing can be proven; `None` where all were read.
    pub doubt: Option<String>,
}

/// One goroutine's wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// Who can wake it.
    pub woken: Woken,
    /// Whether all pointers on its stack were found.
    pub whole: bool,
}

/// Who can wake a goroutine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Woken {
    /// It runs, or something can that the heap does not tell of: time, the network, the runtime, a variable.
    FromOutside,
    /// Nobody: a nil channel, a select without cases.
    Never,
    /// Only who reaches one of these: channels, or the objects that hold the lock, group or condition.
    Through(Box<[ObjectId]>),
    /// What it waits for could not be read.
    Unknown,
}
