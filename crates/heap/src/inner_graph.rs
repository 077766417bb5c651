//! The graph between the reachable objects that hold pointers: a third of a heap, numbered as the search found it,
//! so that what is near in the graph is near in memory.

use crate::graph::ObjectId;

/// The link of an object that nothing reaches.
pub(crate) const UNSEEN: u32 = u32::MAX;
/// The same, during the search, of an object that holds pointers.
pub(crate) const UNSEEN_INNER: u32 = u32::MAX - 1;
/// Set in the link of an object without pointers.
pub(crate) const LEAF: u32 = 1 << 31;
/// The number that stands for all roots.
pub(crate) const ROOTS: u32 = 0;

/// The graph by numbers. Each number is larger than one that points at it, and larger than its dominator.
#[derive(Debug, Default)]
pub(crate) struct InnerGraph {
    /// Of each number its object; entry 0 stands for no object.
    pub(crate) objects: Vec<ObjectId>,
    /// `targets[starts[n - 1]..starts[n]]` are the numbers that number `n` points at.
    pub(crate) starts: Vec<u32>,
    pub(crate) targets: Vec<u32>,
    /// The numbers that roots point at.
    pub(crate) tops: Vec<u32>,
    /// Of each object [`UNSEEN`], its number, or [`LEAF`] and the number of one that points at it.
    pub(crate) links: Vec<u32>,
    /// Further pointers to objects without pointers: `(object, number that points at it)`.
    pub(crate) leaf_edges: Vec<(ObjectId, u32)>,
}

impl InnerGraph {
    /// Whether a number points at no other: only at objects without pointers, if at all.
    #[inline]
    pub(crate) fn is_twig(&self, number: u32) -> bool {
        number != ROOTS && self.targets_of(number).is_empty()
    }

    /// The numbers that `number` points at; none for [`ROOTS`].
    #[inline]
    pub(crate) fn targets_of(&self, number: u32) -> &[u32] {
        let at = number as usize;
        let range =
            at.checked_sub(1).and_then(|before| Some((*self.starts.get(before)?, *self.starts.get(at)?)));
        let (start, end) = range.unwrap_or_default();
        self.targets.get(start as usize..end as usize).unwrap_or_default()
    }
}
