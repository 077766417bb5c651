//! From the types as they stand in the section to [`Types`]: named ones and their definitions become one.
//!
//! Linker: cmd/link/internal/ld/dwarf.go, newtype and the synthesize functions.

use std::sync::Arc;

use gimli::constants as dw;
use hashbrown::HashMap;

use super::scan::{RawType, Scan};
use crate::types::{Field, GoType, Kind, Role, TypeId, Types, WORD};

/// Names for names for names: ends the walk over a typedef that leads to itself.
const MOST_ALIASES: usize = 32;
/// What an entry refers to that is not there.
const UNKNOWN: &str = "<unspecified>";

/// `abi.Kind`. Runtime: internal/abi/type.go
mod go_kind {
    pub(super) const BOOL: u64 = 1;
    pub(super) const INT: std::ops::RangeInclusive<u64> = 2..=6;
    pub(super) const UINT: std::ops::RangeInclusive<u64> = 7..=12;
    pub(super) const FLOAT: std::ops::RangeInclusive<u64> = 13..=14;
    pub(super) const COMPLEX: std::ops::RangeInclusive<u64> = 15..=16;
    pub(super) const CHAN: u64 = 18;
    pub(super) const INTERFACE: u64 = 20;
    pub(super) const MAP: u64 = 21;
    pub(super) const SLICE: u64 = 23;
    pub(super) const STRING: u64 = 24;
}

/// Where a type stands in `.debug_info`, and its id: in order of place.
pub(super) type Places = Vec<(usize, TypeId)>;

/// Every type, and which entry became which.
pub(super) fn types_of(scan: &Scan<'_>) -> (Types, Places) {
    let mut build = Build { scan, places: Vec::new(), unknown: TypeId(0), texts: HashMap::new() };
    build.number();
    let mut types = Types::default();
    types.push(opaque(UNKNOWN.into(), 0));
    for raw in scan.types.iter().filter(|raw| !is_alias(raw)) {
        types.push(build.go_type(raw));
    }
    types.link_containers();
    (types, build.places)
}

/// The id of the type that stands at `at`.
pub(super) fn type_at(places: &Places, at: usize) -> Option<TypeId> {
    let place = places.binary_search_by_key(&at, |(at, _)| *at).ok()?;
    places.get(place).map(|(_, id)| *id)
}

struct Build<'s, 'a> {
    scan: &'s Scan<'a>,
    places: Places,
    unknown: TypeId,
    /// Every text once, however many fields have that name.
    texts: HashMap<&'a [u8], Arc<str>>,
}

/// A name for another type, which has the same name and all the rest.
fn is_alias(raw: &RawType<'_>) -> bool {
    raw.tag == dw::DW_TAG_typedef && raw.attributes.kind.is_none() && raw.attributes.ty.is_some()
}

fn opaque(name: Arc<str>, size: u64) -> GoType {
    GoType { name, size, kind: Kind::Opaque, role: Role::Plain, runtime_type: None }
}

