//! What is mapped where: `/proc/PID/maps` and the `NT_FILE` note of a core.

use leakscope_model::Addr;

/// One mapping of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: Addr,
    /// First address behind it.
    pub end: Addr,
    /// `PROT_READ`, as the kernel tells it.
    pub read: bool,
    /// `PROT_WRITE`.
    pub write: bool,
    /// `PROT_EXEC`.
    pub execute: bool,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// The file's path or the kernel's name in brackets; empty for anonymous memory.
    pub path: String,
}
