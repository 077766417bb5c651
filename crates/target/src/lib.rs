//! The bytes of a live, snapshotted or dead process; its registers and mappings.
//!
//! What comes in: a process id or the path of a core file. What goes out: [`TargetMemory`], [`Mapping`]s and
//! [`ThreadRegisters`]. This crate must not know Go; the one thing it needs from Go code, the addresses of
//! three instruction sequences, is handed to it as [`Gadgets`].
//!
//! Everything here holds to one promise: the process we look at goes on as if we had not been there, whatever
//! happens to us, `kill -9` included.
#![allow(clippy::disallowed_methods, reason = "this crate opens processes and files: that is its purpose")]

mod access;
pub mod clock;
pub mod core_file;
pub mod core_write;
pub mod error;
pub mod mappings;
pub mod memory;
mod proc_files;
pub mod process;
mod remote;
pub mod residency;
pub mod smaps;
pub mod snapshot;
mod sys;

pub use core_file::{BuildIds, CoreFile, CoreProcess, FileBytes, Machine};
pub use core_write::{CoreParts, CoreWritten, write_core};
pub use error::{ReadError, TargetError};
pub use mappings::Mapping;
pub use memory::{Image, TargetMemory, read_u64};
pub use process::{LiveMemory, LiveProcess, MappedFile, ThreadRegisters};
pub use residency::{Residency, ResidentMapping};
pub use smaps::{SmapsEntry, parse_smaps};
pub use snapshot::{Gadgets, Mode, Snapshot, SnapshotFacts, SnapshotOptions};
