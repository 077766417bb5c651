//! Immediate dominators: for each object the one without which nothing would reach it.
//!
//! The graph has one virtual root above all roots. Most objects of a Go heap hold no pointers, and most others
//! are pointed at once; both get their dominator without any search:
//!
//! 1. `depth_first` numbers the reachable objects that hold pointers and keeps the few edges that are not on its
//!    tree; an object without pointers (a leaf) can dominate nothing, so it only remembers who points at it.
//! 2. `semidominators` is the algorithm of Lengauer and Tarjan (1979) with path compression on those few edges.
//!    It is taken rather than the shorter SemiNCA because a singly linked list beside a map, which services
//!    have, makes that one walk the list once for each element.
//! 3. `leaves` gives a leaf the nearest common dominator of those that point at it.
#![allow(clippy::indexing_slicing, reason = "numbers of our own making index arrays of the same length")]

mod depth_first;
mod leaves;
mod semidominators;

use crate::graph::{Dominator, Edges, ObjectId};

use depth_first::{DepthFirst, LEAF, UNSEEN};

/// What dominates an object, unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DominatedBy {
    /// Nothing: it is not reachable.
    Unreachable,
    /// The roots as a whole: no single object is on every path.
    Roots,
    /// An object that is on every path to it.
    Object(ObjectId),
}

impl Dominator {
    /// Not reachable.
    pub const UNREACHABLE: Dominator = Dominator(u32::MAX);
    /// The roots as a whole.
    pub const ROOTS: Dominator = Dominator(u32::MAX - 1);

    /// Unpacks.
    pub fn unpack(self) -> DominatedBy {
        match self {
            Dominator::UNREACHABLE => DominatedBy::Unreachable,
            Dominator::ROOTS => DominatedBy::Roots,
            Dominator(object) => DominatedBy::Object(ObjectId(object)),
        }
    }
}

/// The dominator tree of a heap.
#[derive(Debug, Default)]
pub struct DominatorTree {
    /// Of each object the immediate dominator.
    pub of: Vec<Dominator>,
    /// The reachable objects that hold pointers, every one behind its dominator.
    pub downward: Vec<ObjectId>,
}

/// Finds the immediate dominator of each of `objects` objects. Targets outside the heap are left out.
pub fn dominators(objects: usize, edges: &Edges, roots: impl Iterator<Item = ObjectId>) -> DominatorTree {
    let DepthFirst { mut state, objects: mut numbered, parents, others, leaf_edges } =
        depth_first::number(objects, edges, roots);
    let immediate = semidominators::immediate_dominators(parents, &others);
    drop(others);
    leaves::meet(&mut state, &immediate, leaf_edges);
    for slot in &mut state {
        let number = match *slot {
            UNSEEN => continue,
            leaf if leaf & LEAF != 0 => leaf & !LEAF,
            number => immediate[number as usize],
        };
        *slot = match number {
            0 => Dominator::ROOTS.0,
            number => numbered[number as usize].0,
        };
    }
    numbered.remove(0);
    DominatorTree { of: state.into_iter().map(Dominator).collect(), downward: numbered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::EdgesBuilder;
    use crate::graph_of_numbers::edges;
    use petgraph::graph::{DiGraph, NodeIndex};
    use proptest::prelude::*;

    /// The same question put to petgraph: node 0 is the virtual root, node n + 1 the object n.
    fn expected(objects: u32, pairs: &[(u32, u32)], roots: &[u32]) -> Vec<DominatedBy> {
        let mut graph = DiGraph::<(), ()>::new();
        let nodes: Vec<NodeIndex> = (0..=objects).map(|_| graph.add_node(())).collect();
        for &(from, to) in pairs {
            graph.add_edge(nodes[from as usize + 1], nodes[to as usize + 1], ());
        }
        for &root in roots {
            graph.add_edge(nodes[0], nodes[root as usize + 1], ());
        }
        let tree = petgraph::algo::dominators::simple_fast(&graph, nodes[0]);
        let dominated_by = |node: &NodeIndex| match tree.immediate_dominator(*node).map(|node| node.index()) {
            None => DominatedBy::Unreachable,
            Some(0) => DominatedBy::Roots,
            Some(node) => DominatedBy::Object(ObjectId(u32::try_from(node).unwrap() - 1)),
        };
        nodes[1..].iter().map(dominated_by).collect()
    }

    fn ours(objects: u32, pairs: &[(u32, u32)], roots: &[u32]) -> (Vec<DominatedBy>, DominatorTree) {
        let edges = edges(objects, pairs);
        let tree = dominators(objects as usize, &edges, roots.iter().map(|&root| ObjectId(root)));
        (tree.of.iter().map(|dominator| dominator.unpack()).collect(), tree)
    }

    #[test]
    fn a_diamond_is_dominated_by_its_top_and_garbage_by_nothing() {
        let (found, _) = ours(5, &[(0, 1), (0, 2), (1, 3), (2, 3), (4, 3)], &[0]);
        let top = DominatedBy::Object(ObjectId(0));
        assert_eq!(found, [DominatedBy::Roots, top, top, top, DominatedBy::Unreachable]);
    }

    #[test]
    fn a_list_of_a_million_nodes_beside_an_index_takes_no_time_to_speak_of() {
        // Nodes 1..=n in a list, values n+1..=2n held by their node and by the index, node 2n+1; each value
        // holds a leaf, so that values take part in the search.
        let n = 300_000u32;
        let mut edges = EdgesBuilder::default();
        for object in 0..=3 * n + 1 {
            let targets: Vec<u32> = match object {
                0 => vec![1, 2 * n + 1],
                node if node <= n => [node + n].into_iter().chain((node < n).then_some(node + 1)).collect(),
                value if value <= 2 * n => vec![value + n + 1],
                index if index == 2 * n + 1 => (n + 1..=2 * n).collect(),
                _ => vec![],
            };
            targets.into_iter().for_each(|target| edges.push(ObjectId(object), ObjectId(target), 0));
        }
        let edges = edges.finish();
        let tree = dominators(3 * n as usize + 2, &edges, [ObjectId(0)].into_iter());
        assert_eq!(tree.of[n as usize].unpack(), DominatedBy::Object(ObjectId(n - 1)));
        assert!(tree.of[n as usize + 1..=2 * n as usize].iter().all(|&dominator| dominator == Dominator(0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn petgraph_says_the_same(
            objects in 1u32..24,
            pairs in prop::collection::vec((0u32..24, 0u32..24), 0..60),
            roots in prop::collection::vec(0u32..24, 0..4),
        ) {
            let pairs: Vec<(u32, u32)> = pairs.iter().map(|pair| (pair.0 % objects, pair.1 % objects)).collect();
            let roots: Vec<u32> = roots.iter().map(|root| root % objects).collect();
            let (found, tree) = ours(objects, &pairs, &roots);
            prop_assert_eq!(&found, &expected(objects, &pairs, &roots));
            for (at, object) in tree.downward.iter().enumerate() {
                if let DominatedBy::Object(above) = found[object.0 as usize] {
                    prop_assert!(tree.downward[..at].contains(&above), "each stands behind its dominator");
                }
            }
        }
    }
}
