//! An ELF core: from the kernel, gcore or `dlv`'s dump.
//!
//! What each writer does differently, seen on real cores of Go programs:
//!
//! | | kernel | gcore | dlv |
//! | --- | --- | --- | --- |
//! | text of the executable | first page only | whole | left out for static executables |
//! | its read-only data | `filesz` 0 | no `PT_LOAD` at all | as the text |
//! | reserved address space | `filesz` 0, no flags | written as zeros, marked readable | left out |
//! | `NT_FILE` | yes | yes | no |
//! | owner of notes | `CORE` | `CORE` | empty |
//! | program headers | first | first | last |
//! | notes | first | last | last but the headers |

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use leakscope_model::Addr;

use crate::error::{ReadError, TargetError};
use crate::mappings::Mapping;
use crate::memory::TargetMemory;
use crate::process::{MappedFile, ThreadRegisters};

mod executable;
mod gaps;
mod headers;
mod held_pages;
mod mapped;
mod notes;
mod segments;
mod words;

pub use executable::BuildIds;
pub use gaps::{MissingBecause, MissingRange};
pub use headers::Machine;
pub use notes::CoreProcess;

use executable::{Overlay, malformed};
use headers::{ET_CORE, Fault, Headers, PT_NOTE};
use notes::Notes;
use segments::SegmentTable;

/// The bytes of a file, mapped or held; cheap to clone.
#[derive(Clone)]
pub enum FileBytes {
    /// Mapped from disk.
    Mapped(Arc<MappedFile>),
    /// Held in memory: tests, and files out of archives.
    Held(Arc<[u8]>),
}

impl std::ops::Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            FileBytes::Mapped(file) => file,
            FileBytes::Held(bytes) => bytes,
        }
    }
}

impl fmt::Debug for FileBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileBytes({} bytes)", self.len())
    }
}

impl From<MappedFile> for FileBytes {
    fn from(file: MappedFile) -> FileBytes {
        FileBytes::Mapped(Arc::new(file))
    }
}

impl From<Vec<u8>> for FileBytes {
    fn from(bytes: Vec<u8>) -> FileBytes {
        FileBytes::Held(bytes.into())
    }
}

/// A core file, mapped; missing pages are gaps, not zeros.
#[derive(Debug, Clone)]
pub struct CoreFile {
    path: PathBuf,
    bytes: FileBytes,
    machine: Machine,
    notes: Notes,
    notes_cut_off: bool,
    segments: SegmentTable,
    mappings: Vec<Mapping>,
    overlays: Vec<Overlay>,
    executable_unverified: bool,
}

impl CoreFile {
    /// Opens and checks the core at `path`.
    ///
    /// # Errors
    /// [`TargetError::File`] if it cannot be opened; [`TargetError::Malformed`] if it is no 64-bit core of a
    /// processor that we read, or so short that nothing of it can be placed. A core that is merely cut off
    /// opens; see [`CoreFile::missing`].
    pub fn open(path: &Path) -> Result<CoreFile, TargetError> {
        CoreFile::from_bytes(path, MappedFile::open(path)?.into())
    }

    /// The core with these contents; `path` is its name in errors.
    ///
    /// # Errors
    /// As [`CoreFile::open`].
    pub fn from_bytes(path: &Path, bytes: FileBytes) -> Result<CoreFile, TargetError> {
        let headers = headers::parse(&bytes).map_err(|fault| malformed(path, fault))?;
        if headers.kind != ET_CORE {
            return Err(malformed(path, not_a_core(headers.kind)));
        }
        let (notes, notes_cut_off) = read_notes(&bytes, &headers);
        let mut core = CoreFile {
            path: path.to_owned(),
            machine: headers.machine,
            notes,
            notes_cut_off,
            segments: SegmentTable::of_programs(&headers.programs, bytes.len() as u64, 0),
            mappings: Vec::new(),
            overlays: Vec::new(),
            executable_unverified: false,
            bytes,
        };
        core.mappings = core.join_mappings();
        Ok(core)
    }

    /// Where the core came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The processor that the process ran on.
    pub fn machine(&self) -> Machine {
        self.machine
    }

    /// The process that the core was taken of; `None` if the notes are cut off.
    pub fn process(&self) -> Option<&CoreProcess> {
        self.notes.process.as_ref()
    }

    /// The registers of every thread (`NT_PRSTATUS`); the first is the one that died, in a kernel's core.
    pub fn threads(&self) -> &[ThreadRegisters] {
        &self.notes.threads
    }

    /// The mappings (`PT_LOAD` joined with `NT_FILE` and with the executable), by address.
    ///
    /// gcore marks reserved address space, which no one may read, as readable.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// The bytes from `addr` on that the core, or a file standing in, holds in one piece; never empty.
    fn held_from(&self, addr: Addr) -> Option<&[u8]> {
        let own = self.segments.bytes_from(addr, &self.bytes);
        own.or_else(|| self.overlays.iter().find_map(|file| file.unwritten.bytes_from(addr, &file.bytes)))
    }
}

impl TargetMemory for CoreFile {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let whole = ReadError::unmapped(addr, buf.len());
        let (mut at, mut rest) = (addr, buf);
        while !rest.is_empty() {
            let held = self.held_from(at).ok_or(whole)?;
            let len = held.len().min(rest.len());
            let (now, later) = rest.split_at_mut_checked(len).ok_or(whole)?;
            now.copy_from_slice(held.get(..len).ok_or(whole)?);
            rest = later;
            if !rest.is_empty() {
                at = at.checked_add(len as u64).ok_or(whole)?;
            }
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let own = self.segments.bytes_from(addr, &self.bytes).and_then(|held| held.get(..len));
        // A kernel's core holds the first page of a text segment, the executable all of it.
        own.or_else(|| {
            self.overlays.iter().find_map(|file| file.unwritten.bytes_from(addr, &file.bytes)?.get(..len))
        })
    }
}

fn read_notes(bytes: &[u8], headers: &Headers) -> (Notes, bool) {
    let mut notes = Notes::default();
    let mut cut_off = false;
    for program in headers.programs.iter().filter(|program| program.kind == PT_NOTE) {
        let start = usize::try_from(program.offset).unwrap_or(usize::MAX);
        let there = bytes.get(start..).unwrap_or_default();
        let claimed = usize::try_from(program.filesz).unwrap_or(usize::MAX);
        cut_off |= there.len() < claimed;
        notes.add(there.get(..claimed).unwrap_or(there), headers.machine);
    }
    (notes, cut_off)
}

fn not_a_core(kind: u16) -> Fault {
    let what = match kind {
        2 | 3 => "it is an executable or a library, not a core",
        _ => "it is an ELF file, but not a core",
    };
    let remedy = "name a core; the executable goes to --exe";
    Fault { what: what.to_owned(), offset: 16, remedy }
}
