//! The notes of a core: threads' registers, mapped files, the auxiliary vector, the process's name.
//!
//! Authority: `fs/binfmt_elf.c` of the kernel for the `CORE` notes; `pkg/elfwriter` and `pkg/proc/dump.go` of
//! delve for its own two notes and for the empty owner that its dumps give to all of them.

use leakscope_model::Addr;

use super::headers::Machine;
use super::words::{slice_at, text_until_nul, u16_at, u32_at, u64_at};
use crate::process::ThreadRegisters;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;
/// `DLVE`: a text of system, versions, pid and entry point.
const NT_DELVE_HEADER: u32 = 0x444c_5645;
/// `DLVT`: one thread's registers by name; written where delve has no native notes (arm64).
const NT_DELVE_THREAD: u32 = 0x444c_5654;

/// Tags of the auxiliary vector (`linux/auxvec.h`).
const AT_PHDR: u64 = 3;
const AT_ENTRY: u64 = 9;
const AT_EXECFN: u64 = 31;
const AT_SYSINFO_EHDR: u64 = 33;

/// Most threads and mapped files we take from one core: far above what the kernel allows a process.
const MOST_ROWS: usize = 1 << 20;

/// One row of `NT_FILE`: a range of memory and the file it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MappedRange {
    pub(super) start: Addr,
    pub(super) end: Addr,
    /// Offset in the file, in bytes.
    pub(super) offset: u64,
    pub(super) path: String,
}

/// The process that a core was taken of (`NT_PRPSINFO`, or delve's header).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CoreProcess {
    /// Its process id.
    pub pid: u32,
    /// Its name, cut to 15 bytes by the kernel.
    pub name: String,
    /// The begin of its command line, cut to 79 bytes.
    pub arguments: String,
}

/// All that the notes say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Notes {
    pub(super) threads: Vec<ThreadRegisters>,
    pub(super) files: Vec<MappedRange>,
    pub(super) process: Option<CoreProcess>,
    pub(super) program_headers_at: Option<Addr>,
    pub(super) entry: Option<Addr>,
    pub(super) exec_name_at: Option<Addr>,
    pub(super) vdso: Option<Addr>,
}

/// One note: its owner, type and contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note<'b> {
    pub(super) owner: &'b [u8],
    pub(super) kind: u32,
    pub(super) desc: &'b [u8],
}

/// Walks a note segment; ends at the first note that does not fit.
pub(super) fn walk(mut bytes: &[u8]) -> impl Iterator<Item = Note<'_>> {
    std::iter::from_fn(move || {
        let (owner_len, desc_len) = (u64::from(u32_at(bytes, 0)?), u64::from(u32_at(bytes, 4)?));
        let kind = u32_at(bytes, 8)?;
        let desc_at = 12 + owner_len.next_multiple_of(4);
        let owner = slice_at(bytes, 12, owner_len)?;
        let desc = slice_at(bytes, desc_at, desc_len)?;
        let next = usize::try_from(desc_at + desc_len.next_multiple_of(4)).ok()?;
        bytes = bytes.get(next..).unwrap_or_default();
        let owner = owner.strip_suffix(b"\0").unwrap_or(owner);
        Some(Note { owner, kind, desc })
    })
}

impl Notes {
    /// Adds what one note segment says.
    pub(super) fn add(&mut self, segment: &[u8], machine: Machine) {
        for note in walk(segment) {
            match (note.owner, note.kind) {
                (b"CORE" | b"", NT_PRSTATUS) => self.threads.extend(status(note.desc, machine)),
                (b"CORE" | b"", NT_PRPSINFO) => self.process = info(note.desc).or(self.process.take()),
                (b"CORE" | b"", NT_AUXV) => self.add_auxv(note.desc),
                (b"CORE", NT_FILE) => self.files = files(note.desc),
                (_, NT_DELVE_HEADER) => self.add_delve_header(note.desc),
                (_, NT_DELVE_THREAD) => self.threads.extend(delve_thread(note.desc)),
                _ => {}
            }
        }
    }

    fn add_auxv(&mut self, desc: &[u8]) {
        for pair in desc.chunks_exact(16) {
            let (Some(tag), Some(value)) = (u64_at(pair, 0), u64_at(pair, 8)) else { continue };
            match tag {
                AT_PHDR => self.program_headers_at = Some(Addr::new(value)),
                AT_ENTRY => self.entry = Some(Addr::new(value)),
                AT_EXECFN => self.exec_name_at = Some(Addr::new(value)),
                AT_SYSINFO_EHDR => self.vdso = Some(Addr::new(value)),
                _ => {}
            }
        }
    }

