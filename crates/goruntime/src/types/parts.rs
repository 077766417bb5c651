//! What a value is made of, one step down: fields, elements, keys and values.

use std::sync::Arc;

use leakscope_model::Via;

use super::{Kind, Pointee, TypeId, Types};

/// A type that is more than its fields say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Eight slots of a map with their control word: `group` of Go's Swiss tables, `bmap` before.
    MapGroup,
    /// One slot of a group: a key and an element.
    MapSlot,
    /// A wrapper whose own field names tell nothing: `atomic.Pointer`, `sync.Map`.
    Wrapper,
    /// A concurrent trie, whose only field of interest is its root.
    TrieHeader,
    /// A node of a concurrent trie that holds a key and a value.
    TrieEntry,
}

/// How a part hangs on its whole.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'t> {
    /// A field of this name.
    Field(&'t Arc<str>),
    /// An element.
    Index,
    /// The keys or the elements of a map; an index comes before or after.
    Side(Via),
    /// The one key or the one value of a node.
    Keyed(Via),
    /// Nothing that a person would write.
    Silent,
}

/// A part of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'t> {
    pub(super) step: Step<'t>,
    pub(super) ty: TypeId,
    /// Bytes from the start of the whole.
    pub(super) offset: u64,
    /// What it points at, where its whole knows better than its type.
    pub(super) pointee: Option<Pointee>,
}

impl Types {
    /// The part that holds `offset`; `None` for what has no parts.
    pub(super) fn part_at(&self, id: TypeId, offset: u64) -> Option<Part<'_>> {
        match &self.get(id)?.kind {
            Kind::Struct { fields } => {
                // Of several fields at one offset all but the last have no size.
                let behind = fields.partition_point(|field| field.offset <= offset);
                self.field_part(id, behind.checked_sub(1)?)
            }
            Kind::Array { elem, .. } => {
                let size = self.size(*elem);
                let index = offset.checked_div(size)?;
                Some(Part { step: Step::Index, ty: *elem, offset: index * size, pointee: None })
            }
            _ => None,
        }
    }

    /// The parts of a value that have a size, in order; elements of an array one by one.
    pub(super) fn parts(&self, id: TypeId) -> Box<dyn Iterator<Item = Part<'_>> + '_> {
        match self.get(id).map(|ty| &ty.kind) {
            Some(Kind::Struct { fields }) => {
                let parts = (0..fields.len()).filter_map(move |index| self.field_part(id, index));
                Box::new(parts.filter(|part| 0 < self.size(part.ty)))
            }
            Some(&Kind::Array { elem, len }) => {
                let size = self.size(elem);
                let len = if size == 0 { 0 } else { len };
                Box::new((0..len).map_while(move |index| {
                    let offset = index.checked_mul(size)?;
                    Some(Part { step: Step::Index, ty: elem, offset, pointee: None })
                }))
            }
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Whether a value has parts, and is not itself a word or a few.
    pub(super) fn has_parts(&self, id: TypeId) -> bool {
        matches!(self.get(id).map(|ty| &ty.kind), Some(Kind::Struct { .. } | Kind::Array { .. }))
    }

    fn field_part(&self, id: TypeId, index: usize) -> Option<Part<'_>> {
        let field = self.fields(id).get(index)?;
        let step = match (self.mark(id), &*field.name) {
            (Some(Mark::Wrapper), _)
            | (Some(Mark::MapGroup), "slots" | "Slots")
            | (Some(Mark::TrieHeader), "root") => Step::Silent,
            // Reflection writes capitals (reflect/map.go, groupAndSlotOf).
            (Some(Mark::MapSlot), "key" | "Key") | (Some(Mark::MapGroup), "keys" | "Keys") => {
                Step::Side(Via::Key)
            }
            (Some(Mark::MapSlot), "elem" | "Elem") | (Some(Mark::MapGroup), "elems" | "Elems" | "values") => {
                Step::Side(Via::Value)
            }
            (Some(Mark::TrieEntry), "key") => Step::Keyed(Via::Key),
            (Some(Mark::TrieEntry), "value") => Step::Keyed(Via::Value),
            _ => Step::Field(&field.name),
        };
        let pointee = self.known_pointee(id, field.offset);
        Some(Part { step, ty: field.ty, offset: field.offset, pointee })
    }
}
