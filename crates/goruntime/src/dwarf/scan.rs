//! One pass over `.debug_info`: notes types, package variables, constants and where functions lie.
//!
//! Names stay slices of the section; the entries inside functions, most of the section, are only skipped.

use std::sync::Arc;

use gimli::constants as dw;
use gimli::{Abbreviation, Abbreviations, DwTag, EntriesRaw, UnitHeader};
use hashbrown::HashMap;

use super::attributes::{Attributes, Location};
use super::locations;
use super::sections::{Bytes, Sections};
use super::units::{Unit, UnitRecord};
use crate::error::RuntimeError;

/// `DW_LANG_Go`; units of C code in cgo programs say otherwise.
const GO: u64 = 0x16;

/// A type as it stands in the section.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawType<'a> {
    /// Where in `.debug_info`.
    pub(super) at: usize,
    pub(super) tag: DwTag,
    pub(super) attributes: Attributes<'a>,
    /// Its members in [`Scan::members`].
    pub(super) members: (usize, usize),
    /// Elements of an array.
    pub(super) count: u64,
}

/// A field of a struct.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawMember<'a> {
    pub(super) name: &'a [u8],
    pub(super) ty: Option<usize>,
    pub(super) offset: u64,
}

/// A package variable.
#[derive(Debug, Clone, Copy)]
pub(super) struct RawGlobal<'a> {
    pub(super) name: &'a [u8],
    pub(super) ty: Option<usize>,
    pub(super) addr: u64,
}

/// The code of one function and where its entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FunctionRecord {
    pub(super) low: u64,
    /// Behind its last byte.
    pub(super) high: u64,
    /// Where in `.debug_info`.
    pub(super) at: usize,
}

/// Everything that one pass found.
#[derive(Debug, Default)]
pub(super) struct Scan<'a> {
    pub(super) units: Vec<UnitRecord>,
    /// In order of place.
    pub(super) types: Vec<RawType<'a>>,
    pub(super) members: Vec<RawMember<'a>>,
    pub(super) globals: Vec<RawGlobal<'a>>,
    pub(super) constants: Vec<(&'a [u8], i64)>,
    pub(super) functions: Vec<FunctionRecord>,
    /// Units that could not be read to their end.
    pub(super) gaps: Vec<RuntimeError>,
}

/// Reads all Go units; what is broken is noted and the rest read on.
pub(super) fn scan<'a>(sections: &'a Sections<'_>) -> Scan<'a> {
    let mut scan = Scan::default();
    let mut tables = HashMap::new();
    let mut headers = sections.info().units();
    loop {
        let header = match headers.next() {
            Ok(Some(header)) => header,
            Ok(None) => return scan,
            Err(error) => {
                let end = scan.units.last().map_or(0, |unit| unit.end);
                scan.gaps.push(broken(end, error));
                return scan;
            }
        };
        let start = header.debug_info_offset().map_or(0, |offset| offset.0);
        let read = abbreviations(&mut tables, sections, &header)
            .and_then(|table| read_unit(&mut scan, sections, header, start, table));
        if let Err(error) = read {
            scan.gaps.push(broken(start, error));
        }
    }
}

fn broken(offset: usize, error: gimli::Error) -> RuntimeError {
    RuntimeError::Section { section: ".debug_info", offset: offset as u64, what: error.to_string() }
}

/// The abbreviations of a unit; the Go linker writes one table for all.
fn abbreviations(
    tables: &mut HashMap<usize, Arc<Abbreviations>>,
    sections: &Sections<'_>,
    header: &UnitHeader<Bytes<'_>>,
) -> gimli::Result<Arc<Abbreviations>> {
    let offset = header.debug_abbrev_offset();
    if let Some(table) = tables.get(&offset.0) {
        return Ok(table.clone());
    }
    let table = Arc::new(sections.abbrev().abbreviations(offset)?);
    tables.insert(offset.0, table.clone());
    Ok(table)
}

fn read_unit<'a>(
    scan: &mut Scan<'a>,
    sections: &'a Sections<'_>,
    header: UnitHeader<Bytes<'a>>,
    start: usize,
    table: Arc<Abbreviations>,
) -> gimli::Result<()> {
    let mut entries = header.entries_raw(&table, None)?;
    let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(()) };
    let root = Attributes::read(&mut entries, abbreviation, start)?;
    if root.language.is_some_and(|language| language != GO) {
        return Ok(());
    }
    let mut record = UnitRecord {
        start,
        end: start.saturating_add(header.length_including_self()),
        abbreviations: table.clone(),
        addr_base: root.addr_base.unwrap_or(0),
        low_pc: 0,
    };
    if let Some(low) = root.low {
        record.low_pc = Unit::of(sections, &record, header).address(low)?;
    }
    let unit = Unit::of(sections, &record, header);
    let read = read_entries(scan, &unit, &mut entries);
    scan.units.push(record);
    read
}

