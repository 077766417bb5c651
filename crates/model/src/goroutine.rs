//! A goroutine as every source describes it.

use crate::stack::Frame;

/// One goroutine, read from memory or from a text dump.
#[derive(Debug, Clone, PartialEq)]
pub struct Goroutine {
    /// `goid`.
    pub id: u64,
    /// The runtime's word for its status: `waiting`, `running`, `runnable`, `syscall`, `dead`, …
    pub status: String,
    /// Why it waits, in the runtime's words (`chan receive`); `None` unless it waits.
    pub wait: Option<String>,
    /// Seconds since it began to wait; `None` where the source does not tell.
    pub wait_seconds: Option<f64>,
    /// Innermost frame first, inlined calls expanded.
    pub stack: Vec<Frame>,
    /// Where the `go` statement stands; `None` for the main goroutine and where it is not known.
    pub created_by: Option<Frame>,
    /// The function that the `go` statement started (the outermost frame).
    pub start: Option<Frame>,
    /// Whether the runtime counts it as its own (`runtime.isSystemGoroutine`).
    pub system: bool,
    /// Bytes of stack that the runtime reserves for it; 0 where the source does not tell.
    pub stack_bytes: u64,
}
