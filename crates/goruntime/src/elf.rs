//! The executable as sections, segments, symbols and notes.

use std::borrow::Cow;
use std::fmt::Write as _;

use leakscope_model::{Bias, LinkAddr};
use leakscope_target::{Mapping, TargetMemory};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader, SectionHeader};
use object::{CompressedData, CompressionFormat, Endianness, Object, ObjectSection, ObjectSymbol, elf};

use crate::error::RuntimeError;

/// Note type of Go's own build id (`cmd/internal/buildid`, `elfGoNote`).
const GO_BUILD_ID_NOTE: u32 = 4;
/// Bytes of code compared with memory when a mapping is tried as this image.
const PROBE: usize = 64;
/// How many places of the code are compared.
const PROBES: u64 = 8;

/// Processor architecture of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Arch {
    /// As Go writes it: `amd64`, `arm64`.
    pub fn name(self) -> &'static str {
        match self {
            Arch::Amd64 => "amd64",
            Arch::Arm64 => "arm64",
        }
    }
}

/// One `PT_LOAD` segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment<'b> {
    /// Where the linker put its first byte (`p_vaddr`).
    pub addr: LinkAddr,
    /// Bytes that it takes in memory; what lies behind `data` is zero at start.
    pub size: u64,
    /// Its bytes in the file.
    pub data: &'b [u8],
    /// Where those bytes start in the file.
    pub file_offset: u64,
    /// `PF_W`.
    pub write: bool,
    /// `PF_X`.
    pub execute: bool,
}

/// One named address of the symbol table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol<'b> {
    /// As the linker wrote it: `runtime.mheap_`.
    pub name: &'b str,
    /// Its address.
    pub addr: LinkAddr,
    /// Bytes that it takes; 0 where the table does not say.
    pub size: u64,
}

/// A section that may be compressed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedSection<'b>(CompressedData<'b>);

impl<'b> PackedSection<'b> {
    /// Its bytes where it is not compressed.
    pub(crate) fn plain(&self) -> Option<&'b [u8]> {
        (self.0.format == CompressionFormat::None).then_some(self.0.data)
    }

    /// Its bytes; `None` where they do not unpack.
    pub(crate) fn unpack(&self) -> Option<Cow<'b, [u8]>> {
        let packed = u64::try_from(self.0.data.len()).ok()?;
        // The header says how much will come out; believe it only as far as the format can inflate.
        let limit = match self.0.format {
            CompressionFormat::None => u64::MAX,
            CompressionFormat::Zlib => packed.saturating_mul(1040).saturating_add(1024),
            _ => packed.saturating_mul(1 << 15).saturating_add(1 << 18),
        };
        match self.0.uncompressed_size <= limit {
            true => self.0.decompress().ok(),
            false => None,
        }
    }
}

/// A parsed ELF executable; borrows its bytes.
#[derive(Debug)]
pub struct ElfImage<'b> {
    file: ElfFile64<'b, Endianness>,
    segments: Vec<Segment<'b>>,
    /// Which processor.
    pub arch: Arch,
    /// Whether the loader may move it (`ET_DYN`).
    pub is_pie: bool,
}

impl<'b> ElfImage<'b> {
    /// Parses the headers of a 64-bit little-endian executable for amd64 or arm64.
    pub fn parse(bytes: &'b [u8]) -> Result<ElfImage<'b>, RuntimeError> {
        let file = ElfFile64::<Endianness>::parse(bytes).map_err(|e| RuntimeError::NotElf(e.to_string()))?;
        let endian = file.endian();
        let header = file.elf_header();
        let arch = match (endian, header.e_machine(endian)) {
            (Endianness::Little, elf::EM_X86_64) => Arch::Amd64,
            (Endianness::Little, elf::EM_AARCH64) => Arch::Arm64,
            (_, machine) => {
                return Err(RuntimeError::NotElf(format!("machine {machine:?} is neither amd64 nor arm64")));
            }
        };
        let is_pie = header.e_type(endian) == elf::ET_DYN;
        let segments = load_segments(&file, bytes);
        Ok(ElfImage { file, segments, arch, is_pie })
    }

    /// A section's bytes by name, decompressed where it is compressed (`SHF_COMPRESSED`, `.zdebug_`).
    ///
    /// `None` where there is no such section, where it has no bytes in the file, or where they do not unpack.
    pub fn section(&self, name: &str) -> Option<Cow<'b, [u8]>> {
        self.packed_section(name)?.unpack().filter(|data| !data.is_empty())
    }