/// Reads every entry below the unit's own.
fn read_entries<'a>(
    scan: &mut Scan<'a>,
    unit: &Unit<'_>,
    entries: &mut EntriesRaw<'_, Bytes<'a>>,
) -> gimli::Result<()> {
    while !entries.is_empty() {
        let at = unit.record.start.saturating_add(entries.next_offset().0);
        let depth = entries.next_depth();
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        match (abbreviation.tag(), depth) {
            (dw::DW_TAG_subprogram, 1) => read_function(scan, unit, entries, abbreviation, at)?,
            (dw::DW_TAG_variable, 1) => read_global(scan, unit, entries, abbreviation)?,
            (dw::DW_TAG_constant, 1) => read_constant(scan, unit, entries, abbreviation)?,
            (dw::DW_TAG_member, _) => read_member(scan, unit, entries, abbreviation)?,
            (dw::DW_TAG_subrange_type, _) => read_range(scan, unit, entries, abbreviation)?,
            (tag, _) if is_type(tag) => read_type(scan, unit, entries, abbreviation, at)?,
            _ => entries.skip_attributes(abbreviation.attributes())?,
        }
    }
    Ok(())
}

fn is_type(tag: DwTag) -> bool {
    matches!(
        tag,
        dw::DW_TAG_base_type
            | dw::DW_TAG_structure_type
            | dw::DW_TAG_pointer_type
            | dw::DW_TAG_typedef
            | dw::DW_TAG_array_type
            | dw::DW_TAG_subroutine_type
            | dw::DW_TAG_unspecified_type
    )
}

fn read_type<'a>(
    scan: &mut Scan<'a>,
    unit: &Unit<'_>,
    entries: &mut EntriesRaw<'_, Bytes<'a>>,
    abbreviation: &Abbreviation,
    at: usize,
) -> gimli::Result<()> {
    let attributes = Attributes::read(entries, abbreviation, unit.record.start)?;
    let members = (scan.members.len(), scan.members.len());
    scan.types.push(RawType { at, tag: abbreviation.tag(), attributes, members, count: 0 });
    Ok(())
}

/// A member belongs to the last type read: Go writes no types inside structs.
fn read_member<'a>(
    scan: &mut Scan<'a>,
    unit: &Unit<'_>,
    entries: &mut EntriesRaw<'_, Bytes<'a>>,
    abbreviation: &Abbreviation,
) -> gimli::Result<()> {
    let attributes = Attributes::read(entries, abbreviation, unit.record.start)?;
    let Some(whole) = scan.types.last_mut() else { return Ok(()) };
    scan.members.push(RawMember {
        name: attributes.name.unwrap_or_default(),
        ty: attributes.ty,
        offset: attributes.member_offset.unwrap_or(0),
    });
    whole.members.1 = scan.members.len();
    Ok(())
}

fn read_range<'a>(
    scan: &mut Scan<'a>,
    unit: &Unit<'_>,
    entries: &mut EntriesRaw<'_, Bytes<'a>>,
    abbreviation: &Abbreviation,
) -> gimli::Result<()> {
    let attributes = Attributes::read(entries, abbreviation, unit.record.start)?;
    if let (Some(array), Some(count)) = (scan.types.last_mut(), attributes.count) {
        array.count = count;
    }
    Ok(())
}

fn read_function<'a>(
    scan: &mut Scan<'a>,
    unit: &Unit<'_>,
    entries: &mut EntriesRaw<'_, Bytes<'a>>,
    abbreviation: &Abbreviation,
    at: usize,
) -> gimli::Result<()> {
    if !abbreviation.attributes().iter().any(|spec| spec.name() == dw::DW_AT_low_pc) {
        return entries.skip_attributes(abbreviation.attributes());
    }
    let attributes = Attributes::read(entries, abbreviation, unit.record.start)?;
    if let Some((low, high)) = unit.pc_range(&attributes)? {
        scan.functions.push(FunctionRecord { low, high, at });
    }
    Ok(())
}

fn read_global<'a>(
    scan: &mut Scan<'a>,
    unit: &Unit<'_>,
    entries: &mut EntriesRaw<'_, Bytes<'a>>,
    abbreviation: &Abbreviation,
) -> gimli::Result<()> {
    let attributes = Attributes::read(entries, abbreviation, unit.record.start)?;
    let Some(Location::Expression(expression)) = attributes.location else { return Ok(()) };
    if let (Some(name), Some(addr)) = (attributes.name, locations::fixed_address(unit, expression)?) {
        scan.globals.push(RawGlobal { name, ty: attributes.ty, addr });
    }
    Ok(())
}

fn read_constant<'a>(
    scan: &mut Scan<'a>,
    unit: &Unit<'_>,
    entries: &mut EntriesRaw<'_, Bytes<'a>>,
    abbreviation: &Abbreviation,
) -> gimli::Result<()> {
    let attributes = Attributes::read(entries, abbreviation, unit.record.start)?;
    if let (Some(name), Some(value)) = (attributes.name, attributes.const_value) {
        scan.constants.push((name, value));
    }
    Ok(())
}
