//! Objects under one name: all that the same way of fields leads to.
//!
//! A group is a *path signature*: the way from a root to an object with keys and indices folded to `[…]`, the
//! inner pieces of maps and channels folded into the container, and recursive structures (a list's `next.next…`,
//! a tree's children) folded onto themselves, so that a list of 50,000 nodes is one group and not 50,000.

mod goroutine_groups;
mod names;
mod signature;
#[cfg(test)]
mod tests;

use leakscope_model::{Frame, PathStep};

use crate::graph::{Heap, ObjectId};
use crate::growth;
use crate::retained::Tally;

pub use goroutine_groups::{GoroutineGroup, Held, goroutines};
pub(crate) use names::NameId;
pub(crate) use signature::{SignatureId, Signatures};

/// All reachable objects with one path signature and one type.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// From the root; the last step is the group itself.
    pub path: Vec<PathStep>,
    /// The group one step up, by index; `None` where the root itself points here.
    pub parent: Option<usize>,
    /// The type of its objects.
    pub ty: String,
    /// Whether its objects are the inner pieces of the map or channel that `path` names (directories, tables,
    /// groups, buckets), rather than what the program stored.
    pub inside: bool,
    /// All in the first snapshot; equal to `after` for one moment.
    pub before: Tally,
    /// All in the second.
    pub after: Tally,
    /// In the second and not in the first.
    pub born: Tally,
    /// In the first and not in the second.
    pub died: Tally,
    /// Those of the second, in order of address.
    pub objects: Vec<ObjectId>,
    /// Where its sampled objects were allocated, and how many samples each place has; the most first.
    pub sites: Vec<(Vec<Frame>, u64)>,
}

/// The groups of one moment, those of the most bytes first.
pub fn single(heap: &Heap) -> Vec<Group> {
    growth::of_one(heap).groups
}