    /// A section as it lies in the file, to be unpacked when it is needed.
    pub(crate) fn packed_section(&self, name: &str) -> Option<PackedSection<'b>> {
        self.file.section_by_name(name)?.compressed_data().ok().map(PackedSection)
    }

    /// Where a section lies in memory: its address and size; also for `.bss`, which has no bytes.
    pub fn section_range(&self, name: &str) -> Option<(LinkAddr, u64)> {
        let section = self.file.section_by_name(name)?;
        Some((LinkAddr::new(section.address()), section.size()))
    }

    /// Every section that is there in memory: its name and where the linker put it.
    pub fn memory_sections(&self) -> impl Iterator<Item = (&str, LinkAddr)> {
        self.file.sections().filter(|section| section.address() != 0).filter_map(|section| {
            let name = std::str::from_utf8(section.name_bytes().ok()?).ok()?;
            Some((name, LinkAddr::new(section.address())))
        })
    }

    /// The `PT_LOAD` segments, in order of address.
    pub fn segments(&self) -> &[Segment<'b>] {
        &self.segments
    }

    /// The bytes of the file from a linked address to the end of its segment.
    pub fn bytes_at(&self, addr: LinkAddr) -> Option<&'b [u8]> {
        self.segments.iter().find_map(|segment| {
            let start = usize::try_from(addr.get().checked_sub(segment.addr.get())?).ok()?;
            segment.data.get(start..).filter(|rest| !rest.is_empty())
        })
    }

    /// Exactly `len` bytes of the file at a linked address; `None` where they are not all in one segment.
    pub fn read(&self, addr: LinkAddr, len: usize) -> Option<&'b [u8]> {
        self.bytes_at(addr)?.get(..len)
    }

    /// The symbols that have a name and an address; none in a stripped file.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol<'b>> + '_ {
        self.file.symbols().filter(|symbol| symbol.is_definition()).filter_map(|symbol| {
            let name = symbol.name().ok().filter(|name| !name.is_empty())?;
            Some(Symbol { name, addr: LinkAddr::new(symbol.address()), size: symbol.size() })
        })
    }

    /// What the dynamic loader is told (`PT_DYNAMIC`): pairs of a tag and a value, eight bytes each.
    pub fn dynamic_entries(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let endian = self.file.endian();
        let headers = self.file.elf_program_headers().iter();
        let dynamic = headers.filter(move |header| header.p_type(endian) == elf::PT_DYNAMIC);
        let bytes = dynamic.filter_map(move |header| header.data(endian, self.file.data()).ok());
        let word = |bytes: &[u8], at| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        bytes
            .flat_map(|bytes| bytes.chunks_exact(16))
            .filter_map(move |entry| Some((word(entry, 0)?, word(entry, 8)?)))
    }

    /// Bytes and alignment of the variables that each thread has of its own (`PT_TLS`); `None` where there are
    /// none of them.
    pub fn thread_storage(&self) -> Option<(u64, u64)> {
        let endian = self.file.endian();
        let headers = self.file.elf_program_headers().iter();
        let mut storage = headers.filter(|header| header.p_type(endian) == elf::PT_TLS);
        storage.next().map(|header| (header.p_memsz(endian), header.p_align(endian)))
    }

    /// The GNU build id in hex, as `.debug` folders and debuginfod use it.
    pub fn gnu_build_id(&self) -> Option<String> {
        self.note(elf::ELF_NOTE_GNU, elf::NT_GNU_BUILD_ID).map(hex)
    }

    /// Go's own build id, as `go tool buildid` prints it.
    pub fn go_build_id(&self) -> Option<&'b str> {
        let id = self.note(b"Go", elf::NoteType(GO_BUILD_ID_NOTE))?;
        std::str::from_utf8(id).ok()
    }

    /// File name and CRC-32 of separate debug information (`.gnu_debuglink`).
    pub fn debuglink(&self) -> Option<(&'b str, u32)> {
        let (name, crc) = self.file.gnu_debuglink().ok()??;
        Some((std::str::from_utf8(name).ok()?, crc))
    }

    /// Whether it carries debug information of its own.
    pub fn has_dwarf(&self) -> bool {
        self.file.section_by_name(".debug_info").is_some_and(|section| section.file_range().is_some())
    }

    /// How far the loader moved this image, by the first executable mapping whose memory holds its code.
    ///
    /// Where no code can be read (a core without file-backed pages) the first mapping that fits is believed.
    pub fn bias(&self, mappings: &[Mapping], memory: &dyn TargetMemory) -> Option<Bias> {
        if !self.is_pie {
            return Some(Bias::default());
        }
        let mut unread = None;
        for bias in mappings.iter().filter_map(|mapping| self.bias_by(mapping)) {
            match self.code_is_at(bias, memory) {
                Some(true) => return Some(bias),
                Some(false) => {}
                None => unread = unread.or(Some(bias)),
            }
        }
        unread
    }

    /// The bias under which `mapping` would be this image's code.
    ///
    /// A Go PIE may be linked at 0x400000 and not at 0, so the mapping's start alone is not the bias.
    fn bias_by(&self, mapping: &Mapping) -> Option<Bias> {
        if !mapping.execute || mapping.path.is_empty() || mapping.path.starts_with('[') {
            return None;
        }
        let len = mapping.end.offset_from(mapping.start)?;
        let segment = self.segments.iter().find(|segment| {
            let end = segment.file_offset.saturating_add(segment.data.len() as u64);
            let overlaps = segment.file_offset < mapping.offset.saturating_add(len) && mapping.offset < end;
            segment.execute && overlaps
        })?;
        let linked = segment.addr.get().wrapping_add(mapping.offset).wrapping_sub(segment.file_offset);
        Some(Bias::between(LinkAddr::new(linked), mapping.start))
    }

    /// Whether memory holds this image's code under `bias`; `None` where no probe could be read.
    fn code_is_at(&self, bias: Bias, memory: &dyn TargetMemory) -> Option<bool> {
        let code = self.segments.iter().find(|segment| segment.execute)?;
        let step = (code.data.len() as u64 / PROBES).max(1);
        let mut seen = None;
        for probe in 0..PROBES {
            let at = LinkAddr::new(code.addr.get().wrapping_add(probe * step));
            let Some(expected) = self.read(at, PROBE) else { continue };
            let mut found = [0; PROBE];
            match memory.read_exact(at.relocate(bias), &mut found) {
                Ok(()) if found.as_slice() == expected => seen = Some(true),
                Ok(()) => return Some(false),
                Err(_) => {}
            }
        }
        seen
    }

    /// The contents of the first note of a name and type, by program headers, so without sections too.
    fn note(&self, name: &[u8], kind: elf::NoteType) -> Option<&'b [u8]> {
        let endian = self.file.endian();
        let by_segment = self.file.elf_program_headers().iter();
        let by_segment =
            by_segment.filter_map(|header| header.notes(endian, self.file.data()).ok().flatten());
        let by_section = self.file.elf_section_table().iter();
        let by_section =
            by_section.filter_map(|header| header.notes(endian, self.file.data()).ok().flatten());
        for mut notes in by_segment.chain(by_section) {
            while let Ok(Some(note)) = notes.next() {
                if note.name() == name && note.n_type(endian) == kind {
                    return Some(note.desc());
                }
            }
        }
        None
    }
}

