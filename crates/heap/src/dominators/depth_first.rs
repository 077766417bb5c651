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
pub(super) fn number(objects: usize, edges: &Edges, roots: impl Iterator<Item = ObjectId>) -> DepthFirst {
    let mut walk = DepthFirst {
        state: vec![UNSEEN; objects],
        objects: vec![ObjectId(UNSEEN)],
        parents: vec![0],
        others: Vec::new(),
        leaf_edges: Vec::new(),
    };
    // One entry for each object on the way down: its number and the rest of its edges.
    let mut way: Vec<(u32, std::ops::Range<u32>)> = Vec::new();
    for root in roots {
        way.extend(walk.step(0, root, edges));
        while let Some((from, rest)) = way.last_mut() {
            let (from, next) = (*from, rest.next());
            match next {
                Some(edge) => way.extend(walk.step(from, edges.targets[edge as usize], edges)),
                None => drop(way.pop()),
            }
        }
    }
    walk
}

impl DepthFirst {
    /// Takes the edge from number `from` to `target`; answers with the target's edges if it is new and has any.
    fn step(&mut self, from: u32, target: ObjectId, edges: &Edges) -> Option<(u32, std::ops::Range<u32>)> {
        let state = self.state.get_mut(target.0 as usize)?;
        match *state {
            UNSEEN => {
                let rest = edges.range(target);
                if rest.is_empty() {
                    *state = LEAF | from;
                    return None;
                }
                let number = self.objects.len() as u32;
                *state = number;
                self.objects.push(target);
                self.parents.push(from);
                Some((number, rest))
            }
            leaf if leaf & LEAF != 0 => {
                if leaf & !LEAF != from {
                    self.leaf_edges.push((target, from));
                }
                None
            }
            number => {
                if self.parents[number as usize] != from && number != from {
                    self.others.push((number, from));
                }
                None
            }
        }
    }
}