    fn add_delve_header(&mut self, desc: &[u8]) {
        for line in String::from_utf8_lossy(desc).lines() {
            if let Some(entry) = line.strip_prefix("Entry Point: 0x") {
                self.entry = u64::from_str_radix(entry, 16).ok().map(Addr::new).or(self.entry);
            }
            if let Some(pid) = line.strip_prefix("Target Pid: ").and_then(|pid| pid.parse().ok()) {
                self.process.get_or_insert_default().pid = pid;
            }
        }
    }
}

/// `struct elf_prstatus`: the pid at 32, the registers as `struct user_regs_struct` (or `user_pt_regs`) at 112.
fn status(desc: &[u8], machine: Machine) -> Option<ThreadRegisters> {
    let tid = u32_at(desc, 32)?;
    let word = |index: u64| u64_at(desc, 112 + 8 * index);
    let (pc, sp, fp, count, all) = match machine {
        Machine::Amd64 => (word(16)?, word(19)?, word(4)?, 15, 27),
        Machine::Arm64 => (word(32)?, word(31)?, word(29)?, 31, 34),
    };
    let general = (0..count).map(word).collect::<Option<Vec<u64>>>()?;
    let kernel = (0..all).map(word).collect::<Option<Vec<u64>>>().unwrap_or_default();
    Some(ThreadRegisters { tid, pc, sp, fp, general, kernel })
}

/// `struct elf_prpsinfo` of 64-bit systems.
fn info(desc: &[u8]) -> Option<CoreProcess> {
    let pid = u32_at(desc, 24)?;
    let name = text_until_nul(slice_at(desc, 40, 16)?);
    let mut arguments = slice_at(desc, 56, 80)?.to_vec();
    let used = arguments.iter().rposition(|&b| b != 0).map_or(0, |last| last + 1);
    arguments.truncate(used);
    // Delve leaves the NULs between the arguments; the kernel has put blanks there.
    arguments.iter_mut().filter(|b| **b == 0).for_each(|b| *b = b' ');
    Some(CoreProcess { pid, name, arguments: String::from_utf8_lossy(&arguments).trim_end().to_owned() })
}

/// `NT_FILE`: count, page size, `count` triples (start, end, offset in pages), then `count` names.
fn files(desc: &[u8]) -> Vec<MappedRange> {
    let (Some(count), Some(page)) = (u64_at(desc, 0), u64_at(desc, 8)) else { return Vec::new() };
    let count = count.min(desc.len() as u64 / 24);
    let names_at = usize::try_from(16 + count * 24).unwrap_or(usize::MAX);
    let names = desc.get(names_at..).unwrap_or_default().split(|&b| b == 0);
    let row = |(index, name): (u64, &[u8])| {
        Some(MappedRange {
            start: Addr::new(u64_at(desc, 16 + index * 24)?),
            end: Addr::new(u64_at(desc, 24 + index * 24)?),
            offset: u64_at(desc, 32 + index * 24)?.checked_mul(page)?,
            path: String::from_utf8_lossy(name).into_owned(),
        })
    };
    (0..count).zip(names).take(MOST_ROWS).filter_map(row).collect()
}

/// Delve's own thread note: id, pc, sp, bp, tls, has_g, g, count, then named registers.
fn delve_thread(desc: &[u8]) -> Option<ThreadRegisters> {
    let word = |index: u64| u64_at(desc, 8 * index);
    let tid = u32::try_from(word(0)?).ok()?;
    let (pc, sp, fp) = (word(1)?, word(2)?, word(3)?);
    let mut thread = ThreadRegisters { tid, pc, sp, fp, ..ThreadRegisters::default() };
    let count = u32_at(desc, 49)?;
    let mut at = 53;
    for _ in 0..count {
        let Some((name, value, next)) = named_register(desc, at) else { break };
        if is_general(&name) {
            thread.general.extend(u64_at(value, 0));
        }
        at = next;
    }
    Some(thread)
}

fn named_register(desc: &[u8], at: u64) -> Option<(String, &[u8], u64)> {
    let name_len = u64::from(u16_at(desc, at)?);
    let name = String::from_utf8_lossy(slice_at(desc, at + 2, name_len)?).to_ascii_lowercase();
    let len_at = at + 2 + name_len;
    let len = u64::from(u16_at(desc, len_at)?);
    Some((name, slice_at(desc, len_at + 2, len)?, len_at + 2 + len))
}

/// Whether a register of this name can hold a pointer of the program: `x0` … `x30`, `rax`, `r8` …
fn is_general(name: &str) -> bool {
    let numbered = |prefix: char| {
        let digits = name.strip_prefix(prefix).unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    };
    let amd64 = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp"];
    numbered('x') || numbered('r') || amd64.contains(&name)
}
