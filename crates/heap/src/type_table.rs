//! The heap by type: a histogram with what each type retains.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::graph::{Heap, How, ObjectId, ShapeId};
use crate::retained::Tally;
use crate::type_pattern::TypePattern;

/// All reachable objects of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeRow {
    /// The type's name, as [`crate::Shape::name`] has it.
    pub name: Arc<str>,
    /// Its reachable objects.
    pub live: Tally,
    /// Bytes that would be freed without them: what two of them hold one below the other counts once. What only
    /// several of them together hold does not count.
    pub retained: u64,
    /// How the type of most of them was found.
    pub how: How,
}

/// How much of the heap is typed, by the way the type was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// All reachable objects.
    pub live: Tally,
    /// Those whose type is known, strings and closures among them.
    pub typed: Tally,
    /// By [`How`], in its order: header, itab, DWARF, pointer, call, none.
    pub by_how: [Tally; 6],
}

/// The reachable objects by type, those of the most bytes first.
pub fn types(heap: &Heap) -> Vec<TypeRow> {
    let (names, name_of_shape) = names(heap);
    let mut rows: Vec<(Tally, [u64; 6])> = vec![<(Tally, [u64; 6])>::default(); names.len()];
    for (object, how) in heap.objects.iter().zip(&heap.how_of) {
        if heap.is_reachable(object.id)
            && let Some(row) = name_of(heap, &name_of_shape, object.id).and_then(|name| rows.get_mut(name))
        {
            row.0 += Tally::one(object.size);
            row.1[*how as usize] += 1;
        }
    }
    let retained = retained_by_name(heap, names.len(), &name_of_shape);
    let mut table: Vec<TypeRow> = names
        .into_iter()
        .zip(rows)
        .zip(retained)
        .filter(|((_, (live, _)), _)| live.objects > 0)
        .map(|((name, (live, hows)), retained)| TypeRow { name, live, retained, how: most(hows) })
        .collect();
    table.sort_by_key(|row| Reverse((row.live.bytes, row.live.objects)));
    table
}

/// How much of the heap is typed.
pub fn coverage(heap: &Heap) -> Coverage {
    let mut coverage = Coverage::default();
    for run in heap.objects.runs() {
        let ids = run.ids.start as usize..run.ids.end as usize;
        let mut counts = [0u64; 6];
        let hows = heap.how_of.get(ids.clone()).unwrap_or_default();
        for (how, by) in hows.iter().zip(heap.reached_by.get(ids).unwrap_or_default()) {
            counts[*how as usize] += u64::from(by.is_reached());
        }
        for (sum, objects) in coverage.by_how.iter_mut().zip(counts) {
            *sum += Tally { objects, bytes: objects.saturating_mul(run.size) };
        }
    }
    coverage.live = coverage.by_how.iter().copied().sum();
    coverage.typed = coverage.live - coverage.by_how[How::None as usize];
    coverage
}

/// The reachable objects whose type a person means by `pattern`, in order of address.
pub fn find(heap: &Heap, pattern: &TypePattern) -> Vec<ObjectId> {
    let mut ids = find_all(heap, pattern);
    ids.retain(|id| heap.is_reachable(*id));
    ids
}

/// The objects whose type a person means by `pattern`, garbage too, in order of address.
pub fn find_all(heap: &Heap, pattern: &TypePattern) -> Vec<ObjectId> {
    let meant = pattern.choose(heap.shapes.iter().map(|shape| &*shape.name));
    let of_type = |shape: &ShapeId| meant.get(shape.0 as usize).is_some_and(|meant| *meant);
    let ids = (0u32..).zip(&heap.shape_of).filter(|(_, shape)| of_type(shape));
    ids.map(|(id, _)| ObjectId(id)).collect()
}

/// The objects that retain at least `min` bytes, the most first.
pub fn list(heap: &Heap, min: u64) -> Vec<ObjectId> {
    let large: Vec<ObjectId> =
        (0..heap.objects.len()).map(ObjectId).filter(|id| heap.retained_of(*id) >= min.max(1)).collect();
    heap.largest(&large, large.len())
}

