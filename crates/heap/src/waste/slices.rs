//! Slices and strings, and the arrays behind them.

use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_goruntime::{Kind, TypeId, Types};
use leakscope_model::Addr;

use super::{Found, Looked, MOST_READ, WasteKind};
use crate::fields::word_at;
use crate::gather::{Want, gather};
use crate::graph::{Heap, ObjectId, RootOrigin};

/// Slices and strings in one value that are looked at.
const MOST_SLOTS: usize = 256;
/// How deep structs and arrays lie in one another.
const DEEPEST: u32 = 12;
/// Bytes of one object that are looked at.
const MOST_OF_ONE: u64 = 1 << 20;
/// Less is not worth a word.
const LEAST: u64 = 64;

/// A slice or string in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slot {
    offset: u64,
    /// Bytes of an element.
    element: u64,
    pub(super) is_string: bool,
    pub(super) place: Arc<str>,
}

/// The slots of each shape.
pub(super) struct Slots {
    of_shape: Vec<Vec<Slot>>,
}

/// What slices and strings use of an array: from `low` to `used` by length, to `reach` by capacity; in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) low: u64,
    pub(super) used: u64,
    pub(super) reach: u64,
    /// How many slots lead here.
    refs: u32,
    /// The shape and the slot that lead here first.
    shape: u32,
    slot: u32,
}

/// Arrays by their object.
pub(super) type Arrays = HashMap<ObjectId, Extent>;

impl Slots {
    pub(super) fn of(looked: &Looked<'_>) -> Slots {
        let of_shape = looked.heap.shapes.iter().map(|shape| {
            let mut slots = Vec::new();
            if let Some(ty) = shape.ty {
                collect(looked.types, (ty, 0), &shape.name, "", DEEPEST, &mut slots);
            }
            slots
        });
        Slots { of_shape: of_shape.collect() }
    }

    fn get(&self, shape: u32) -> &[Slot] {
        self.of_shape.get(shape as usize).map_or(&[], Vec::as_slice)
    }

    /// The slot that leads to an array first.
    pub(super) fn owner(&self, extent: &Extent) -> Option<&Slot> {
        self.get(extent.shape).get(extent.slot as usize)
    }
}

/// Adds the slots of a value at `offset` in a value of the type named `owner`.
fn collect(
    types: &Types,
    (ty, offset): (TypeId, u64),
    owner: &str,
    path: &str,
    depth: u32,
    slots: &mut Vec<Slot>,
) {
    let Some(found) = types.get(ty).filter(|_| depth > 0 && slots.len() < MOST_SLOTS) else { return };
    let place = || if path.is_empty() { owner.into() } else { format!("{owner}.{path}").into() };
    match &found.kind {
        Kind::String => slots.push(Slot { offset, element: 1, is_string: true, place: place() }),
        Kind::Slice { elem } => {
            let element = types.get(*elem).map_or(0, |elem| elem.size);
            slots.push(Slot { offset, element, is_string: false, place: place() });
        }
        Kind::Array { elem, len } => {
            let size = types.get(*elem).map_or(0, |elem| elem.size);
            for index in 0..(*len).min(64) {
                let at = offset.saturating_add(index.saturating_mul(size));
                collect(types, (*elem, at), owner, path, depth - 1, slots);
            }
        }
        Kind::Struct { fields } => {
            for field in fields {
                let inner =
                    if path.is_empty() { field.name.to_string() } else { format!("{path}.{}", field.name) };
                collect(
                    types,
                    (field.ty, offset.saturating_add(field.offset)),
                    owner,
                    &inner,
                    depth - 1,
                    slots,
                );
            }
        }
        _ => {}
    }
}

