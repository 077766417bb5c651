//! A depth-first walk over the objects that hold pointers.

use crate::inner_graph::{InnerGraph, ROOTS};

/// The place of what the walk did not come to yet.
const UNSEEN: u32 = u32::MAX;

/// The walk's result: places in the order of the walk; place 0 is that of the roots.
pub(super) struct DepthFirst {
    /// Of each number its place.
    pub(super) places: Vec<u32>,
    /// Of each place its number.
    pub(super) numbers: Vec<u32>,
    /// Of each place the place above it on the tree of the walk.
    pub(super) parents: Vec<u32>,
    /// Edges beside the tree between places: `(to, from)`.
    pub(super) others: Vec<(u32, u32)>,
}

/// Walks from the roots in their order.
///
/// What a step finds is put on the stack all at once and looked at again when its turn comes: the memory of all
/// targets of an object is asked for together, where a step into each in turn would wait for each.
pub(super) fn walk(graph: &InnerGraph) -> DepthFirst {
    let count = graph.objects.len();
    let mut walk = DepthFirst {
        places: vec![UNSEEN; count],
        numbers: Vec::with_capacity(count),
        parents: Vec::with_capacity(count),
        others: Vec::new(),
    };
    walk.enter(0, ROOTS);
    let mut open: Vec<(u32, u32)> = Vec::new();
    for &top in &graph.tops {
        walk.look(0, top, &mut open);
        while let Some((from, number)) = open.pop() {
            let Some(place) = walk.enter(from, number) else { continue };
            let before = open.len();
            for &target in graph.targets_of(number) {
                walk.look(place, target, &mut open);
            }
            open[before..].reverse();
        }
    }
    walk
}

impl DepthFirst {
    /// Looks along an edge from place `from`: only what is new is to be entered.
    fn look(&mut self, from: u32, number: u32, open: &mut Vec<(u32, u32)>) {
        match self.places[number as usize] {
            UNSEEN => open.push((from, number)),
            place => self.beside_tree(from, place),
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
