//! The debug sections, each unpacked when it is first read.

use std::borrow::Cow;
use std::sync::OnceLock;

use gimli::{DebugAbbrev, DebugAddr, DebugInfo, DebugLoc, DebugLocLists, DebugRanges, DebugRngLists};
use gimli::{EndianSlice, LittleEndian, LocationLists, RangeLists};

use crate::elf::{ElfImage, PackedSection};

/// Both processors that we read are little-endian.
pub(super) type Bytes<'a> = EndianSlice<'a, LittleEndian>;

#[derive(Debug, Default)]
struct Section<'b> {
    packed: Option<PackedSection<'b>>,
    /// Owned, and not borrowed where it could be, so that the lifetime stays covariant.
    unpacked: OnceLock<Vec<u8>>,
}

impl<'b> Section<'b> {
    fn of(elf: &ElfImage<'b>, name: &str) -> Section<'b> {
        Section { packed: elf.packed_section(name), unpacked: OnceLock::new() }
    }

    /// Its bytes; none where it is missing or does not unpack.
    fn bytes(&self) -> Bytes<'_> {
        let plain = self.packed.as_ref().and_then(PackedSection::plain);
        let bytes = plain.unwrap_or_else(|| {
            self.unpacked.get_or_init(|| {
                let unpacked = self.packed.as_ref().and_then(PackedSection::unpack);
                unpacked.map_or_else(Vec::new, Cow::into_owned)
            })
        });
        EndianSlice::new(bytes, LittleEndian)
    }
}

/// What the reader needs of `.debug_*`.
#[derive(Debug, Default)]
pub(super) struct Sections<'b> {
    info: Section<'b>,
    abbrev: Section<'b>,
    addr: Section<'b>,
    loc: Section<'b>,
    loclists: Section<'b>,
    ranges: Section<'b>,
    rnglists: Section<'b>,
}

impl<'b> Sections<'b> {
    pub(super) fn of(elf: &ElfImage<'b>) -> Sections<'b> {
        Sections {
            info: Section::of(elf, ".debug_info"),
            abbrev: Section::of(elf, ".debug_abbrev"),
            addr: Section::of(elf, ".debug_addr"),
            loc: Section::of(elf, ".debug_loc"),
            loclists: Section::of(elf, ".debug_loclists"),
            ranges: Section::of(elf, ".debug_ranges"),
            rnglists: Section::of(elf, ".debug_rnglists"),
        }
    }

    /// Whether there is debug information that does not unpack.
    pub(super) fn info_is_broken(&self) -> bool {
        self.info.packed.is_some() && self.info.bytes().is_empty()
    }

    pub(super) fn info(&self) -> DebugInfo<Bytes<'_>> {
        self.info.bytes().into()
    }

    pub(super) fn abbrev(&self) -> DebugAbbrev<Bytes<'_>> {
        self.abbrev.bytes().into()
    }

    pub(super) fn addr(&self) -> DebugAddr<Bytes<'_>> {
        self.addr.bytes().into()
    }

    pub(super) fn locations(&self) -> LocationLists<Bytes<'_>> {
        LocationLists::new(DebugLoc::from(self.loc.bytes()), DebugLocLists::from(self.loclists.bytes()))
    }

    pub(super) fn ranges(&self) -> RangeLists<Bytes<'_>> {
        RangeLists::new(DebugRanges::from(self.ranges.bytes()), DebugRngLists::from(self.rnglists.bytes()))
    }
}
