//! A depth-first walk that numbers the objects that hold pointers.

use crate::graph::{Edges, ObjectId};

/// The state of an object that the walk did not reach.
pub(super) const UNSEEN: u32 = u32::MAX;
/// Set in the state of a leaf; below it stands the number of one who points at it.
pub(super) const LEAF: u32 = 1 << 31;

/// The walk's result. Number 0 is the virtual root.
pub(super) struct DepthFirst {
    /// Of each object: [`UNSEEN`], its number, or [`LEAF`] and a number.
    pub(super) state: Vec<u32>,
    /// Of each number its object; entry 0 stands for no object.
    pub(super) objects: Vec<ObjectId>,
    /// Of each number the number that is above it on the tree of the walk.
    pub(super) parents: Vec<u32>,
    /// Edges beside the tree between numbers: `(to, from)`.
    pub(super) others: Vec<(u32, u32)>,
    /// Further edges to leaves: `(leaf, number of the source)`.
    pub(super) leaf_edges: Vec<(ObjectId, u32)>,
}

/// Walks from `roots` in their order.
///
/// What a step finds is put on the stack all at once and looked at again when its turn comes: the memory of all
/// targets of an object is asked for together, where a step into each in turn would wait for each.
pub(super) fn number(objects: usize, edges: &Edges, roots: impl Iterator<Item = ObjectId>) -> DepthFirst {
    let mut walk = DepthFirst {
        state: vec![UNSEEN; objects],
        objects: vec![ObjectId(UNSEEN)],
        parents: vec![0],
        others: Vec::new(),
        leaf_edges: Vec::new(),
    };
    let mut open: Vec<(u32, ObjectId)> = Vec::new();
    for root in roots {
        walk.look(0, root, edges, &mut open);
        while let Some((from, object)) = open.pop() {
            let Some(number) = walk.enter(from, object) else { continue };
            let before = open.len();
            for target in edges.targets(object) {
                walk.look(number, target, edges, &mut open);
            }
            open[before..].reverse();
        }
    }
    walk
}

impl DepthFirst {
    /// Looks along an edge from number `from`: only an object that holds pointers and is new is to be entered.
    fn look(&mut self, from: u32, target: ObjectId, edges: &Edges, open: &mut Vec<(u32, ObjectId)>) {
        let Some(state) = self.state.get_mut(target.0 as usize) else { return };
        match *state {
            UNSEEN if !edges.any(target) => *state = LEAF | from,
            UNSEEN => open.push((from, target)),
            leaf if leaf & LEAF != 0 => {
                if leaf & !LEAF != from {
                    self.leaf_edges.push((target, from));
                }
            }
            number => self.beside_tree(from, number),
        }
    }

    /// Numbers an object if no step since it was seen has done so; else the edge is one beside the tree.
    fn enter(&mut self, from: u32, object: ObjectId) -> Option<u32> {
        let state = &mut self.state[object.0 as usize];
        match *state {
            UNSEEN => {
                let number = self.objects.len() as u32;
                *state = number;
                self.objects.push(object);
                self.parents.push(from);
                Some(number)
            }
            number => {
                self.beside_tree(from, number);
                None
            }
        }
    }

    fn beside_tree(&mut self, from: u32, number: u32) {
        if self.parents[number as usize] != from && number != from {
            self.others.push((number, from));
        }
    }
}