impl<'a> Build<'_, 'a> {
    /// Gives every type its id, and every alias the id of what it stands for.
    fn number(&mut self) {
        let mut next = (1u32..).map(TypeId);
        for raw in &self.scan.types {
            let id = if is_alias(raw) { None } else { next.next() };
            self.places.push((raw.at, id.unwrap_or(self.unknown)));
        }
        let aliases: Vec<(usize, TypeId)> = self
            .scan
            .types
            .iter()
            .enumerate()
            .filter(|(_, raw)| is_alias(raw))
            .filter_map(|(index, raw)| Some((index, self.definition(raw)?)))
            .collect();
        for (index, id) in aliases {
            if let Some(place) = self.places.get_mut(index) {
                place.1 = id;
            }
        }
    }

    /// What an alias stands for in the end.
    fn definition(&self, alias: &RawType<'a>) -> Option<TypeId> {
        let mut at = alias.attributes.ty?;
        for _ in 0..MOST_ALIASES {
            let raw = self.raw(at)?;
            if !is_alias(raw) {
                return type_at(&self.places, at);
            }
            at = raw.attributes.ty?;
        }
        None
    }

    fn raw(&self, at: usize) -> Option<&RawType<'a>> {
        let place = self.scan.types.binary_search_by_key(&at, |raw| raw.at).ok()?;
        self.scan.types.get(place)
    }

    fn id(&self, at: Option<usize>) -> TypeId {
        at.and_then(|at| type_at(&self.places, at)).unwrap_or(self.unknown)
    }

    fn text(&mut self, name: &'a [u8]) -> Arc<str> {
        self.texts.entry(name).or_insert_with(|| String::from_utf8_lossy(name).into()).clone()
    }

    fn go_type(&mut self, raw: &RawType<'a>) -> GoType {
        let name = type_name(raw.attributes.name.unwrap_or_default());
        let kind = self.kind(raw);
        let size = match (&kind, raw.attributes.size) {
            (_, Some(size)) => size,
            (Kind::Pointer { .. } | Kind::UnsafePointer, _) => WORD,
            (Kind::Map { .. } | Kind::Chan { .. } | Kind::Func, _) => WORD,
            (Kind::Interface { .. }, _) => 2 * WORD,
            _ => 0,
        };
        GoType { name, size, kind, role: Role::Plain, runtime_type: None }
    }

    fn kind(&mut self, raw: &RawType<'a>) -> Kind {
        let attributes = &raw.attributes;
        match (raw.tag, attributes.kind) {
            (_, Some(go_kind::STRING)) => Kind::String,
            (_, Some(go_kind::SLICE)) => Kind::Slice { elem: self.id(attributes.elem) },
            (_, Some(go_kind::MAP)) => Kind::Map {
                key: self.id(attributes.key),
                elem: self.id(attributes.elem),
                header: self.id(self.pointed_at(attributes.ty)),
            },
            (_, Some(go_kind::CHAN)) => {
                Kind::Chan { elem: self.id(attributes.elem), header: self.id(self.pointed_at(attributes.ty)) }
            }
            (_, Some(go_kind::INTERFACE)) => Kind::Interface { empty: self.is_eface(attributes.ty) },
            (dw::DW_TAG_array_type, _) => Kind::Array { elem: self.id(attributes.ty), len: raw.count },
            (dw::DW_TAG_subroutine_type, _) => Kind::Func,
            (dw::DW_TAG_structure_type, _) => Kind::Struct { fields: self.struct_fields(raw) },
            (dw::DW_TAG_pointer_type, _) => match attributes.ty {
                Some(at) => Kind::Pointer { elem: self.id(Some(at)) },
                None => Kind::UnsafePointer,
            },
            (_, Some(number)) => number_kind(number),
            _ => Kind::Opaque,
        }
    }

    /// What the pointer at `at` points at: the linker makes a map or channel a pointer to its header.
    fn pointed_at(&self, at: Option<usize>) -> Option<usize> {
        self.raw(at?)?.attributes.ty
    }

    /// Whether an interface is laid out as `runtime.eface`, whose first word is the type itself.
    fn is_eface(&self, at: Option<usize>) -> bool {
        at.and_then(|at| self.raw(at)).is_some_and(|raw| raw.attributes.name == Some(b"runtime.eface"))
    }

    fn struct_fields(&mut self, raw: &RawType<'a>) -> Vec<Field> {
        let members = self.scan.members.get(raw.members.0..raw.members.1).unwrap_or_default();
        let mut fields: Vec<Field> = members
            .iter()
            .map(|member| Field {
                name: self.text(member.name),
                offset: member.offset,
                ty: self.id(member.ty),
            })
            .collect();
        fields.sort_by_key(|field| field.offset);
        fields
    }
}

/// The name without what the compiler alone has to know: that it made no hash function for the type.
fn type_name(name: &[u8]) -> Arc<str> {
    let name = String::from_utf8_lossy(name);
    match name.contains("noalg.") {
        true => name.replace("noalg.", "").into(),
        false => name.into(),
    }
}

/// The kind of a type that has no parts, by the number of its `reflect.Kind`.
pub(crate) fn number_kind(kind: u64) -> Kind {
    match kind {
        go_kind::BOOL => Kind::Bool,
        kind if go_kind::INT.contains(&kind) => Kind::Int,
        kind if go_kind::UINT.contains(&kind) => Kind::Uint,
        kind if go_kind::FLOAT.contains(&kind) => Kind::Float,
        kind if go_kind::COMPLEX.contains(&kind) => Kind::Complex,
        _ => Kind::Opaque,
    }
}