impl Heap {
    /// Whether a root leads to the object.
    pub fn is_reachable(&self, object: ObjectId) -> bool {
        self.reached_by.get(object.0 as usize).is_some_and(|by| by.is_reached())
    }
}

/// Each name once, in order, and the index of the name of each shape: several shapes may share one.
fn names(heap: &Heap) -> (Vec<Arc<str>>, Vec<usize>) {
    let mut index: BTreeMap<&Arc<str>, usize> = heap.shapes.iter().map(|shape| (&shape.name, 0)).collect();
    for (number, slot) in index.values_mut().enumerate() {
        *slot = number;
    }
    let of_shape = heap.shapes.iter().map(|shape| index.get(&shape.name).copied().unwrap_or(0)).collect();
    (index.keys().map(|name| (*name).clone()).collect(), of_shape)
}

fn name_of(heap: &Heap, name_of_shape: &[usize], id: ObjectId) -> Option<usize> {
    name_of_shape.get(heap.shape_of.get(id.0 as usize)?.0 as usize).copied()
}

/// Retained bytes of each name's objects, without those that have one of the same name above them.
fn retained_by_name(heap: &Heap, names: usize, name_of_shape: &[usize]) -> Vec<u64> {
    retained_by_group(heap, names, |object| name_of(heap, name_of_shape, object))
}

/// Bytes that would be freed without all objects of each of `groups` groups: what two of them hold one below the other
/// counts once, and what only several of them together hold does not count.
pub(crate) fn retained_by_group(
    heap: &Heap,
    groups: usize,
    group_of: impl Fn(ObjectId) -> Option<usize>,
) -> Vec<u64> {
    let tree = heap.dominated();
    let (mut retained, mut above) = (vec![0u64; groups], vec![0u32; groups]);
    // Going down, an object stands here twice: to be entered, and below that to be left again.
    let mut way: Vec<(ObjectId, bool)> = tree.top().iter().map(|top| (*top, true)).collect();
    while let Some((object, entering)) = way.pop() {
        let Some(group) = group_of(object).filter(|group| *group < groups) else { continue };
        if !entering {
            above[group] -= 1;
            continue;
        }
        if above[group] == 0 {
            retained[group] += heap.retained_of(object);
        }
        let children = tree.by(object);
        if !children.is_empty() {
            above[group] += 1;
            way.push((object, false));
            way.extend(children.iter().map(|child| (*child, true)));
        }
    }
    retained
}

fn most(hows: [u64; 6]) -> How {
    let order = [How::Header, How::Itab, How::Dwarf, How::Pointer, How::Call, How::None];
    let most = hows.iter().zip(order).rev().max_by_key(|(count, _)| **count);
    most.map_or(How::None, |(_, how)| how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap_of_names::NamedHeap;

    #[test]
    fn a_list_of_one_type_counts_once_and_garbage_not_at_all() {
        let mut heap = NamedHeap::default();
        let first = heap.object("main.node");
        heap.variable("main.list", first);
        let second = heap.child(first, "next", "main.node");
        heap.child(second, "value", "main.value");
        let garbage = heap.object("main.node");
        heap.child(garbage, "next", "main.node");
        let heap = heap.finish();
        let row = |row: &TypeRow| (row.name.to_string(), row.live.objects, row.live.bytes, row.retained);
        let rows: Vec<_> = types(&heap).iter().map(row).collect();
        assert_eq!(rows, [("main.node".into(), 2, 128, 192), ("main.value".into(), 1, 64, 64)]);
        assert_eq!(coverage(&heap).typed, Tally { objects: 3, bytes: 192 });
        assert_eq!(heap.garbage(), Tally { objects: 2, bytes: 128 });
        assert_eq!(list(&heap, 100), [first, second].map(ObjectId));
        assert_eq!(heap.dominated().top(), [ObjectId(first)]);
    }
}
