//! The units of `.debug_info`: where each lies, and what its entries need to be read.

use std::sync::Arc;

use gimli::{Abbreviations, DebugAddr, DebugAddrBase, DebugInfoOffset, EntriesRaw, UnitHeader, UnitOffset};

use super::attributes::{Address, Attributes};
use super::sections::{Bytes, Sections};

/// One unit, without borrowing its bytes.
#[derive(Debug, Clone)]
pub(super) struct UnitRecord {
    /// Where its header starts in `.debug_info`.
    pub(super) start: usize,
    /// Behind its last entry.
    pub(super) end: usize,
    pub(super) abbreviations: Arc<Abbreviations>,
    /// Where its addresses start in `.debug_addr` (DWARF 5).
    pub(super) addr_base: usize,
    /// What its range and location lists count from.
    pub(super) low_pc: u64,
}

/// One unit, ready to read entries of.
#[derive(Debug, Clone)]
pub(super) struct Unit<'a> {
    pub(super) record: &'a UnitRecord,
    pub(super) header: UnitHeader<Bytes<'a>>,
    addr: DebugAddr<Bytes<'a>>,
}

impl<'a> Unit<'a> {
    /// The unit of a record, its header read again.
    pub(super) fn open(sections: &'a Sections<'_>, record: &'a UnitRecord) -> gimli::Result<Unit<'a>> {
        let header = sections.info().header_from_offset(DebugInfoOffset(record.start))?;
        Ok(Unit::of(sections, record, header))
    }

    /// The unit of a record whose header was just read.
    pub(super) fn of(
        sections: &'a Sections<'_>,
        record: &'a UnitRecord,
        header: UnitHeader<Bytes<'a>>,
    ) -> Unit<'a> {
        Unit { record, header, addr: sections.addr() }
    }

    /// The entries from `offset`, counted from the start of `.debug_info`.
    pub(super) fn entries_from(&self, offset: usize) -> gimli::Result<EntriesRaw<'a, Bytes<'a>>> {
        let in_unit = offset.checked_sub(self.record.start).ok_or(gimli::Error::OffsetOutOfBounds(0))?;
        self.header.entries_raw(&self.record.abbreviations, Some(UnitOffset(in_unit)))
    }

    /// The address itself, looked up in `.debug_addr` where it is an index.
    pub(super) fn address(&self, address: Address) -> gimli::Result<u64> {
        match address {
            Address::Direct(address) => Ok(address),
            Address::Offset(offset) => Ok(offset),
            Address::Indexed(index) => {
                let base = DebugAddrBase(self.record.addr_base);
                self.addr.get_address(self.header.address_size(), base, index)
            }
        }
    }

    /// From the first address of an entry to the one behind its last; `None` where it has no code.
    pub(super) fn pc_range(&self, entry: &Attributes<'_>) -> gimli::Result<Option<(u64, u64)>> {
        let (Some(low), Some(high)) = (entry.low, entry.high) else { return Ok(None) };
        let low = self.address(low)?;
        let high = match high {
            Address::Offset(len) => low.saturating_add(len),
            other => self.address(other)?,
        };
        Ok((low < high).then_some((low, high)))
    }
}
