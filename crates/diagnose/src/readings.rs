//! What was read, as it came from the readers: nothing is judged yet.

use leakscope_heap::Heap;
use leakscope_model::{Gap, Goroutine, Memory, Target};
use leakscope_pprof::HeapEstimate;

/// One heap, and how and when it was read.
#[derive(Debug)]
pub struct HeapMoment {
    /// The heap, analysed.
    pub heap: Heap,
    /// RFC 3339.
    pub taken_at: String,
    /// The same moment in seconds, on any clock that all moments of one process share.
    pub at_seconds: f64,
    /// How long the process stood still for it; `None` for a file.
    pub pause_ms: Option<f64>,
    /// What had been predicted.
    pub predicted_ms: Option<f64>,
    /// `fork`, `stop`, `live`, `core`.
    pub mode: String,
}

/// A heap profile, and where it came from.
#[derive(Debug)]
pub struct ProfileReading {
    /// What it says, and how sure.
    pub estimate: HeapEstimate,
    /// The URL or file.
    pub from: String,
    /// Its moment, on the clock of the heap moments.
    pub at_seconds: f64,
}

/// Goroutines as the process itself printed them.
#[derive(Debug)]
pub struct DumpReading {
    /// Every goroutine of the dump.
    pub goroutines: Vec<Goroutine>,
    /// The URL or file.
    pub from: String,
    /// Its moment, on the clock of the heap moments.
    pub at_seconds: f64,
}

/// What the operating system says, in bytes; `None` where it did not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OsFacts {
    /// Resident set.
    pub rss: Option<u64>,
    /// Resident anonymous memory.
    pub anonymous: Option<u64>,
    /// Resident pages of mapped files.
    pub mapped_files: Option<u64>,
    /// The container's limit.
    pub cgroup_limit: Option<u64>,
    /// What the container's limit counts now.
    pub cgroup_usage: Option<u64>,
    /// The machine's memory.
    pub ram: Option<u64>,
    /// Seconds since the process started, at the last moment.
    pub uptime_seconds: Option<u64>,
    /// What resident memory is made of, page by page, at the last snapshot.
    pub resident: Option<Memory>,
}

/// Everything that was read of one process.
#[derive(Debug)]
pub struct Readings {
    /// Who was looked at.
    pub target: Target,
    /// The word by which the user named it, for the commands in the evidence.
    pub word: String,
    /// In order of time; growth is told from the first and the last.
    pub moments: Vec<HeapMoment>,
    /// Heap profiles.
    pub profiles: Vec<ProfileReading>,
    /// Goroutine dumps.
    pub dumps: Vec<DumpReading>,
    /// The operating system's view at the last moment.
    pub os: OsFacts,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}
