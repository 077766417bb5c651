//! Who points at an object, directly: one pass over all pointers.

use crate::bits::Bits;
use crate::graph::{Heap, ObjectId};

/// What holds a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Referrer {
    /// A root: index into [`Heap::roots`].
    Root(u32),
    /// An object, by the edge of this number.
    Object(ObjectId, u32),
}

/// One pointer at one of the objects that were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Who holds it.
    pub from: Referrer,
    /// At what it points.
    pub target: ObjectId,
    /// How far behind its start.
    pub offset: u64,
}

/// Every pointer at one of `targets`: those of roots first, then those of objects in order of address. Garbage counts
/// as a holder, too: [`Heap::is_reachable`] tells.
pub fn referrers(heap: &Heap, targets: &[ObjectId]) -> Vec<Reference> {
    let mut wanted = Bits::new(heap.objects.len() as usize);
    for target in targets.iter().filter(|target| target.0 < heap.objects.len()) {
        wanted.add(target.0);
    }
    let is_wanted = |target: ObjectId| target.0 < heap.objects.len() && wanted.holds(target.0);
    let roots = (0u32..).zip(&heap.roots).filter(|(_, root)| is_wanted(root.target));
    let mut found: Vec<Reference> = roots
        .map(|(index, root)| Reference {
            from: Referrer::Root(index),
            target: root.target,
            offset: root.offset,
        })
        .collect();
    for id in (0..heap.objects.len()).map(ObjectId) {
        for edge in heap.edges.of(id).filter(|edge| is_wanted(edge.target)) {
            let offset = heap.edges.offset_in_target(edge.index);
            let from = Referrer::Object(id, edge.index);
            found.push(Reference { from, target: edge.target, offset });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap_of_names::NamedHeap;

    #[test]
    fn variables_objects_and_garbage_point_at_an_object() {
        let mut heap = NamedHeap::default();
        let list = heap.object("main.list");
        heap.variable("main.all", list);
        let order = heap.child(list, "first", "main.order");
        heap.variable("main.newest", order);
        let garbage = heap.object("main.list");
        heap.pointer(garbage, "first", order);
        let heap = heap.finish();
        let found: Vec<Referrer> =
            referrers(&heap, &[ObjectId(order)]).into_iter().map(|found| found.from).collect();
        let by =
            [Referrer::Root(1), Referrer::Object(ObjectId(list), 0), Referrer::Object(ObjectId(garbage), 1)];
        assert_eq!(found, by);
        assert!(referrers(&heap, &[ObjectId(garbage), ObjectId(99)]).is_empty());
    }
}
