//! The executable that a core was taken of: which one, whether it is the same build, and its unwritten pages.

use std::path::{Path, PathBuf};

use leakscope_model::Addr;

use super::headers::{self, ET_CORE, Fault, Headers, PF_W, PT_LOAD, PT_NOTE, ProgramHeader};
use super::notes::walk;
use super::segments::{PAGE, SegmentTable};
use super::words::{slice_at, text_until_nul, u16_at, u32_at, u64_at};
use super::{CoreFile, FileBytes};
use crate::error::TargetError;
use crate::memory::TargetMemory;

/// `e_type` of an executable that is loaded where it was linked.
const ET_EXEC: u16 = 2;
/// Longest note segment of an executable that we read from memory, in bytes.
const LONGEST_NOTES: u64 = 64 << 10;
/// Most program headers that we read from memory.
const MOST_PROGRAMS: u64 = 512;

/// The build IDs in the notes of an executable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuildIds {
    /// GNU build ID (`.note.gnu.build-id`) in hex; Go's linker writes one since 1.24.
    pub gnu: Option<String>,
    /// Go build ID (`.note.go.buildid`), four hashes joined by slashes.
    pub go: Option<String>,
}

impl BuildIds {
    /// The build IDs of the executable with these bytes; `None` if it has none or is no ELF file.
    pub fn of_file(bytes: &[u8]) -> Option<BuildIds> {
        let headers = headers::parse(bytes).ok()?;
        let segments = headers.programs.iter().filter(|program| program.kind == PT_NOTE);
        let mut ids = BuildIds::default();
        segments
            .filter_map(|notes| slice_at(bytes, notes.offset, notes.filesz))
            .for_each(|notes| ids.add(notes));
        ids.is_some().then_some(ids)
    }

    /// The two IDs of one kind that differ, if both sides have that kind.
    fn differ_from(&self, other: &BuildIds) -> Option<(String, String)> {
        let pairs = [(&self.gnu, &other.gnu), (&self.go, &other.go)];
        let differs = |(a, b): (&Option<String>, &Option<String>)| Some((a.clone()?, b.clone()?));
        pairs.into_iter().filter_map(differs).find(|(ours, theirs)| ours != theirs)
    }

    fn is_some(&self) -> bool {
        self.gnu.is_some() || self.go.is_some()
    }

    // Authority: cmd/link/internal/ld/elf.go, ELF_NOTE_BUILDINFO_TAG (3) and ELF_NOTE_GOBUILDID_TAG (4).
    fn add(&mut self, segment: &[u8]) {
        for note in walk(segment) {
            match (note.owner, note.kind) {
                (b"GNU", 3) => self.gnu = Some(note.desc.iter().map(|b| format!("{b:02x}")).collect()),
                (b"Go" | b"Go\0", 4) => self.go = Some(text_until_nul(note.desc)),
                _ => {}
            }
        }
    }
}

/// The pages of one file that stand in for those which the core leaves out.
#[derive(Debug, Clone)]
pub(super) struct Overlay {
    pub(super) path: PathBuf,
    pub(super) bytes: FileBytes,
    /// The file's segments that nobody can have written to.
    pub(super) unwritten: SegmentTable,
    /// All of the file's segments.
    pub(super) all: SegmentTable,
}

impl CoreFile {
    /// The path of the executable, as the process saw it: by `NT_FILE`, else by the auxiliary vector, else by
    /// the command line. The path may lie in a container, or the file may have been replaced since: check it
    /// with [`CoreFile::with_executable`].
    pub fn executable_hint(&self) -> Option<PathBuf> {
        let by_entry = |entry: Addr| {
            self.notes
                .files
                .iter()
                .find(|row| row.start <= entry && entry < row.end)
                .map(|row| row.path.clone())
        };
        let path =
            self.notes.entry.and_then(by_entry).or_else(|| self.exec_name()).or_else(|| self.first_word())?;
        Some(PathBuf::from(path.strip_suffix(" (deleted)").unwrap_or(&path)))
    }

