//! What was seen, and what could not be seen.

/// Which kind of evidence a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The heap as read from the process's memory.
    Heap,
    /// A profile of the process.
    Pprof,
    /// An execution trace.
    Trace,
    /// The operating system.
    Os,
}

/// One fact, with its error and the command that shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Where it was seen.
    pub source: Source,
    /// One sentence for people.
    pub says: String,
    /// The figure in it, in base units (objects, bytes, seconds).
    pub value: f64,
    /// Half the width of its 95 % interval; 0 for an exact count.
    pub error: f64,
    /// A command that shows it.
    pub how: String,
}

/// A part of the answer that is missing, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Which part: `heap`, `pprof`, `goroutines`, `trace`, `os`, `types`, …
    pub part: String,
    /// Why, with the file, offset or address, and what to do.
    pub reason: String,
}

impl Gap {
    /// The part of which a gap says that everything was read by a layout that may not be this build's: what follows
    /// from it is possible at best.
    pub const LAYOUT: &'static str = "layout";

    /// A gap in `part` because of `reason`.
    pub fn new(part: impl Into<String>, reason: impl Into<String>) -> Gap {
        Gap { part: part.into(), reason: reason.into() }
    }
}
