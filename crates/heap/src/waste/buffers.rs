//! Buffers of package bufio with nothing in them.

use super::{Found, Looked, WasteKind};
use crate::fields::word_at;
use crate::gather::{Want, gather};
use crate::graph::ObjectId;

/// A type, and the fields that say whether its buffer is empty: two that are equal, or one that is 0.
const KINDS: [(&str, &str, Option<&str>); 2] =
    [("bufio.Reader", "r", Some("w")), ("bufio.Writer", "n", None)];

/// Judges readers and writers that are objects of their own; those inside others are not looked at.
pub(super) fn judge(looked: &Looked<'_>, found: &mut Found) {
    for (name, one, other) in KINDS {
        let offset = |field: &str| {
            let ty = looked.types.by_name(name)?;
            Some(usize::try_from(looked.types.field(ty, field)?.offset).unwrap_or(usize::MAX))
        };
        let (Some(buffer), Some(one)) = (offset("buf"), offset(one)) else { continue };
        let other = other.and_then(offset);
        let heap = looked.heap;
        let objects: Vec<ObjectId> = heap
            .objects
            .iter()
            .filter(|object| {
                heap.shape(object.id).is_some_and(|shape| &*shape.name == name && !shape.repeated)
            })
            .filter(|object| heap.reached_by.get(object.id.0 as usize).is_some_and(|by| by.is_reached()))
            .map(|object| object.id)
            .collect();
        let wants: Vec<Want> =
            objects.iter().map(|&id| (heap.objects.addr(id), heap.objects.value_size(id))).collect();
        let place = name.into();
        gather(looked.memory, &wants, |_, bytes| {
            let Ok(bytes) = bytes else { return };
            let empty = word_at(bytes, one) == other.map_or(0, |other| word_at(bytes, other));
            if empty {
                found.add(WasteKind::IdleBuffer, &place, word_at(bytes, buffer + 16), false);
            }
        });
    }
}
