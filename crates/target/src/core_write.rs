//! Writes an ELF core of one moment of a process, as gdb, dlv and [`crate::CoreFile`] read them.
//!
//! Authority: `fs/binfmt_elf.c` of the kernel, and `struct elf_prstatus` and `elf_prpsinfo` of its ABI.

use std::io::{self, Write};

use leakscope_model::Addr;

use crate::core_file::Machine;
use crate::mappings::Mapping;
use crate::memory::TargetMemory;
use crate::process::ThreadRegisters;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
const HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;
const PAGE: u64 = 4096;
/// What is copied at once, in bytes.
const PIECE: usize = 1 << 20;
/// More segments do not fit a header's field (`PN_XNUM`).
const MOST_SEGMENTS: usize = 0xfffe;

/// What a core is made of.
pub struct CoreParts<'a> {
    /// Its processor.
    pub machine: Machine,
    /// The process id.
    pub pid: u32,
    /// Its name (`/proc/PID/comm`).
    pub name: &'a str,
    /// Its command line, arguments separated by blanks.
    pub arguments: &'a str,
    /// `/proc/PID/auxv`.
    pub auxv: &'a [u8],
    /// Registers of each thread; the first is shown first.
    pub threads: &'a [ThreadRegisters],
    /// What is mapped where.
    pub mappings: &'a [Mapping],
    /// The bytes.
    pub memory: &'a dyn TargetMemory,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CoreWritten {
    /// Ranges of memory.
    pub segments: usize,
    /// Bytes of memory.
    pub bytes: u64,
    /// Of these, bytes that could not be read and are zeros.
    pub unreadable: u64,
}

/// Writes the core: every readable mapping but shared files and the kernel's own pages.
///
/// # Errors
/// Where `out` fails, and for a process of more than 65,534 mappings or registers that are not known.
pub fn write_core(parts: &CoreParts<'_>, out: &mut dyn Write) -> io::Result<CoreWritten> {
    let segments: Vec<&Mapping> = parts.mappings.iter().filter(|mapping| is_kept(mapping)).collect();
    if segments.len() > MOST_SEGMENTS {
        return Err(io::Error::other(format!("{} mappings: a core holds 65,534", segments.len())));
    }
    let notes = notes(parts)?;
    let notes_at = HEADER + PROGRAM_HEADER * (segments.len() + 1);
    let data_at = ((notes_at + notes.len()) as u64).next_multiple_of(PAGE);
    let mut head = elf_header(parts.machine, segments.len() + 1);
    head.extend(program_header(4, 0, notes_at as u64, 0, notes.len() as u64, 0));
    let mut at = data_at;
    for mapping in &segments {
        let flags = u32::from(mapping.execute) | u32::from(mapping.write) << 1 | u32::from(mapping.read) << 2;
        head.extend(program_header(1, flags, at, mapping.start.get(), mapping.len(), PAGE));
        at = at.saturating_add(mapping.len());
    }
    head.extend(notes);
    head.resize(usize::try_from(data_at).unwrap_or(head.len()), 0);
    out.write_all(&head)?;
    let mut written = CoreWritten { segments: segments.len(), ..CoreWritten::default() };
    for mapping in segments {
        written.bytes += mapping.len();
        written.unreadable += copy(parts.memory, mapping, out)?;
    }
    Ok(written)
}

fn is_kept(mapping: &Mapping) -> bool {
    const KERNEL: [&str; 4] = ["[vvar]", "[vvar_vclock]", "[vsyscall]", "[uprobes]"];
    mapping.read && !mapping.is_empty() && !mapping.shared && !KERNEL.contains(&mapping.path.as_str())
}

/// Copies a mapping; a page that cannot be read becomes zeros. How many bytes did.
fn copy(memory: &dyn TargetMemory, mapping: &Mapping, out: &mut dyn Write) -> io::Result<u64> {
    let (mut at, mut unreadable) = (mapping.start, 0);
    let mut buffer = vec![0; PIECE];
    while let Some(left) = mapping.end.offset_from(at).filter(|&left| left > 0) {
        let len = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let Some(piece) = buffer.get_mut(..len) else { break };
        if memory.read_exact(at, piece).is_err() {
            unreadable += by_page(memory, at, piece);
        }
        out.write_all(piece)?;
        let Some(next) = at.checked_add(len as u64) else { break };
        at = next;
    }
    Ok(unreadable)
}

fn by_page(memory: &dyn TargetMemory, at: Addr, piece: &mut [u8]) -> u64 {
    let mut unreadable = 0;
    for (page, offset) in piece.chunks_mut(PAGE as usize).zip((0u64..).step_by(PAGE as usize)) {
        let read = at.checked_add(offset).is_some_and(|at| memory.read_exact(at, page).is_ok());
        if !read {
            page.fill(0);
            unreadable += page.len() as u64;
        }
    }
    unreadable
}

fn elf_header(machine: Machine, segments: usize) -> Vec<u8> {
    let number = match machine {
        Machine::Amd64 => 62u16,
        Machine::Arm64 => 183,
    };
    let mut header = b"\x7fELF\x02\x01\x01".to_vec();
    header.resize(16, 0);
    // ET_CORE.
    header.extend(4u16.to_le_bytes());
    header.extend(number.to_le_bytes());
    header.extend(1u32.to_le_bytes());
    // Entry, program headers, section headers.
    header.extend([0, HEADER as u64, 0].map(u64::to_le_bytes).concat());
    header.extend(0u32.to_le_bytes());
    let segments = u16::try_from(segments).unwrap_or(u16::MAX);
    header.extend([HEADER as u16, PROGRAM_HEADER as u16, segments, 0, 0, 0].map(u16::to_le_bytes).concat());
    header
}

