//! What was read, as it came from the readers: nothing is judged yet.

use leakscope_heap::Heap;
use leakscope_model::{Frame, Gap, Goroutine, Target};

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

/// One stack of a heap profile with what it keeps in use.
#[derive(Debug, Clone, PartialEq)]
pub struct HeapSample {
    /// Innermost frame first.
    pub stack: Vec<Frame>,
    /// Estimated objects in use (already scaled up by the runtime).
    pub in_use_objects: f64,
    /// Estimated bytes in use.
    pub in_use_bytes: f64,
}

impl HeapSample {
    /// How many objects were really caught to make this estimate, with one sample per `period` bytes: the
    /// inverse of `scaleHeapSample` in `runtime/pprof/protomem.go`.
    pub fn samples(&self, period: f64) -> f64 {
        if self.in_use_objects <= 0.0 || period <= 1.0 {
            return self.in_use_objects.max(0.0);
        }
        let size = self.in_use_bytes / self.in_use_objects;
        self.in_use_objects * (1.0 - (-size / period).exp())
    }
}

/// A heap profile, and where it came from.
#[derive(Debug)]
pub struct ProfileReading {
    /// Its stacks.
    pub samples: Vec<HeapSample>,
    /// Bytes between two samples (`runtime.MemProfileRate`).
    pub period: f64,
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
