//! The table of contents of a capture.

use serde::{Deserialize, Serialize};

/// The format that this crate writes and reads.
pub const SCHEMA: &str = "leakscope.capture/1";

/// What a part is; its bytes are in the format of that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PartKind {
    /// The object graph and types of a heap, without contents.
    HeapGraph,
    /// A heap profile (`profile.proto`).
    HeapProfile,
    /// An allocation profile.
    AllocsProfile,
    /// Goroutines as text (debug=2).
    GoroutineDump,
    /// A goroutine profile (`profile.proto`).
    GoroutineProfile,
    /// Goroutines that the collector proved leaked (Go 1.26 and later).
    GoroutineLeakProfile,
    /// A CPU profile.
    CpuProfile,
    /// An execution trace.
    Trace,
    /// What the operating system says ([`crate::OsFacts`] as JSON).
    Os,
    /// How and when each heap was read, and what could not be had (JSON, written by the command line).
    Snapshots,
    /// What a later leakscope has put in; kept, not read.
    #[serde(other)]
    Unknown,
}

/// Of which process a capture was taken.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetFacts {
    /// Its process id, if it was one of this machine.
    pub pid: Option<u32>,
    /// The path of its executable, or the URL.
    pub name: String,
    /// The Go version as the binary tells it.
    pub go: Option<String>,
    /// `amd64` or `arm64`.
    pub arch: Option<String>,
    /// The build ID of the executable.
    pub build_id: Option<String>,
    /// `dwarf`, `separate` or `stripped`.
    pub debug: Option<String>,
}

/// One part as the manifest lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartEntry {
    /// What it is.
    pub kind: PartKind,
    /// Where it comes from, for people: `heap?gc=1`.
    pub name: String,
    /// When it was taken (RFC 3339, UTC).
    pub taken_at: String,
    /// The path of its bytes in the archive.
    pub file: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// The CRC-32 of its bytes (that of gzip).
    pub crc32: u32,
}

/// The first file of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// The program that wrote it, with its version.
    pub tool: String,
    /// When it was begun (RFC 3339, UTC).
    pub taken_at: String,
    /// Of which process.
    pub target: TargetFacts,
    /// The parts in the order of the archive.
    pub parts: Vec<PartEntry>,
}