    /// The build IDs of the main executable, read from the core's own memory; `None` where it does not hold
    /// that page (delve leaves it out).
    pub fn build_ids(&self) -> Option<BuildIds> {
        let header_page = self.notes.program_headers_at?.get() & !(PAGE - 1);
        let header = self.take(Addr::new(header_page), 64)?;
        let bias = self.notes.entry?.get().wrapping_sub(u64_at(&header, 24)?);
        self.build_ids_at(header_page, bias)
    }

    /// The build IDs of the image whose first page is at `header_page`.
    fn build_ids_at(&self, header_page: u64, bias: u64) -> Option<BuildIds> {
        let header = self.take(Addr::new(header_page), 64)?;
        let magic = header.starts_with(b"\x7fELF");
        let table = header_page.checked_add(u64_at(&header, 32)?)?;
        let count = u64::from(u16_at(&header, 56)?).min(MOST_PROGRAMS);
        let programs = self.take(Addr::new(table), count * 56)?;
        let mut ids = BuildIds::default();
        for entry in programs.chunks_exact(56).filter(|entry| u32_at(entry, 0) == Some(PT_NOTE)) {
            let at = Addr::new(u64_at(entry, 16)?.wrapping_add(bias));
            let len = u64_at(entry, 32)?.min(LONGEST_NOTES);
            self.take(at, len).iter().for_each(|notes| ids.add(notes));
        }
        (magic && ids.is_some()).then_some(ids)
    }

    /// Takes the executable at `path`, whose contents are `bytes`: its read-only pages answer where the core
    /// has none, and its name stands in the mappings.
    ///
    /// # Errors
    /// [`TargetError::OtherBuild`] if the core was taken of another build; [`TargetError::Malformed`] if
    /// `bytes` are no executable, or the core does not tell where it was loaded.
    pub fn with_executable(mut self, path: &Path, bytes: FileBytes) -> Result<CoreFile, TargetError> {
        let headers = headers::parse(&bytes).map_err(|fault| malformed(path, fault))?;
        self.check_kind(path, &headers)?;
        let bias = self.bias_of(path, &headers)?;
        self.executable_unverified = !self.check_build(path, &bytes, self.build_ids())?;
        self.lay_over(path, bytes, &headers, bias);
        Ok(self)
    }

    /// Takes a library that the process had loaded: `mapped` is its path in the mappings, `bytes` its contents. Its
    /// read-only pages answer where the core has none.
    ///
    /// # Errors
    /// As [`CoreFile::with_executable`].
    pub fn with_library(mut self, mapped: &Path, bytes: FileBytes) -> Result<CoreFile, TargetError> {
        let headers = headers::parse(&bytes).map_err(|fault| malformed(mapped, fault))?;
        self.check_kind(mapped, &headers)?;
        let row = self.notes.files.iter().find(|row| row.offset == 0 && Path::new(&row.path) == mapped);
        let first = headers.programs.iter().find(|program| program.kind == PT_LOAD);
        let (row, first) = row.zip(first).ok_or_else(|| {
            let what = "the core does not tell where this library was loaded".to_owned();
            malformed(mapped, Fault { what, offset: 0, remedy: "take the core by gcore or the kernel" })
        })?;
        let (start, bias) = (row.start.get(), row.start.get().wrapping_sub(first.vaddr & !(PAGE - 1)));
        let there = self.build_ids_at(start, bias);
        self.executable_unverified = !self.check_build(mapped, &bytes, there)?;
        self.lay_over(mapped, bytes, &headers, bias);
        Ok(self)
    }

    /// Lets the file's pages answer where the core has none.
    fn lay_over(&mut self, path: &Path, bytes: FileBytes, headers: &Headers, bias: u64) {
        let len = bytes.len() as u64;
        let unwritten = headers.programs.iter().filter(|program| program.flags & PF_W == 0);
        let unwritten: Vec<ProgramHeader> = unwritten.copied().collect();
        let overlay = Overlay {
            path: path.to_owned(),
            unwritten: SegmentTable::of_programs(&unwritten, len, bias).with_whole_pages(len),
            all: SegmentTable::of_programs(&headers.programs, len, bias),
            bytes,
        };
        self.overlays.push(overlay);
        self.mappings = self.join_mappings();
    }

