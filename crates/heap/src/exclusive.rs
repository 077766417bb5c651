//! What would be freed if some roots were not there, for every node of a tree of roots at once.
//!
//! A search around the roots of each node would cost a walk over the heap each. Instead: an object below another in
//! the dominator tree is held by whoever holds that one, so only the *tops*, which no single object dominates, are to
//! be asked; a top is held by the lowest node of the tree under which all ways to it begin. That is a data flow on
//! the few pointers that lead from the objects under one top to another top, and it ends because a node can only
//! move up.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use crate::dominators::DominatedBy;
use crate::graph::{Heap, ObjectId};
use crate::retained::Tally;

/// The roots of a heap as the leaves of a tree; node 0 is above all.
#[derive(Debug, Clone, Default)]
pub struct RootTree {
    /// The node above each node, whose number is smaller; 0 above node 0.
    pub parents: Vec<u32>,
    /// The node of each root, in the order of [`Heap::roots`].
    pub of_root: Vec<u32>,
}

/// What only the roots of each node hold.
#[derive(Debug, Clone, Default)]
pub struct Exclusive {
    /// By node: all that would be freed without its roots. Node 0 has all that is reachable.
    pub alone: Vec<Tally>,
    /// The objects that no single object dominates, in order of address, each with the lowest node that holds it
    /// alone.
    pub tops: Vec<(ObjectId, u32)>,
}

/// No top, or no node yet.
const NONE: u32 = u32::MAX;

/// Finds what only the roots of each node of `tree` hold. Needs the heap's dominators.
pub fn exclusive(heap: &Heap, tree: &RootTree) -> Exclusive {
    let Tops { objects, of } = Tops::of(heap);
    let nodes = Flow::new(heap, tree, &objects, &of).run();
    let mut alone = vec![Tally::default(); tree.parents.len().max(1)];
    for (object, top) in heap.objects.iter().zip(&of) {
        if *top != NONE {
            alone[nodes[*top as usize] as usize] += Tally::one(object.size);
        }
    }
    for node in (1..tree.parents.len()).rev() {
        let own = alone[node];
        alone[tree.parents[node] as usize] += own;
    }
    Exclusive { alone, tops: objects.into_iter().zip(nodes).collect() }
}

/// The objects that no single object dominates, and under which of them each object lies.
struct Tops {
    objects: Vec<ObjectId>,
    /// Index into `objects`; [`NONE`] for an unreachable object.
    of: Vec<u32>,
}

impl Tops {
    fn of(heap: &Heap) -> Tops {
        let mut tops = Tops { objects: Vec::new(), of: vec![NONE; heap.dominator.len()] };
        for (id, dominator) in (0u32..).zip(&heap.dominator) {
            if dominator.unpack() == DominatedBy::Roots {
                tops.of[id as usize] = tops.objects.len() as u32;
                tops.objects.push(ObjectId(id));
            }
        }
        let mut way = Vec::new();
        for id in 0..heap.dominator.len() {
            let mut at = id;
            while tops.of[at] == NONE
                && let DominatedBy::Object(above) = heap.dominator[at].unpack()
            {
                way.push(at);
                at = above.0 as usize;
            }
            let top = tops.of[at];
            for below in way.drain(..) {
                tops.of[below] = top;
            }
        }
        tops
    }
}

/// Tops with the node that holds each, until no way says otherwise.
struct Flow<'t> {
    tree: &'t RootTree,
    depth: Vec<u32>,
    nodes: Vec<u32>,
    /// `(from, to)` between tops, in order.
    pointers: Vec<(u32, u32)>,
    open: Vec<u32>,
}

