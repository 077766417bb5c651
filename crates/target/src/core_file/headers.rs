//! The ELF header and the program headers, of cores and of the executables they come from.
//!
//! Authority: `elf(5)`; for what each writer leaves out, see the tests on real cores.

use super::words::{slice_at, u16_at, u32_at, u64_at};

const ELF_HEADER_LEN: u64 = 64;
const PROGRAM_HEADER_LEN: u64 = 56;
/// `e_phnum` that says: the real number stands in `sh_info` of the first section header.
const PN_XNUM: u16 = 0xffff;
/// `e_type` of a core.
pub(super) const ET_CORE: u16 = 4;
/// `p_type` of a range of memory.
pub(super) const PT_LOAD: u32 = 1;
/// `p_type` of notes.
pub(super) const PT_NOTE: u32 = 4;
/// `p_flags`: executable, writable, readable.
pub(super) const PF_X: u32 = 1;
pub(super) const PF_W: u32 = 2;
pub(super) const PF_R: u32 = 4;

/// The processor that the process ran on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

/// One program header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProgramHeader {
    pub(super) kind: u32,
    pub(super) flags: u32,
    pub(super) offset: u64,
    pub(super) vaddr: u64,
    pub(super) filesz: u64,
    pub(super) memsz: u64,
}

/// What the headers say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headers {
    pub(super) machine: Machine,
    /// `e_type`.
    pub(super) kind: u16,
    pub(super) entry: u64,
    pub(super) programs: Vec<ProgramHeader>,
}

/// What is wrong with a file, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) what: String,
    pub(super) offset: u64,
    pub(super) remedy: &'static str,
}

/// Parses the headers of a 64-bit little-endian ELF file.
pub(super) fn parse(bytes: &[u8]) -> Result<Headers, Fault> {
    check_magic(bytes)?;
    let header = slice_at(bytes, 0, ELF_HEADER_LEN).ok_or(Fault {
        what: format!("the ELF header is cut off: the file has {} bytes", bytes.len()),
        offset: len_of(bytes),
        remedy: "write the file again and check that the disk is not full",
    })?;
    let machine = machine_of(header)?;
    let kind = u16_at(header, 16).unwrap_or(0);
    let entry = u64_at(header, 24).unwrap_or(0);
    Ok(Headers { machine, kind, entry, programs: programs(bytes)? })
}

fn check_magic(bytes: &[u8]) -> Result<(), Fault> {
    let start = bytes.get(..4).unwrap_or(bytes);
    let (what, remedy) = match start {
        [0x7f, b'E', b'L', b'F'] => return Ok(()),
        [] => ("the file is empty", "dump the process again and check that the disk is not full"),
        [0x28, 0xb5, 0x2f, 0xfd] => ("it is compressed by zstd, not ELF", "unpack it with `zstd -d`"),
        [0x1f, 0x8b, ..] => ("it is compressed by gzip, not ELF", "unpack it with `gzip -d`"),
        [0x04, 0x22, 0x4d, 0x18] => ("it is compressed by lz4, not ELF", "unpack it with `lz4 -d`"),
        [0xfd, b'7', b'z', b'X'] => ("it is compressed by xz, not ELF", "unpack it with `xz -d`"),
        _ => (
            "no ELF magic, so this is not a core",
            "name a file written by the kernel, gcore or `dlv`'s dump",
        ),
    };
    Err(Fault { what: what.to_owned(), offset: 0, remedy })
}

fn machine_of(header: &[u8]) -> Result<Machine, Fault> {
    let (class, order) = (header.get(4).copied().unwrap_or(0), header.get(5).copied().unwrap_or(0));
    let remedy = "leakscope reads Go programs of linux/amd64 and linux/arm64";
    if (class, order) != (2, 1) {
        let what = format!("ELF class {class}, byte order {order}: not 64-bit little-endian");
        return Err(Fault { what, offset: 4, remedy });
    }
    match u16_at(header, 18).unwrap_or(0) {
        62 => Ok(Machine::Amd64),
        183 => Ok(Machine::Arm64),
        other => Err(Fault { what: machine_name(other), offset: 18, remedy }),
    }
}

fn machine_name(number: u16) -> String {
    let name = match number {
        3 => "386",
        21 => "ppc64",
        22 => "s390x",
        40 => "arm",
        243 => "riscv64",
        258 => "loong64",
        _ => return format!("it is of a processor with the ELF machine number {number}"),
    };
    format!("it is of a {name} processor")
}

fn programs(bytes: &[u8]) -> Result<Vec<ProgramHeader>, Fault> {
    let table = u64_at(bytes, 32).unwrap_or(0);
    let count = program_count(bytes);
    let len = count.saturating_mul(PROGRAM_HEADER_LEN);
    // `dlv` writes the program headers last and their place into the ELF header after that: a dump that broke
    // off has zero headers or headers beyond the end. Nothing in it can be placed then.
    // Authority: delve's pkg/elfwriter/writer.go, WriteProgramHeaders. Test: a_dump_without_headers_says_so.
    let whole = if count == 0 { None } else { slice_at(bytes, table, len) };
    let whole = whole.ok_or_else(|| Fault {
        what: match count {
            0 => "the file was never finished: its program headers are missing".to_owned(),
            _ => format!(
                "the file is cut off: it ends at {:#x}, before its {count} program headers",
                bytes.len()
            ),
        },
        offset: table,
        remedy: "dump the process again and check that the disk is not full",
    })?;
    Ok(whole.chunks_exact(56).filter_map(program).collect())
}

fn program_count(bytes: &[u8]) -> u64 {
    match u16_at(bytes, 56).unwrap_or(0) {
        PN_XNUM => {
            let first_section = u64_at(bytes, 40).unwrap_or(0);
            let info = first_section.checked_add(44).and_then(|at| u32_at(bytes, at));
            u64::from(info.unwrap_or(u32::from(PN_XNUM)))
        }
        count => u64::from(count),
    }
}

fn program(entry: &[u8]) -> Option<ProgramHeader> {
    Some(ProgramHeader {
        kind: u32_at(entry, 0)?,
        flags: u32_at(entry, 4)?,
        offset: u64_at(entry, 8)?,
        vaddr: u64_at(entry, 16)?,
        filesz: u64_at(entry, 32)?,
        memsz: u64_at(entry, 40)?,
    })
}

fn len_of(bytes: &[u8]) -> u64 {
    bytes.len() as u64
}
