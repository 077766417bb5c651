//! Objects and types as rows, and the objects that a pattern means.

use anyhow::{Result, anyhow, bail};
use leakscope_heap::graph::How;
use leakscope_heap::{Heap, ObjectId, TypePattern, type_table};
use leakscope_report::tables::ObjectRow;

use super::object::found;
use crate::args::Subject;
use crate::opening::Inspection;

/// The reachable objects of the type that `pattern` means; having none is said with what to do.
pub(super) fn of_type(heap: &Heap, pattern: &str) -> Result<Vec<ObjectId>> {
    let meant = TypePattern::parse(pattern).map_err(|error| anyhow!("{pattern} is no pattern: {error}"))?;
    let ids = type_table::find(heap, &meant);
    if ids.is_empty() {
        bail!("no reachable object is of type {pattern}; `leakscope heap types` lists what there is");
    }
    Ok(ids)
}

/// The objects that a question is about.
pub(super) fn subjects(inspection: &Inspection<'_, '_>, subject: &Subject) -> Result<Vec<ObjectId>> {
    match subject {
        Subject::Object(addr) => found(inspection, *addr).map(|(id, _)| vec![id]),
        Subject::Type(name) => of_type(inspection.heap, name),
    }
}

/// One object as a row.
pub(super) fn object_row(heap: &Heap, id: ObjectId) -> ObjectRow {
    ObjectRow {
        addr: heap.objects.addr(id).to_string(),
        ty: type_name(heap, id).to_owned(),
        size: heap.objects.size(id),
        retained_bytes: heap.retained_of(id),
    }
}

/// The name of an object's type.
pub(super) fn type_name(heap: &Heap, id: ObjectId) -> &str {
    heap.shape(id).map_or("unknown", |shape| &shape.name)
}

/// As the contract of `heap types` spells it.
pub(super) fn how_word(how: How) -> &'static str {
    match how {
        How::Header => "header",
        How::Itab => "itab",
        How::Dwarf => "dwarf",
        How::Pointer => "pointer",
        How::Call => "call",
        How::None => "none",
    }
}