impl<'t> Flow<'t> {
    fn new(heap: &Heap, tree: &'t RootTree, tops: &[ObjectId], top_of: &[u32]) -> Flow<'t> {
        let mut depth = vec![0u32; tree.parents.len().max(1)];
        for node in 1..tree.parents.len() {
            depth[node] = depth[tree.parents[node] as usize] + 1;
        }
        let nodes = vec![NONE; tops.len()];
        let mut flow = Flow { tree, depth, nodes, pointers: Vec::new(), open: Vec::new() };
        let is_top = |object: ObjectId, top: u32| tops[top as usize] == object;
        for (id, &from) in (0u32..).zip(top_of) {
            if from == NONE {
                continue;
            }
            for target in heap.edges.targets(ObjectId(id)) {
                let to = top_of.get(target.0 as usize).copied().unwrap_or(NONE);
                if to != NONE && to != from && is_top(target, to) {
                    flow.pointers.push((from, to));
                }
            }
        }
        flow.pointers.sort_unstable();
        flow.pointers.dedup();
        for (root, &node) in heap.roots.iter().zip(&tree.of_root) {
            let top = top_of.get(root.target.0 as usize).copied().unwrap_or(NONE);
            if top != NONE {
                flow.hold(top, node);
            }
        }
        flow
    }

    /// The node of each top.
    fn run(mut self) -> Vec<u32> {
        while let Some(top) = self.open.pop() {
            let node = self.nodes[top as usize];
            let mut at = self.pointers.partition_point(|&(from, _)| from < top);
            while let Some(&(from, to)) = self.pointers.get(at)
                && from == top
            {
                self.hold(to, node);
                at += 1;
            }
        }
        self.nodes.into_iter().map(|node| if node == NONE { 0 } else { node }).collect()
    }

    /// Takes into account that a way to `top` begins under `node`.
    fn hold(&mut self, top: u32, node: u32) {
        let known = self.nodes[top as usize];
        let both = if known == NONE { node } else { self.meet(known, node) };
        if both != known {
            self.nodes[top as usize] = both;
            self.open.push(top);
        }
    }

    /// The lowest node above both.
    fn meet(&self, left: u32, right: u32) -> u32 {
        let (mut left, mut right) = (left, right);
        while left != right {
            if self.depth[left as usize] < self.depth[right as usize] {
                std::mem::swap(&mut left, &mut right);
            }
            left = self.tree.parents[left as usize];
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::RootOrigin;
    use crate::graph_of_numbers::{edges, goroutine, roots};
    use crate::heap_of_names::NamedHeap;
    use proptest::prelude::*;

    fn heap_of(objects: u32, pairs: &[(u32, u32)], held: &[u32], goroutines: u32) -> Heap {
        let mut named = NamedHeap::default();
        for _ in 0..objects {
            named.object("main.T");
        }
        named.goroutines = (1..=u64::from(goroutines)).map(|id| goroutine(id, "main.f", "select")).collect();
        let mut heap = named.finish();
        (heap.edges, heap.roots) = (edges(objects, pairs), roots(held));
        for (index, root) in (0..).zip(&mut heap.roots) {
            root.origin = RootOrigin::Frame { goroutine: index % goroutines, frame: 0, name: None };
        }
        heap.search_again();
        heap
    }

    /// Goroutines in pairs: node 1 + p for the pair p, behind those a node for each goroutine.
    fn pairs_of(heap: &Heap) -> RootTree {
        let count = heap.goroutines.len() as u32;
        let pairs = count.div_ceil(2);
        let mut parents = vec![0; 1 + pairs as usize];
        parents.extend((0..count).map(|goroutine| 1 + goroutine / 2));
        let node = |origin: &RootOrigin| match origin {
            RootOrigin::Frame { goroutine, .. } => 1 + pairs + goroutine,
            _ => 0,
        };
        RootTree { parents, of_root: heap.roots.iter().map(|root| node(&root.origin)).collect() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]
        #[test]
        fn each_node_holds_what_a_search_around_its_roots_does_not_find(
            objects in 1u32..16,
            pointers in prop::collection::vec((0u32..16, 0u32..16), 0..40),
            held in prop::collection::vec(0u32..16, 1..9),
            goroutines in 1u32..7,
        ) {
            let pointers: Vec<_> = pointers.iter().map(|pair| (pair.0 % objects, pair.1 % objects)).collect();
            let held: Vec<_> = held.iter().map(|root| root % objects).collect();
            let heap = heap_of(objects, &pointers, &held, goroutines);
            let tree = pairs_of(&heap);
            let found = exclusive(&heap, &tree);
            prop_assert_eq!(found.alone[0], heap.live());
            let pairs = goroutines.div_ceil(2);
            for pair in 0..pairs {
                let ids: Vec<u64> = [2 * pair + 1, 2 * pair + 2].map(u64::from).to_vec();
                prop_assert_eq!(found.alone[1 + pair as usize], heap.retained_by(&[], &ids), "pair {}", pair);
            }
            for goroutine in 0..goroutines {
                let ids = [u64::from(goroutine) + 1];
                let node = (1 + pairs + goroutine) as usize;
                prop_assert_eq!(found.alone[node], heap.retained_by(&[], &ids), "goroutine {}", goroutine + 1);
            }
        }
    }
}
