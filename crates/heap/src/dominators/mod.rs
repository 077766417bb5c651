//! Immediate dominators: for each object the one without which nothing would reach it.
//!
//! The graph has one virtual root above all roots. Most objects of a Go heap hold no pointers, and most others
//! are pointed at once; both get their dominator without any search:
//!
//! 1. `depth_first` walks over the reachable objects that hold pointers ([`InnerGraph`]) and keeps the few edges that
//!    are not on its tree; an object without pointers (a leaf) can dominate nothing, so the search only remembered
//!    who points at it.
//! 2. `semidominators` is the algorithm of Lengauer and Tarjan (1979) with path compression on those few edges.
//!    It is taken rather than the shorter SemiNCA because a singly linked list beside a map, which services
//!    have, makes that one walk the list once for each element.
//! 3. `leaves` gives a leaf, and before that an object with pointers to leaves alone (a twig), the nearest common
//!    dominator of those that point at it.
#![allow(clippy::indexing_slicing, reason = "numbers of our own making index arrays of the same length")]

mod depth_first;
mod leaves;
mod semidominators;

use crate::graph::{Dominator, ObjectId, Objects};
use crate::inner_graph::{InnerGraph, LEAF, ROOTS, UNSEEN};
use crate::retained_sizes::RetainedSizes;

use depth_first::{DepthFirst, TWIG};

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

/// Finds the immediate dominator of each object, and the bytes that each alone keeps.
pub(crate) fn dominators(mut graph: InnerGraph, objects: &Objects) -> (Vec<Dominator>, RetainedSizes) {
    let (mut immediate, twig_edges) = immediate_by_number(&mut graph);
    let InnerGraph { objects: numbered, mut links, leaf_edges, .. } = graph;
    leaves::meet(&mut immediate, twig_edges, &mut links, leaf_edges);
    let sums = sums_by_number(objects, &links, &immediate);
    let mut retained = RetainedSizes::with_room(objects.len());
    for run in objects.runs() {
        for link in &mut links[run.ids.start as usize..run.ids.end as usize] {
            let (above, bytes) = match *link {
                UNSEEN => {
                    retained.push(0);
                    continue;
                }
                leaf if leaf & LEAF != 0 => (leaf & !LEAF, run.size),
                number => (immediate[number as usize], sums[number as usize]),
            };
            retained.push(bytes);
            *link = if above == ROOTS { Dominator::ROOTS.0 } else { numbered[above as usize].0 };
        }
    }
    (links.into_iter().map(Dominator).collect(), retained)
}

/// Of each number that of its immediate dominator, of a twig [`TWIG`] and one that points at it; and all further edges to
/// twigs. The edges of the graph are gone afterwards: what comes next takes much memory itself.
fn immediate_by_number(graph: &mut InnerGraph) -> (Vec<u32>, Vec<(u32, u32)>) {
    let DepthFirst { mut places, numbers, parents, others, twig_edges } = depth_first::walk(graph);
    (graph.starts, graph.targets, graph.tops) = Default::default();
    let by_place = semidominators::immediate_dominators(parents, others);
    for slot in &mut places {
        if *slot & TWIG == 0 {
            *slot = numbers[by_place[*slot as usize] as usize];
        }
    }
    (places, twig_edges)
}

/// Of each number the bytes that its object alone keeps. A dominator's number is smaller than that of what it
/// dominates.
fn sums_by_number(objects: &Objects, links: &[u32], immediate: &[u32]) -> Vec<u64> {
    let mut sums = vec![0u64; immediate.len()];
    for run in objects.runs() {
        for &link in &links[run.ids.start as usize..run.ids.end as usize] {
            if link != UNSEEN {
                sums[(link & !LEAF) as usize] += run.size;
            }
        }
    }
    for number in (1..immediate.len()).rev() {
        sums[immediate[number] as usize] += sums[number];
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edges::EdgesBuilder;
    use crate::graph::Edges;
    use crate::graph_of_numbers::{edges, objects_of_64_bytes};
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

    /// Ours, for a heap of objects of 64 bytes.
    fn tree(count: u32, edges: &Edges, roots: &[u32]) -> Vec<DominatedBy> {
        let roots = crate::graph_of_numbers::roots(roots);
        let everything = 0..roots.len();
        let reached = crate::reach::search(count as usize, edges, &roots, &[everything, 0..0], &mut ());
        let (dominators, _) = dominators(reached.apart().1, &objects_of_64_bytes(count));
        dominators.iter().map(|dominator| dominator.unpack()).collect()
    }

    #[test]
    fn a_diamond_is_dominated_by_its_top_and_garbage_by_nothing() {
        let found = tree(5, &edges(5, &[(0, 1), (0, 2), (1, 3), (2, 3), (4, 3)]), &[0]);
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
        let tree = tree(3 * n + 2, &edges, &[0]);
        assert_eq!(tree[n as usize], DominatedBy::Object(ObjectId(n - 1)));
        let first = DominatedBy::Object(ObjectId(0));
        assert!(tree[n as usize + 1..=2 * n as usize].iter().all(|&dominator| dominator == first));
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
            let found = tree(objects, &edges(objects, &pairs), &roots);
            prop_assert_eq!(&found, &expected(objects, &pairs, &roots));
        }
    }
}
