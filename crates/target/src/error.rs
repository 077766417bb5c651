//! Errors that say which process, file, offset or address, and what to do.

use std::path::PathBuf;

use leakscope_model::Addr;

/// Why a read of target memory gave no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[error("cannot read {len} bytes at {addr}: {}not mapped", at_fault(*.addr, *.fault))]
pub struct ReadError {
    /// The first address asked for.
    pub addr: Addr,
    /// How many bytes were asked for.
    pub len: usize,
    /// The first address of those that could not be read.
    pub fault: Addr,
}

impl ReadError {
    /// No mapping of the target covers all of the range.
    pub fn unmapped(addr: Addr, len: usize) -> ReadError {
        ReadError { addr, len, fault: addr }
    }

    /// The range can be read up to `fault` and not there.
    pub fn partial(addr: Addr, len: usize, fault: Addr) -> ReadError {
        ReadError { addr, len, fault }
    }
}

/// Names the unreadable address where it is not the first one asked for.
fn at_fault(addr: Addr, fault: Addr) -> String {
    if addr == fault { String::new() } else { format!("{fault} is ") }
}

/// Why a process or core could not be opened or snapshotted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is no such process.
    #[error("no process {pid}: it is not running (any more)")]
    NoProcess {
        /// The process id asked for.
        pid: u32,
    },
    /// The kernel does not let us attach.
    #[error("not allowed to attach to process {pid}: {reason}; {remedy}")]
    NotAllowed {
        /// The process id.
        pid: u32,
        /// Which rule forbids it: the uid, a missing capability, yama, another tracer.
        reason: String,
        /// The command that would allow it.
        remedy: String,
    },
    /// A file could not be opened, mapped or read.
    #[error("{path}: {doing}")]
    File {
        /// The file.
        path: PathBuf,
        /// While doing what.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{path}: {what} at offset {offset:#x}; {remedy}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// Where.
        offset: u64,
        /// What to do.
        remedy: &'static str,
    },
    /// The executable at hand is not the one that a core was taken of.
    #[error(
        "{core}: taken of another build than {executable}: the core has {core_id}, the executable {executable_id}; name the right one"
    )]
    OtherBuild {
        /// The core.
        core: PathBuf,
        /// What identifies the executable in the core's memory.
        core_id: String,
        /// The executable that was named or found.
        executable: PathBuf,
        /// What identifies it.
        executable_id: String,
    },
    /// The kernel refused a step of the snapshot.
    #[error("process {pid}: {doing}")]
    Trace {
        /// The process id.
        pid: u32,
        /// While doing what.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The chosen way to take a snapshot cannot be taken here.
    #[error("process {pid}: no snapshot by {mode}: {reason}")]
    Refused {
        /// The process id.
        pid: u32,
        /// `fork`, `stop` or `live`.
        mode: &'static str,
        /// Why.
        reason: String,
    },
}
