//! The attributes of one entry, as far as anything here asks for them.

use gimli::constants as dw;
use gimli::{Abbreviation, AttributeValue, DebugAddrIndex, DwAt, EntriesRaw};

use super::sections::Bytes;

/// Go's own attributes. Runtime: cmd/internal/dwarf/dwarf.go
pub(super) const GO_KIND: DwAt = DwAt(0x2900);
const GO_KEY: DwAt = DwAt(0x2901);
const GO_ELEM: DwAt = DwAt(0x2902);
const GO_RUNTIME_TYPE: DwAt = DwAt(0x2904);
const GO_CLOSURE_OFFSET: DwAt = DwAt(0x2907);

/// An address, or where to look it up.
#[derive(Debug, Clone, Copy)]
pub(super) enum Address {
    Direct(u64),
    Indexed(DebugAddrIndex<usize>),
    /// Counted from the low address of the same entry.
    Offset(u64),
}

/// Where a variable lies: one expression, or a list of them by program counter.
#[derive(Debug, Clone, Copy)]
pub(super) enum Location<'a> {
    Expression(Bytes<'a>),
    /// Where in `.debug_loc` or `.debug_loclists`.
    List(usize),
}

/// What an entry says; `None` where it does not.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Attributes<'a> {
    pub(super) name: Option<&'a [u8]>,
    pub(super) ty: Option<usize>,
    pub(super) size: Option<u64>,
    pub(super) count: Option<u64>,
    pub(super) member_offset: Option<u64>,
    pub(super) const_value: Option<i64>,
    pub(super) language: Option<u64>,
    pub(super) low: Option<Address>,
    pub(super) high: Option<Address>,
    pub(super) addr_base: Option<usize>,
    /// Where in `.debug_ranges` or `.debug_rnglists`.
    pub(super) ranges: Option<usize>,
    pub(super) origin: Option<usize>,
    pub(super) location: Option<Location<'a>>,
    pub(super) kind: Option<u64>,
    pub(super) key: Option<usize>,
    pub(super) elem: Option<usize>,
    pub(super) runtime_type: Option<u64>,
    pub(super) closure_offset: Option<u64>,
}

impl<'a> Attributes<'a> {
    /// Reads all attributes of the entry whose abbreviation was just read; `unit` is where its unit starts.
    pub(super) fn read(
        entries: &mut EntriesRaw<'_, Bytes<'a>>,
        abbreviation: &Abbreviation,
        unit: usize,
    ) -> gimli::Result<Attributes<'a>> {
        let mut found = Attributes::default();
        for spec in abbreviation.attributes() {
            let attribute = entries.read_attribute_inline(*spec)?;
            found.note(spec.name(), attribute.raw_value(), unit);
        }
        Ok(found)
    }

    fn note(&mut self, name: DwAt, raw: AttributeValue<Bytes<'a>>, unit: usize) {
        match name {
            dw::DW_AT_name => self.name = string(raw),
            dw::DW_AT_type => self.ty = reference(raw, unit),
            dw::DW_AT_abstract_origin => self.origin = reference(raw, unit),
            GO_KEY => self.key = reference(raw, unit),
            GO_ELEM => self.elem = reference(raw, unit),
            dw::DW_AT_low_pc => self.low = address(raw),
            dw::DW_AT_high_pc => self.high = address(raw).or(raw.udata_value().map(Address::Offset)),
            dw::DW_AT_ranges => self.ranges = raw.offset_value(),
            dw::DW_AT_location => self.location = location(raw),
            dw::DW_AT_addr_base => self.addr_base = raw.offset_value(),
            dw::DW_AT_const_value => self.const_value = raw.sdata_value(),
            _ => self.note_number(name, raw),
        }
    }

    fn note_number(&mut self, name: DwAt, raw: AttributeValue<Bytes<'a>>) {
        let slot = match name {
            dw::DW_AT_byte_size => &mut self.size,
            dw::DW_AT_count => &mut self.count,
            dw::DW_AT_data_member_location => &mut self.member_offset,
            dw::DW_AT_language => &mut self.language,
            GO_KIND => &mut self.kind,
            GO_CLOSURE_OFFSET => &mut self.closure_offset,
            GO_RUNTIME_TYPE => &mut self.runtime_type,
            _ => return,
        };
        *slot = match raw {
            AttributeValue::Addr(address) => Some(address),
            other => other.udata_value(),
        };
    }
}

fn string(value: AttributeValue<Bytes<'_>>) -> Option<&[u8]> {
    match value {
        AttributeValue::String(text) => Some(text.slice()),
        _ => None,
    }
}

/// Where in `.debug_info` the entry lies that is referred to.
fn reference(value: AttributeValue<Bytes<'_>>, unit: usize) -> Option<usize> {
    match value {
        AttributeValue::DebugInfoRef(offset) => Some(offset.0),
        AttributeValue::UnitRef(offset) => unit.checked_add(offset.0),
        _ => None,
    }
}

fn address(value: AttributeValue<Bytes<'_>>) -> Option<Address> {
    match value {
        AttributeValue::Addr(address) => Some(Address::Direct(address)),
        AttributeValue::DebugAddrIndex(index) => Some(Address::Indexed(index)),
        _ => None,
    }
}

fn location(value: AttributeValue<Bytes<'_>>) -> Option<Location<'_>> {
    match value {
        AttributeValue::Block(bytes) => Some(Location::Expression(bytes)),
        AttributeValue::Exprloc(expression) => Some(Location::Expression(expression.0)),
        list => list.offset_value().map(Location::List),
    }
}
