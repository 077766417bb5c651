//! What every front end draws from, and all that it may draw from.

use crate::evidence::{Evidence, Gap};
use crate::finding::Finding;

/// How the names of types and variables were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugInfoKind {
    /// DWARF in the binary.
    Dwarf,
    /// DWARF in a separate file.
    Separate,
    /// None: names come from the runtime's own data.
    Stripped,
}

/// The process that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its process id; `None` where a file does not tell.
    pub pid: Option<u32>,
    /// The executable's name.
    pub exe: String,
    /// `go1.26.6`.
    pub go: String,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// The GNU build ID in hex, else Go's; empty if there is none.
    pub build_id: String,
    /// Where names came from.
    pub debug: DebugInfoKind,
}

/// When it was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// First snapshot, RFC 3339.
    pub from: String,
    /// Last snapshot, RFC 3339.
    pub to: String,
    /// Between them.
    pub seconds: f64,
    /// How long the target really stood still at each snapshot.
    pub pauses_ms: Vec<f64>,
    /// What had been predicted for each, in the same order; `None` where nothing was predicted.
    pub predicted_ms: Vec<Option<f64>>,
    /// How each snapshot was taken: `fork`, `stop`, `live`, `core`, `capture`.
    pub modes: Vec<String>,
}

/// Where the process's memory is, in bytes, at the last snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Memory {
    /// Resident set.
    pub rss: u64,
    /// Reachable objects.
    pub heap_live: u64,
    /// Allocated and not reachable: the next collection frees it.
    pub heap_garbage: u64,
    /// Heap pages without a span, kept from the system.
    pub heap_idle: u64,
    /// Free slots in spans in use.
    pub fragmentation: u64,
    /// Goroutine stacks.
    pub stacks: u64,
    /// The collector's and allocator's own data.
    pub gc_metadata: u64,
    /// Anonymous memory that the Go runtime does not own.
    pub native: u64,
    /// Resident pages of mapped files.
    pub mapped_files: u64,
}

/// Which limit would be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitSource {
    /// The container's.
    Cgroup,
    /// The machine's.
    Ram,
    /// The program's own soft limit.
    GoMemLimit,
}

/// When the process will run out at the present growth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// The limit.
    pub limit_bytes: u64,
    /// Whose limit it is.
    pub limit_source: LimitSource,
    /// Seconds until it is reached.
    pub seconds_to_limit: f64,
    /// The early end of the 95 % interval.
    pub low: f64,
    /// The late end.
    pub high: f64,
}

/// One diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Who was looked at.
    pub target: Target,
    /// When.
    pub window: Window,
    /// Where its memory is.
    pub memory: Memory,
    /// What leaks, what to fix first at the front.
    pub findings: Vec<Finding>,
    /// When it runs out; `None` where nothing grows or no limit is known.
    pub forecast: Option<Forecast>,
    /// Every fact that a finding stands on.
    pub evidence: Vec<Evidence>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}
