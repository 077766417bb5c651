//! A depth-first walk over the objects that lead to objects with pointers.

use crate::inner_graph::{InnerGraph, ROOTS};

/// The place of what the walk did not come to yet.
const UNSEEN: u32 = u32::MAX;
/// Set in the place of a twig; below it stands the number of one that points at it.
pub(super) const TWIG: u32 = 1 << 31;

/// The walk's result: places in the order of the walk; place 0 is that of the roots.
///
/// What leads nowhere (a twig) dominates no object with pointers, so it gets no place; that is half of what holds
/// pointers in many heaps.
pub(super) struct DepthFirst {
    /// Of each number its place, or [`TWIG`] and the number of one that points at it.
    pub(super) places: Vec<u32>,
    /// Of each place its number.
    pub(super) numbers: Vec<u32>,
    /// Of each place the place above it on the tree of the walk.
    pub(super) parents: Vec<u32>,
    /// Edges beside the tree between places: `(to, from)`.
    pub(super) others: Vec<(u32, u32)>,
    /// Further edges to twigs: `(twig, number that points at it)`.
    pub(super) twig_edges: Vec<(u32, u32)>,
}

/// Walks from the roots in their order.
///
/// What a step finds is put on the stack all at once and looked at again when its turn comes: the memory of all
/// targets of an object is asked for together, where a step into each in turn would wait for each.
pub(super) fn walk(graph: &InnerGraph) -> DepthFirst {
    let mut walk = DepthFirst {
        places: vec![UNSEEN; graph.objects.len()],
        numbers: Vec::new(),
        parents: Vec::new(),
        others: Vec::new(),
        twig_edges: Vec::new(),
    };
    walk.enter(0, ROOTS);
    let mut open: Vec<(u32, u32)> = Vec::new();
    for &top in &graph.tops {
        walk.look(graph, (0, ROOTS), top, &mut open);
        while let Some((from, number)) = open.pop() {
            let Some(place) = walk.enter(from, number) else { continue };
            let before = open.len();
            for &target in graph.targets_of(number) {
                walk.look(graph, (place, number), target, &mut open);
            }
            open[before..].reverse();
        }
    }
    walk
}

impl DepthFirst {
    /// Looks along an edge from a place and its number: only what is new and no twig is to be entered.
    #[inline]
    fn look(&mut self, graph: &InnerGraph, from: (u32, u32), target: u32, open: &mut Vec<(u32, u32)>) {
        let slot = &mut self.places[target as usize];
        match *slot {
            UNSEEN if graph.is_twig(target) => *slot = TWIG | from.1,
            UNSEEN => open.push((from.0, target)),
            twig if twig & TWIG != 0 => {
                if twig & !TWIG != from.1 {
                    self.twig_edges.push((target, from.1));
                }
            }
            place => self.beside_tree(from.0, place),
        }
    }

    /// Gives a number its place if no step since it was seen has done so; else the edge is one beside the tree.
    fn enter(&mut self, from: u32, number: u32) -> Option<u32> {
        let place = &mut self.places[number as usize];
        match *place {
            UNSEEN => {
                *place = self.numbers.len() as u32;
                self.numbers.push(number);
                self.parents.push(from);
                Some(*place)
            }
            place => {
                self.beside_tree(from, place);
                None
            }
        }
    }

    fn beside_tree(&mut self, from: u32, place: u32) {
        if self.parents[place as usize] != from && place != from {
            self.others.push((place, from));
        }
    }
}
