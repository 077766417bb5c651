//! Timers that are running: the heaps in which each processor of the runtime keeps them (`runtime/time.go`), and what
//! would be freed if they had been stopped.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dominators::DominatedBy;
use crate::graph::{Heap, ObjectId};
use crate::retained::Tally;

/// Arrays of running timers: with the time beside each since Go 1.23, plain pointers before.
const ARRAYS: [&str; 2] = ["[]runtime.timerWhen", "[]*runtime.timer"];

/// Running timers that hold the same kind of thing.
#[derive(Debug, Clone, PartialEq)]
pub struct TimerGroup {
    /// The type of the timer.
    pub ty: Arc<str>,
    /// What it holds: its callback (`closure main.f.func1`), or the channel on which it sends.
    pub holds: Arc<str>,
    /// How many there are.
    pub timers: u64,
    /// What is reachable through them alone, themselves among it: nothing of a timer that somebody else holds.
    pub alone: Tally,
}

/// Every running timer, those that keep most first.
pub fn by_callback(heap: &Heap) -> Vec<TimerGroup> {
    let is_array: Vec<bool> =
        heap.shapes.iter().map(|shape| ARRAYS.iter().any(|name| *name == &*shape.name)).collect();
    let shape = |id: u32| heap.shape_of.get(id as usize).map_or(0, |shape| shape.0 as usize);
    let arrays = (0..heap.objects.len()).filter(|id| is_array.get(shape(*id)).is_some_and(|array| *array));
    let arrays: Vec<ObjectId> = arrays.map(ObjectId).filter(|id| heap.is_reachable(*id)).collect();
    if arrays.is_empty() {
        return Vec::new();
    }
    let tree = heap.dominated();
    let mut groups: BTreeMap<(Arc<str>, Arc<str>), TimerGroup> = BTreeMap::new();
    for array in arrays {
        for timer in heap.edges.targets(array) {
            let ty = name(heap, timer);
            let holds = heap.edges.targets(timer).map(|held| name(heap, held)).max_by_key(|name| rank(name));
            let holds = holds.unwrap_or_else(|| Arc::from("nothing on the heap"));
            let group = groups.entry((ty.clone(), holds.clone())).or_insert_with(|| TimerGroup {
                ty,
                holds,
                timers: 0,
                alone: Tally::default(),
            });
            group.timers += 1;
            if heap.dominated_by(timer) == DominatedBy::Object(array) {
                group.alone += below(heap, &tree, timer);
            }
        }
    }
    let mut groups: Vec<TimerGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.alone.bytes));
    groups
}

/// Callbacks tell more than anything else that a timer points at.
fn rank(name: &str) -> u8 {
    match name {
        name if name.starts_with("closure ") => 2,
        name if name.starts_with("chan ") => 1,
        _ => 0,
    }
}

/// An object with all that it dominates.
fn below(heap: &Heap, tree: &crate::dominated::Dominated, object: ObjectId) -> Tally {
    let (mut tally, mut open) = (Tally::default(), vec![object]);
    while let Some(object) = open.pop() {
        tally += Tally::one(heap.objects.size(object));
        open.extend(tree.by(object));
    }
    tally
}

fn name(heap: &Heap, object: ObjectId) -> Arc<str> {
    heap.shape(object).map_or_else(|| Arc::from("?"), |shape| shape.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap_of_names::NamedHeap;

    #[test]
    fn a_timer_that_somebody_else_holds_too_keeps_nothing_alone() {
        let mut heap = NamedHeap::default();
        let array = heap.object("[]runtime.timerWhen");
        heap.variable("runtime.allp", array);
        let lone = heap.child(array, "a", "time.Timer");
        let callback = heap.child(lone, "arg", "closure main.f.func1");
        heap.child(callback, "held", "main.T");
        let known = heap.child(array, "b", "time.Timer");
        heap.child(known, "arg", "closure main.f.func1");
        heap.variable("main.timer", known);
        let groups = by_callback(&heap.finish());
        let [group] = groups.as_slice() else { panic!("{groups:?}") };
        assert_eq!((&*group.holds, group.timers), ("closure main.f.func1", 2));
        assert_eq!(group.alone, Tally { objects: 3, bytes: 192 });
    }
}