fn load_segments<'b>(file: &ElfFile64<'b, Endianness>, bytes: &'b [u8]) -> Vec<Segment<'b>> {
    let endian = file.endian();
    let loads = file.elf_program_headers().iter().filter(|header| header.p_type(endian) == elf::PT_LOAD);
    let mut segments: Vec<Segment<'b>> = loads
        .map(|header| Segment {
            addr: LinkAddr::new(header.p_vaddr(endian)),
            size: header.p_memsz(endian),
            data: header.data(endian, bytes).unwrap_or_default(),
            file_offset: header.p_offset(endian),
            write: header.p_flags(endian).contains(elf::PF_W),
            execute: header.p_flags(endian).contains(elf::PF_X),
        })
        .collect();
    segments.sort_by_key(|segment| segment.addr);
    segments
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_model::Addr;
    use leakscope_target::Image;
    use proptest::prelude::*;

    /// An ELF header for amd64 with one executable `PT_LOAD` of the whole file, written byte by byte.
    fn one_segment(e_type: u16, vaddr: u64) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01".to_vec();
        file.resize(16, 0);
        file.extend(e_type.to_le_bytes());
        file.extend(62u16.to_le_bytes()); // EM_X86_64
        file.extend(1u32.to_le_bytes());
        file.extend([0; 8]); // entry
        file.extend(64u64.to_le_bytes()); // program headers
        file.extend([0; 8]); // section headers
        file.extend([0; 4]);
        file.extend([64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
        file.extend(1u32.to_le_bytes()); // PT_LOAD
        file.extend(5u32.to_le_bytes()); // R E
        file.extend(0u64.to_le_bytes());
        file.extend(vaddr.to_le_bytes());
        file.extend(vaddr.to_le_bytes());
        file.extend(0x1000u64.to_le_bytes());
        file.extend(0x1000u64.to_le_bytes());
        file.extend(0x1000u64.to_le_bytes());
        file.extend((0u32..).map(|n| (n % 251) as u8).take(0x1000 - file.len()));
        file
    }

    fn mapped_at(start: u64) -> Mapping {
        Mapping {
            start: Addr::new(start),
            end: Addr::new(start + 0x1000),
            read: true,
            write: false,
            execute: true,
            shared: false,
            offset: 0,
            path: "/bin/service".to_owned(),
        }
    }

    #[test]
    fn a_pie_linked_at_0x400000_is_biased_by_its_first_load_address() {
        let file = one_segment(3, 0x40_0000);
        let elf = ElfImage::parse(&file).unwrap();
        assert!(elf.is_pie);
        let memory = Image::new(Addr::new(0x7f00_0000), file.clone());
        let mappings = [mapped_at(0x6f00_0000), mapped_at(0x7f00_0000)];
        let bias = elf.bias(&mappings, &memory).unwrap();
        // The first mapping cannot be read and the second holds the code.
        assert_eq!(LinkAddr::new(0x40_0000).relocate(bias), Addr::new(0x7f00_0000));
        let other = Image::new(Addr::new(0x6f00_0000), vec![0; 0x1000]);
        let bias = elf.bias(&mappings, &other).unwrap();
        assert_eq!(LinkAddr::new(0x40_0010).relocate(bias), Addr::new(0x7f00_0010));
    }

    #[test]
    fn a_static_executable_lies_where_it_was_linked() {
        let file = one_segment(2, 0x40_0000);
        let elf = ElfImage::parse(&file).unwrap();
        let memory = Image::new(Addr::new(0), Vec::new());
        assert_eq!(elf.bias(&[], &memory), Some(Bias::default()));
        assert_eq!(elf.read(LinkAddr::new(0x40_0000), 4).unwrap(), b"\x7fELF");
        assert_eq!(elf.read(LinkAddr::new(0x40_0ffe), 4), None);
        assert_eq!(elf.bytes_at(LinkAddr::new(0x3f_ffff)), None);
    }

    #[test]
    fn what_is_not_elf_says_so() {
        let error = ElfImage::parse(b"#!/bin/sh\n").unwrap_err();
        assert!(error.to_string().starts_with("not an ELF executable"), "{error}");
    }

    proptest! {
        #[test]
        fn no_header_panics(patches: Vec<(u16, u8)>, tail: Vec<u8>) {
            let mut file = one_segment(3, 0x40_0000);
            for (at, byte) in patches {
                let at = usize::from(at) % 512;
                file[at] = byte;
            }
            file.extend(tail);
            if let Ok(elf) = ElfImage::parse(&file) {
                let _ = (elf.section(".debug_info"), elf.gnu_build_id(), elf.go_build_id(), elf.debuglink());
                let _ = (elf.symbols().count(), elf.has_dwarf(), elf.read(LinkAddr::new(0x40_0000), 64));
                let memory = Image::new(Addr::new(0x7f00_0000), file.clone());
                let _ = elf.bias(&[mapped_at(0x7f00_0000)], &memory);
            }
        }
    }
}
