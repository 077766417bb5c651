//! The dominator tree from the top down.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use std::cmp::Reverse;

use crate::dominators::DominatedBy;
use crate::graph::{Heap, ObjectId};

/// For each object those that it dominates immediately.
#[derive(Debug)]
pub struct Dominated {
    starts: Vec<u32>,
    children: Vec<ObjectId>,
    /// Those that no single object dominates.
    top: Vec<ObjectId>,
}

impl Dominated {
    /// Those that `object` dominates immediately, in order of address.
    pub fn by(&self, object: ObjectId) -> &[ObjectId] {
        let at = object.0 as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&start), Some(&end)) => &self.children[start as usize..end as usize],
            _ => &[],
        }
    }

    /// The reachable objects that no single object dominates, in order of address.
    pub fn top(&self) -> &[ObjectId] {
        &self.top
    }
}

impl Heap {
    /// The dominator tree from the top down.
    pub fn dominated(&self) -> Dominated {
        let mut starts = vec![0u32; self.dominator.len() + 1];
        for dominator in &self.dominator {
            if let DominatedBy::Object(above) = dominator.unpack() {
                starts[above.0 as usize + 1] += 1;
            }
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut children = vec![ObjectId(0); starts.last().map_or(0, |&len| len as usize)];
        let mut top = Vec::new();
        for (id, dominator) in (0u32..).zip(&self.dominator) {
            match dominator.unpack() {
                DominatedBy::Object(above) => {
                    let slot = &mut next[above.0 as usize];
                    children[*slot as usize] = ObjectId(id);
                    *slot += 1;
                }
                DominatedBy::Roots => top.push(ObjectId(id)),
                DominatedBy::Unreachable => {}
            }
        }
        Dominated { starts, children, top }
    }

    /// Of `objects` those that retain the most, the most first, at most `count`.
    pub fn largest(&self, objects: &[ObjectId], count: usize) -> Vec<ObjectId> {
        let mut objects = objects.to_vec();
        let key = |object: &ObjectId| (Reverse(self.retained_of(*object)), *object);
        if count < objects.len() && 0 < count {
            objects.select_nth_unstable_by_key(count - 1, key);
        }
        objects.truncate(count);
        objects.sort_unstable_by_key(key);
        objects
    }

    /// Bytes that only this object keeps, itself among them; 0 for an unreachable one.
    pub fn retained_of(&self, object: ObjectId) -> u64 {
        self.retained.of(object)
    }

    /// What dominates an object.
    pub fn dominated_by(&self, object: ObjectId) -> DominatedBy {
        self.dominator.get(object.0 as usize).map_or(DominatedBy::Unreachable, |dominator| dominator.unpack())
    }
}