fn program_header(kind: u32, flags: u32, offset: u64, addr: u64, bytes: u64, align: u64) -> Vec<u8> {
    let mut header = [kind, flags].map(u32::to_le_bytes).concat();
    let memory = if kind == 1 { bytes } else { 0 };
    header.extend([offset, addr, 0, bytes, memory, align].map(u64::to_le_bytes).concat());
    header
}

fn notes(parts: &CoreParts<'_>) -> io::Result<Vec<u8>> {
    let mut notes = Vec::new();
    let mut threads = parts.threads.iter();
    let first = threads.next().ok_or_else(|| io::Error::other("the registers of no thread are known"))?;
    note(&mut notes, NT_PRSTATUS, &status(first)?);
    note(&mut notes, NT_PRPSINFO, &info(parts));
    note(&mut notes, NT_AUXV, parts.auxv);
    note(&mut notes, NT_FILE, &files(parts.mappings));
    for thread in threads {
        note(&mut notes, NT_PRSTATUS, &status(thread)?);
    }
    Ok(notes)
}

fn note(notes: &mut Vec<u8>, kind: u32, contents: &[u8]) {
    let len = u32::try_from(contents.len()).unwrap_or(u32::MAX);
    notes.extend([5, len, kind].map(u32::to_le_bytes).concat());
    notes.extend(b"CORE\0\0\0\0");
    notes.extend(contents);
    notes.resize(notes.len().next_multiple_of(4), 0);
}

/// `struct elf_prstatus`: the thread's id at 32, its registers at 112, and behind them whether there are others.
fn status(thread: &ThreadRegisters) -> io::Result<Vec<u8>> {
    if thread.kernel.is_empty() {
        return Err(io::Error::other("not all registers of the threads are known"));
    }
    let mut status = vec![0; 32];
    status.extend(thread.tid.to_le_bytes());
    status.resize(112, 0);
    thread.kernel.iter().for_each(|word| status.extend(word.to_le_bytes()));
    status.extend([0; 8]);
    Ok(status)
}

/// `struct elf_prpsinfo`.
fn info(parts: &CoreParts<'_>) -> Vec<u8> {
    let mut info = vec![0; 24];
    info.extend(parts.pid.to_le_bytes());
    info.resize(40, 0);
    info.extend(parts.name.bytes().take(15));
    info.resize(56, 0);
    info.extend(parts.arguments.bytes().take(79));
    info.resize(136, 0);
    info
}

/// `NT_FILE`: count, page size, then start, end and page of each, then their names.
fn files(mappings: &[Mapping]) -> Vec<u8> {
    let mapped: Vec<&Mapping> = mappings.iter().filter(|mapping| mapping.path.starts_with('/')).collect();
    let mut files = [mapped.len() as u64, PAGE].map(u64::to_le_bytes).concat();
    for mapping in &mapped {
        let row = [mapping.start.get(), mapping.end.get(), mapping.offset / PAGE];
        files.extend(row.map(u64::to_le_bytes).concat());
    }
    for mapping in mapped {
        files.extend(mapping.path.as_bytes());
        files.push(0);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core_file::{CoreFile, FileBytes};
    use crate::memory::Image;
    use proptest::prelude::*;

    fn mapping(start: u64, len: u64, path: &str) -> Mapping {
        Mapping {
            start: Addr::new(start),
            end: Addr::new(start + len),
            read: true,
            write: true,
            execute: false,
            shared: false,
            offset: 0x3000,
            path: path.to_owned(),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            contents in prop::collection::vec(any::<u8>(), 1..3),
            tid in 1u32..9999,
            words in prop::collection::vec(any::<u64>(), 27),
        ) {
            let bytes: Vec<u8> = contents.iter().copied().cycle().take(3 * 4096).collect();
            let image = Image::new(Addr::new(0x10000), bytes.clone());
            let mappings = [
                mapping(0x10000, 0x3000, ""),
                Mapping { shared: true, ..mapping(0x20000, 0x1000, "/data") },
                mapping(0x30000, 0x1000, "[vvar]"),
                mapping(0x40000, 0x1000, "/srv/orders"),
            ];
            let thread = ThreadRegisters { tid, kernel: words.clone(), ..ThreadRegisters::default() };
            let parts = CoreParts {
                machine: Machine::Amd64,
                pid: 77,
                name: "orders",
                arguments: "orders -v",
                auxv: &[0; 16],
                threads: &[thread],
                mappings: &mappings,
                memory: &image,
            };
            let mut file = Vec::new();
            let written = write_core(&parts, &mut file).unwrap();
            prop_assert_eq!(written, CoreWritten { segments: 2, bytes: 0x4000, unreadable: 0x1000 });
            let core = CoreFile::from_bytes(std::path::Path::new("core"), FileBytes::Held(file.into())).unwrap();
            let mut read = vec![0; bytes.len()];
            core.read_exact(Addr::new(0x10000), &mut read).unwrap();
            prop_assert_eq!(read, bytes);
            let process = core.process().unwrap();
            prop_assert_eq!((process.pid, process.name.as_str(), process.arguments.as_str()), (77, "orders", "orders -v"));
            let [read] = core.threads() else { panic!("{:?}", core.threads()) };
            prop_assert_eq!((read.tid, read.pc, read.sp, &read.kernel), (tid, words[16], words[19], &words));
        }
    }
}