/// Reads every slice and string header in the heap.
pub(super) fn arrays(looked: &Looked<'_>, slots: &Slots, found: &mut Found) -> Arrays {
    let heap = looked.heap;
    let (mut owners, mut wants, mut bytes): (Vec<ObjectId>, Vec<Want>, u64) = (Vec::new(), Vec::new(), 0);
    let mut left = 0u64;
    for object in heap.objects.iter().filter(|object| !object.noscan) {
        let reached = heap.reached_by.get(object.id.0 as usize).is_some_and(|by| by.is_reached());
        let shape = heap.shape_of.get(object.id.0 as usize).map_or(u32::MAX, |shape| shape.0);
        if !reached || slots.get(shape).is_empty() {
            continue;
        }
        let len = heap.objects.value_size(object.id).min(MOST_OF_ONE);
        if bytes.saturating_add(len) > MOST_READ {
            left += 1;
            continue;
        }
        bytes += len;
        owners.push(object.id);
        wants.push((object.addr, len));
    }
    if left > 0 {
        found.gap(format!(
            "{left} objects with slices and strings were not looked at: only the first 2 GiB are"
        ));
    }
    let mut arrays = Arrays::new();
    gather(looked.memory, &wants, |index, bytes| {
        if let (Some(&owner), Ok(bytes)) = (owners.get(index), bytes) {
            take(heap, slots, owner, bytes, &mut arrays);
        }
    });
    arrays
}

fn take(heap: &Heap, slots: &Slots, owner: ObjectId, bytes: &[u8], arrays: &mut Arrays) {
    let Some(&shape) = heap.shape_of.get(owner.0 as usize) else { return };
    let size = heap.shapes.get(shape.0 as usize).map_or(0, |shape| shape.size).max(8);
    let values = (bytes.len() as u64 / size).max(1);
    for value in 0..values {
        for (slot, number) in slots.get(shape.0).iter().zip(0u32..) {
            let at = value.saturating_mul(size).saturating_add(slot.offset);
            let Ok(at) = usize::try_from(at) else { continue };
            if at.saturating_add(24) > bytes.len() && (!slot.is_string || at.saturating_add(16) > bytes.len())
            {
                continue;
            }
            let (data, len) = (word_at(bytes, at), word_at(bytes, at + 8));
            let capacity = if slot.is_string { len } else { word_at(bytes, at + 16) };
            let Some((array, low)) = heap.objects.find(Addr::new(data)) else { continue };
            let room = heap.objects.value_size(array).saturating_sub(low);
            let (used, reach) = (len.saturating_mul(slot.element), capacity.saturating_mul(slot.element));
            // A key or element that is not there, or a header that is being written.
            if used > reach || reach > room {
                continue;
            }
            let new =
                Extent { low, used: low + used, reach: low + reach, refs: 0, shape: shape.0, slot: number };
            let extent = arrays.entry(array).or_insert(new);
            extent.low = extent.low.min(new.low);
            extent.used = extent.used.max(new.used);
            extent.reach = extent.reach.max(new.reach);
            extent.refs += 1;
        }
    }
}

/// Judges every array by what is used of it.
pub(super) fn judge(looked: &Looked<'_>, slots: &Slots, arrays: &Arrays, found: &mut Found) {
    let heap = looked.heap;
    let others = other_references(heap, arrays);
    for (&array, extent) in arrays {
        let Some(owner) = slots.owner(extent) else { continue };
        let size = heap.objects.value_size(array);
        // Who points here otherwise may use more.
        let estimate = others.get(&array).is_some_and(|&refs| refs > extent.refs);
        let outside = extent.low + size.saturating_sub(extent.reach);
        if outside > size / 2 && outside >= LEAST {
            if !estimate {
                found.add(WasteKind::HeldByPart, &owner.place, outside, false);
            }
            continue;
        }
        let slack = extent.reach - extent.used;
        if slack >= LEAST && slack.saturating_mul(4) >= extent.reach - extent.low {
            found.add(WasteKind::Capacity, &owner.place, slack, estimate);
        }
    }
}

/// How many pointers lead to each array, from wherever.
fn other_references(heap: &Heap, arrays: &Arrays) -> HashMap<ObjectId, u32> {
    let mut counts: HashMap<ObjectId, u32> = HashMap::with_capacity(arrays.len());
    let mut count = |target: ObjectId| {
        if arrays.contains_key(&target) {
            *counts.entry(target).or_default() += 1;
        }
    };
    for object in (0..heap.objects.len()).map(ObjectId) {
        let reached = heap.reached_by.get(object.0 as usize).is_some_and(|by| by.is_reached());
        if reached {
            heap.edges.targets(object).for_each(&mut count);
        }
    }
    for root in &heap.roots {
        if !matches!(root.origin, RootOrigin::Special { .. }) {
            count(root.target);
        }
    }
    counts
}