    fn check_kind(&self, path: &Path, headers: &Headers) -> Result<(), TargetError> {
        let remedy = "name the executable that the core was taken of";
        if headers.kind == ET_CORE {
            let what = "it is a core, not an executable".to_owned();
            return Err(malformed(path, Fault { what, offset: 16, remedy }));
        }
        if headers.machine != self.machine {
            let what = format!("it is of {:?}, the core of {:?}", headers.machine, self.machine);
            return Err(malformed(path, Fault { what, offset: 18, remedy }));
        }
        Ok(())
    }

    fn bias_of(&self, path: &Path, headers: &Headers) -> Result<u64, TargetError> {
        match (headers.kind, self.notes.entry) {
            (ET_EXEC, Some(entry)) if entry.get() != headers.entry => Err(TargetError::OtherBuild {
                core: self.path.clone(),
                core_id: format!("entry point {entry}"),
                executable: path.to_owned(),
                executable_id: format!("entry point {:#x}", headers.entry),
            }),
            (ET_EXEC, _) => Ok(0),
            (_, Some(entry)) => Ok(entry.get().wrapping_sub(headers.entry)),
            (_, None) => self.bias_by_name(path, headers).ok_or_else(|| {
                let what =
                    "the core does not tell where this position-independent executable was loaded".to_owned();
                malformed(path, Fault { what, offset: 0, remedy: "take the core by gcore or the kernel" })
            }),
        }
    }

    fn bias_by_name(&self, path: &Path, headers: &Headers) -> Option<u64> {
        let same_name = |row: &&super::notes::MappedRange| {
            row.offset == 0 && Path::new(&row.path).file_name() == path.file_name()
        };
        let row = self.notes.files.iter().find(same_name)?;
        let first = headers.programs.iter().find(|program| program.kind == PT_LOAD)?;
        Some(row.start.get().wrapping_sub(first.vaddr & !(PAGE - 1)))
    }

    /// Whether the build was compared and is the same; `false` if the core has no ID to compare.
    fn check_build(&self, path: &Path, bytes: &[u8], there: Option<BuildIds>) -> Result<bool, TargetError> {
        let (Some(core), Some(file)) = (there, BuildIds::of_file(bytes)) else { return Ok(false) };
        match core.differ_from(&file) {
            None => Ok(true),
            Some((core_id, executable_id)) => Err(TargetError::OtherBuild {
                core: self.path.clone(),
                core_id: format!("build ID {core_id}"),
                executable: path.to_owned(),
                executable_id: format!("build ID {executable_id}"),
            }),
        }
    }

    /// `AT_EXECFN`: the path given to `execve`; of use only if it is absolute.
    fn exec_name(&self) -> Option<String> {
        let at = self.notes.exec_name_at?;
        let bytes = self.held_from(at)?;
        let name = text_until_nul(bytes.get(..bytes.len().min(4096))?);
        name.starts_with('/').then_some(name)
    }

    fn first_word(&self) -> Option<String> {
        let arguments = &self.notes.process.as_ref()?.arguments;
        let word = arguments.split(' ').next()?;
        // Attached by PID, delve writes `/proc/PID/exe`, which means another process by now.
        (word.starts_with('/') && !word.starts_with("/proc/")).then(|| word.to_owned())
    }

    fn take(&self, addr: Addr, len: u64) -> Option<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(len).ok()?];
        self.read_exact(addr, &mut bytes).ok()?;
        Some(bytes)
    }
}

pub(super) fn malformed(path: &Path, fault: Fault) -> TargetError {
    let Fault { what, offset, remedy } = fault;
    TargetError::Malformed { path: path.to_owned(), what, offset, remedy }
}
