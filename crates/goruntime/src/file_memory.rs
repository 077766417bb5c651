//! An executable as the loader would lay it into memory, at the addresses that the linker chose: what is asked
//! when there is no process.

use leakscope_model::{Addr, LinkAddr};
use leakscope_target::{ReadError, TargetMemory};

use crate::elf::{Arch, ElfImage, Segment};
use crate::integers::{u32_at, u64_at};

/// Bytes of `Elf64_Rela`.
const RELA: usize = 24;
/// Where the relocations stand, and how many bytes they take.
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
/// `R_X86_64_RELATIVE`.
const RELATIVE_AMD64: u32 = 8;
/// `R_AARCH64_RELATIVE`.
const RELATIVE_ARM64: u32 = 1027;

/// The segments of an executable with its relative relocations applied for a bias of zero.
#[derive(Debug, Clone)]
pub struct FileMemory<'b> {
    segments: Vec<Segment<'b>>,
    /// Words that the loader fills in, in order of address.
    relocations: Vec<(u64, u64)>,
}

impl<'b> FileMemory<'b> {
    /// Lays out an executable.
    pub fn new(elf: &ElfImage<'b>) -> FileMemory<'b> {
        let relative = match elf.arch {
            Arch::Amd64 => RELATIVE_AMD64,
            Arch::Arm64 => RELATIVE_ARM64,
        };
        let tagged = |wanted| elf.dynamic_entries().find(|(tag, _)| *tag == wanted).map(|(_, value)| value);
        let records = tagged(DT_RELA)
            .zip(tagged(DT_RELASZ))
            .and_then(|(addr, size)| elf.read(LinkAddr::new(addr), usize::try_from(size).ok()?));
        let records = records.unwrap_or_default().chunks_exact(RELA);
        let records = records.filter(|record| u32_at(record, 8) == Some(relative));
        let mut relocations: Vec<(u64, u64)> =
            records.filter_map(|record| u64_at(record, 0).zip(u64_at(record, 16))).collect();
        relocations.sort_unstable();
        FileMemory { segments: elf.segments().to_vec(), relocations }
    }

    /// Fills `buf` from the one segment that holds all of it, with zeros behind the segment's bytes.
    fn copy(&self, addr: u64, buf: &mut [u8]) -> Option<()> {
        let len = u64::try_from(buf.len()).ok()?;
        let (segment, start) = self.segments.iter().find_map(|segment| {
            let start = addr.checked_sub(segment.addr.get())?;
            (start.checked_add(len)? <= segment.size).then_some((segment, start))
        })?;
        let bytes =
            usize::try_from(start).ok().and_then(|start| segment.data.get(start..)).unwrap_or_default();
        let held = bytes.len().min(buf.len());
        let (head, tail) = buf.split_at_mut_checked(held)?;
        head.copy_from_slice(bytes.get(..held)?);
        tail.fill(0);
        Some(())
    }

    /// Writes those bytes of relocated words that fall into `buf`.
    fn relocate(&self, addr: u64, buf: &mut [u8]) {
        let first = self.relocations.partition_point(|(at, _)| at.saturating_add(8) <= addr);
        let end = addr.saturating_add(buf.len() as u64);
        let touched = self.relocations.get(first..).unwrap_or_default();
        for (at, value) in touched.iter().take_while(|(at, _)| *at < end) {
            for (byte, index) in value.to_le_bytes().into_iter().zip(0u64..) {
                let place = at.checked_add(index).and_then(|at| usize::try_from(at.checked_sub(addr)?).ok());
                if let Some(slot) = place.and_then(|place| buf.get_mut(place)) {
                    *slot = byte;
                }
            }
        }
    }
}

impl TargetMemory for FileMemory<'_> {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.copy(addr.get(), buf).ok_or(ReadError::unmapped(addr, buf.len()))?;
        self.relocate(addr.get(), buf);
        Ok(())
    }
}

/// Where in memory the file's bytes that a program may write lie, as linked: where `moduledata` stands.
pub(crate) fn writable_ranges(elf: &ElfImage<'_>) -> Vec<(LinkAddr, u64)> {
    let writable = elf.segments().iter().filter(|segment| segment.write);
    writable.map(|segment| (segment.addr, segment.data.len() as u64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: [u8; 16] = [0x11; 16];

    fn memory(relocations: Vec<(u64, u64)>) -> FileMemory<'static> {
        let addr = LinkAddr::new(0x1000);
        let segment = Segment { addr, size: 32, data: &DATA, file_offset: 0, write: true, execute: false };
        FileMemory { segments: vec![segment], relocations }
    }

    fn read(memory: &FileMemory<'_>, addr: u64, len: usize) -> Option<Vec<u8>> {
        let mut buf = vec![0xee; len];
        memory.read_exact(Addr::new(addr), &mut buf).ok()?;
        Some(buf)
    }

    #[test]
    fn what_the_file_does_not_hold_is_zero() {
        assert_eq!(read(&memory(Vec::new()), 0x100e, 4), Some(vec![0x11, 0x11, 0, 0]));
        assert_eq!(read(&memory(Vec::new()), 0x101e, 4), None, "behind the segment there is nothing");
    }

    #[test]
    fn a_relocated_word_counts_even_where_the_read_cuts_it() {
        let memory = memory(vec![(0x1004, 0x8877_6655_4433_2211)]);
        assert_eq!(read(&memory, 0x1002, 4), Some(vec![0x11, 0x11, 0x11, 0x22]));
        assert_eq!(read(&memory, 0x100a, 4), Some(vec![0x77, 0x88, 0x11, 0x11]));
    }
}
