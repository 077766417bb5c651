//! Local variables, parameters and captured variables, read from a function's entries when asked for.

use std::sync::Arc;

use gimli::constants as dw;
use gimli::{DebugAddrBase, EntriesRaw, LocationListsOffset, RangeListsOffset};

use super::attributes::{Attributes, Location};
use super::go_types::{Places, type_at};
use super::scan::FunctionRecord;
use super::sections::{Bytes, Sections};
use super::units::{Unit, UnitRecord};
use super::{Capture, Local, Piece, locations, split_variables};
use crate::types::{TypeId, Types, WORD};

/// Entries read for one function, and items of one list: more than the largest function has.
const MOST_ENTRIES: usize = 1 << 16;

/// What a captured receiver is called: its name in the source is the method's own affair.
const RECEIVER: &str = "receiver";

/// What is needed to read variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variables<'a, 'b> {
    pub(super) sections: &'a Sections<'b>,
    /// In order of place.
    pub(super) units: &'a [UnitRecord],
    pub(super) types: &'a Types,
    pub(super) places: &'a Places,
}

/// A variable as it was declared, in the entry itself or in the one that it stands for.
struct Declared<'a> {
    name: &'a [u8],
    ty: TypeId,
    closure_offset: Option<u64>,
}

impl<'a> Variables<'a, '_> {
    /// The variables of a function that lie in memory at `pc`; those before the first broken entry.
    pub(super) fn locals(&self, function: FunctionRecord, pc: u64) -> Vec<Local> {
        let (mut locals, mut whole) = (Vec::new(), Vec::new());
        let _ = self.visit(function, Some(pc), &mut |unit, attributes| {
            let Some(declared) = self.declared(attributes)? else { return Ok(()) };
            let size = self.types.get(declared.ty).map_or(0, |ty| ty.size);
            let pieces = self.pieces(unit, attributes.location, size, pc)?;
            let (name, escaped) = source_name(declared.name);
            whole.push((Arc::clone(&name), declared.ty));
            if !pieces.is_empty() {
                locals.push(Local { name, ty: declared.ty, escaped, pieces });
            }
            Ok(())
        });
        split_variables::join(&mut locals, &whole, self.types);
        locals
    }

    /// What a closure's function captured, in order of place in the closure object.
    pub(super) fn captures(&self, function: FunctionRecord) -> Vec<Capture> {
        let mut captures = Vec::new();
        let _ = self.visit(function, None, &mut |_, attributes| {
            let Some(declared) = self.declared(attributes)? else { return Ok(()) };
            if let Some(offset) = declared.closure_offset {
                let (name, by_reference) = source_name(declared.name);
                captures.push(Capture { name, ty: declared.ty, offset, by_reference });
            }
            Ok(())
        });
        if captures.is_empty() {
            captures.extend(self.receiver(function));
        }
        captures.sort_by_key(|capture| capture.offset);
        captures
    }

    /// The receiver that a method value (`server.Handle` without a call) captured, which no entry tells.
    ///
    /// Its function has the method's name with `-fm` behind it, and its closure is the code and the receiver.
    /// Compiler: cmd/compile/internal/noder/reader.go, methodValueWrap
    fn receiver(&self, function: FunctionRecord) -> Option<Capture> {
        let attributes = self.attributes_at(function.at).ok()?;
        let declared = match attributes.origin {
            Some(at) => self.attributes_at(at).ok()?,
            None => attributes,
        };
        let name = std::str::from_utf8(declared.name?).ok()?;
        let (receiver, _) = name.strip_suffix("-fm")?.rsplit_once('.')?;
        let ty = match receiver.strip_suffix(')').and_then(|pointer| pointer.split_once("(*")) {
            Some((package, name)) => self.types.by_name(&format!("*{package}{name}")),
            None => self.types.by_name(receiver),
        };
        Some(Capture { name: RECEIVER.into(), ty: ty?, offset: WORD, by_reference: false })
    }

    /// Shows `visit` every variable of a function: those in scope at `pc`, or all outside inner scopes.
    fn visit(
        &self,
        function: FunctionRecord,
        pc: Option<u64>,
        visit: &mut dyn FnMut(&Unit<'a>, &Attributes<'a>) -> gimli::Result<()>,
    ) -> gimli::Result<()> {
        let Some((unit, mut entries)) = self.entries_at(function.at)? else { return Ok(()) };
        // Entries deeper than this belong to a scope that does not hold `pc`.
        let mut hidden = isize::MAX;
        for index in 0..MOST_ENTRIES {
            let depth = entries.next_depth();
            if entries.is_empty() || (depth <= 0 && index != 0) {
                break;
            }
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            let attributes = Attributes::read(&mut entries, abbreviation, unit.record.start)?;
            if hidden < depth {
                continue;
            }
            hidden = isize::MAX;
            match abbreviation.tag() {
                dw::DW_TAG_variable | dw::DW_TAG_formal_parameter => visit(&unit, &attributes)?,
                dw::DW_TAG_lexical_block | dw::DW_TAG_inlined_subroutine => {
                    let shown = pc.map_or(Ok(false), |pc| self.covers(&unit, &attributes, pc))?;
                    hidden = if shown { isize::MAX } else { depth };
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads on from an entry, in whichever unit it is.
    #[allow(clippy::type_complexity, reason = "a pair, of what the one caller takes apart at once")]
    fn entries_at(&self, at: usize) -> gimli::Result<Option<(Unit<'a>, EntriesRaw<'a, Bytes<'a>>)>> {
        let behind = self.units.partition_point(|unit| unit.start <= at);
        let record = behind.checked_sub(1).and_then(|index| self.units.get(index));
        let Some(record) = record.filter(|record| at < record.end) else { return Ok(None) };
        let unit = Unit::open(self.sections, record)?;
        let entries = unit.entries_from(at)?;
        Ok(Some((unit, entries)))
    }

    /// Name and type of a variable; those of an inlined or concrete one stand where it was declared.
    fn declared(&self, attributes: &Attributes<'a>) -> gimli::Result<Option<Declared<'a>>> {
        let origin = match attributes.origin {
            Some(at) => self.attributes_at(at)?,
            None => *attributes,
        };
        let (Some(name), Some(ty)) = (origin.name, origin.ty) else { return Ok(None) };
        let Some(ty) = type_at(self.places, ty) else { return Ok(None) };
        Ok(Some(Declared { name, ty, closure_offset: origin.closure_offset }))
    }

    fn attributes_at(&self, at: usize) -> gimli::Result<Attributes<'a>> {
        let missing = || gimli::Error::OffsetOutOfBounds(at as u64);
        let (unit, mut entries) = self.entries_at(at)?.ok_or_else(missing)?;
        let abbreviation = entries.read_abbreviation()?.ok_or_else(missing)?;
        Attributes::read(&mut entries, abbreviation, unit.record.start)
    }

    /// Whether a scope's code holds `pc`.
    fn covers(&self, unit: &Unit<'a>, scope: &Attributes<'_>, pc: u64) -> gimli::Result<bool> {
        if let Some((low, high)) = unit.pc_range(scope)? {
            return Ok(low <= pc && pc < high);
        }
        let Some(offset) = scope.ranges else { return Ok(false) };
        let mut ranges = self.sections.ranges().ranges(
            RangeListsOffset(offset),
            unit.header.encoding(),
            unit.record.low_pc,
            &self.sections.addr(),
            DebugAddrBase(unit.record.addr_base),
        )?;
        for _ in 0..MOST_ENTRIES {
            match ranges.next()? {
                Some(range) if range.begin <= pc && pc < range.end => return Ok(true),
                Some(_) => {}
                None => break,
            }
        }
        Ok(false)
    }

    fn pieces(
        &self,
        unit: &Unit<'a>,
        location: Option<Location<'a>>,
        size: u64,
        pc: u64,
    ) -> gimli::Result<Vec<Piece>> {
        let expression = match location {
            Some(Location::Expression(expression)) => Some(expression),
            Some(Location::List(offset)) => self.expression_at(unit, offset, pc)?,
            None => None,
        };
        expression.map_or(Ok(Vec::new()), |expression| locations::frame_pieces(unit, expression, size))
    }

    /// The expression of a location list that holds at `pc`.
    fn expression_at(&self, unit: &Unit<'a>, offset: usize, pc: u64) -> gimli::Result<Option<Bytes<'a>>> {
        let sections = self.sections;
        let mut list = sections.locations().locations(
            LocationListsOffset(offset),
            unit.header.encoding(),
            unit.record.low_pc,
            &sections.addr(),
            DebugAddrBase(unit.record.addr_base),
        )?;
        for _ in 0..MOST_ENTRIES {
            match list.next()? {
                Some(entry) if entry.range.begin <= pc && pc < entry.range.end => {
                    return Ok(Some(entry.data.0));
                }
                Some(_) => {}
                None => break,
            }
        }
        Ok(None)
    }
}

/// The name without the `&` that the compiler puts before a variable of which only the address is there.
fn source_name(name: &[u8]) -> (Arc<str>, bool) {
    match name.strip_prefix(b"&") {
        Some(name) => (String::from_utf8_lossy(name).into(), true),
        None => (String::from_utf8_lossy(name).into(), false),
    }
}
