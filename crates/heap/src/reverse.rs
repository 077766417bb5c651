//! Pointers the other way round: who points at each object.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use crate::graph::{Heap, ObjectId};

/// By object the edges that lead to it, of reachable objects alone.
#[derive(Debug)]
pub(crate) struct Incoming {
    starts: Vec<u32>,
    /// `(source, edge)`.
    edges: Vec<(ObjectId, u32)>,
    root_starts: Vec<u32>,
    /// Roots by the object that they point at, in their order.
    roots: Vec<u32>,
}

impl Incoming {
    /// Turns all pointers of a heap round.
    pub(crate) fn of(heap: &Heap) -> Incoming {
        let count = heap.objects.len() as usize;
        let sources = || (0..heap.objects.len()).map(ObjectId).filter(|id| heap.is_reachable(*id));
        let pointers =
            || sources().flat_map(|id| heap.edges.of(id).map(move |edge| (edge.target, (id, edge.index))));
        let (starts, edges) = sorted(count, pointers, (ObjectId(0), 0));
        let held = || (0u32..).zip(&heap.roots).map(|(index, root)| (root.target, index));
        let (root_starts, roots) = sorted(count, held, 0);
        Incoming { starts, edges, root_starts, roots }
    }

    /// Who points at an object, and by which edge.
    pub(crate) fn edges(&self, object: ObjectId) -> &[(ObjectId, u32)] {
        part(&self.starts, &self.edges, object)
    }

    /// The roots that point at an object.
    pub(crate) fn roots(&self, object: ObjectId) -> &[u32] {
        part(&self.root_starts, &self.roots, object)
    }
}

fn part<'a, T>(starts: &[u32], all: &'a [T], object: ObjectId) -> &'a [T] {
    let at = object.0 as usize;
    match (starts.get(at), starts.get(at + 1)) {
        (Some(&start), Some(&end)) => &all[start as usize..end as usize],
        _ => &[],
    }
}

/// Counting sort by target; targets outside the heap are left out.
fn sorted<T: Copy, I: Iterator<Item = (ObjectId, T)>>(
    count: usize,
    pointers: impl Fn() -> I,
    fill: T,
) -> (Vec<u32>, Vec<T>) {
    let mut starts = vec![0u32; count + 1];
    let inside =
        |(target, value): (ObjectId, T)| ((target.0 as usize) < count).then_some((target.0 as usize, value));
    for (target, _) in pointers().filter_map(inside) {
        starts[target + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut next = starts.clone();
    let mut all = vec![fill; starts[count] as usize];
    for (target, value) in pointers().filter_map(inside) {
        all[next[target] as usize] = value;
        next[target] += 1;
    }
    (starts, all)
}
