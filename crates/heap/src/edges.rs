//! Every pointer between objects, in six bytes each.
#![allow(
    clippy::indexing_slicing,
    reason = "places of our own making index the arrays that were made with them"
)]

use std::ops::Range;

use crate::graph::ObjectId;
use crate::ranked_bits::RankedBits;

/// Outgoing pointers of every object, in order of object and of their place in it.
///
/// Objects without any, which most are, cost a quarter of a byte.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Edges {
    /// The objects that have some.
    sources: RankedBits,
    /// The first edge of each of them, and behind the last one the number of all edges.
    starts: Vec<u32>,
    packed: Vec<Packed>,
    /// `(edge, word)` of those in words that do not fit a [`Packed`]; by edge.
    far: Vec<(u32, u32)>,
    /// `(edge, offset in the target)` of those that do not point at an object's start; by edge.
    interior: Vec<(u32, u64)>,
}

/// One pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Its number in the heap.
    pub index: u32,
    /// The object pointed at.
    pub target: ObjectId,
    /// Which word of the source holds it (offset / 8).
    pub word: u32,
    /// Whether it points behind its target's start: [`Edges::offset_in_target`] says how far.
    pub inside: bool,
}

/// Target and word of an edge, without a gap between one edge and the next; in the highest bit of the word, whether it
/// points behind its target's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packed {
    low: u16,
    high: u16,
    word: u16,
}

const INSIDE: u16 = 1 << 15;
/// Stands for a word that is found in [`Edges::far`].
const FAR: u16 = INSIDE - 1;

impl Packed {
    #[inline]
    fn target(self) -> ObjectId {
        ObjectId(u32::from(self.low) | u32::from(self.high) << 16)
    }
}

impl Edges {
    /// How many there are.
    pub fn len(&self) -> u32 {
        self.packed.len() as u32
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.packed.is_empty()
    }

    /// How many objects have edges.
    pub fn sources(&self) -> u32 {
        self.sources.len()
    }

    /// The numbers of the edges that leave `object`; empty for an object of another heap.
    #[inline]
    pub fn range(&self, object: ObjectId) -> Range<u32> {
        match self.sources.rank(object.0) {
            Some(rank) => self.starts[rank as usize]..self.starts[rank as usize + 1],
            None => 0..0,
        }
    }

    /// Of each of the first `objects` objects whether any edge leaves it.
    pub(crate) fn any_of(&self, objects: usize) -> impl Iterator<Item = bool> + '_ {
        self.sources.iter().take(objects)
    }

    /// The objects that `object` points at, in order of its words; one that it points at twice comes twice.
    #[inline]
    pub fn targets(&self, object: ObjectId) -> impl ExactSizeIterator<Item = ObjectId> + '_ {
        let range = self.range(object);
        self.packed[range.start as usize..range.end as usize].iter().map(|edge| edge.target())
    }

    /// The edges that leave `object`, in order of its words.
    #[inline]
    pub fn of(&self, object: ObjectId) -> impl Iterator<Item = Edge> + '_ {
        self.among(self.range(object))
    }

    /// The edges of these numbers, in order; none for numbers of another heap.
    #[inline]
    pub fn among(&self, range: Range<u32>) -> impl Iterator<Item = Edge> + '_ {
        let packed = self.packed.get(range.start as usize..range.end as usize).unwrap_or_default();
        range.zip(packed).map(|(index, &edge)| self.unpacked(index, edge))
    }

    /// One edge; `None` for one of another heap.
    pub fn get(&self, index: u32) -> Option<Edge> {
        self.packed.get(index as usize).map(|&edge| self.unpacked(index, edge))
    }

    /// Reads one edge, so that it is at hand soon after.
    #[inline]
    pub(crate) fn touch(&self, index: u32) -> u16 {
        self.packed.get(index as usize).map_or(0, |edge| edge.low)
    }

    #[inline]
    fn unpacked(&self, index: u32, edge: Packed) -> Edge {
        let word = match edge.word & !INSIDE {
            FAR => self.far_word(index),
            word => u32::from(word),
        };
        Edge { index, target: edge.target(), word, inside: edge.word & INSIDE != 0 }
    }

    #[cold]
    fn far_word(&self, index: u32) -> u32 {
        let found = self.far.binary_search_by_key(&index, |&(edge, _)| edge);
        found.map_or(0, |at| self.far[at].1)
    }

    /// The object that an edge leaves; `None` for an edge of another heap.
    pub fn source(&self, index: u32) -> Option<ObjectId> {
        let after = self.starts.partition_point(|&start| start <= index);
        let rank = u32::try_from(after.checked_sub(1)?).ok()?;
        self.sources.at(rank).filter(|_| index < self.len()).map(ObjectId)
    }

    /// The offset in its target at which an edge points; 0 for its start.
    pub fn offset_in_target(&self, index: u32) -> u64 {
        let found = self.interior.binary_search_by_key(&index, |&(edge, _)| edge);
        found.map_or(0, |at| self.interior[at].1)
    }

    /// `(edge, offset in the target)` of those that do not point at an object's start; by edge.
    pub fn interior(&self) -> &[(u32, u64)] {
        &self.interior
    }
}

/// Edges in the making.
#[derive(Debug, Default)]
pub(crate) struct EdgesBuilder {
    edges: Edges,
    last: Option<ObjectId>,
}

impl EdgesBuilder {
    /// How many edges there are so far.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.edges.packed.len()
    }

    /// Adds an edge behind those that are there: of the same object or of one with a larger id.
    #[inline]
    pub(crate) fn push(&mut self, source: ObjectId, target: ObjectId, word: u32) {
        let index = self.edges.packed.len() as u32;
        if self.last != Some(source) {
            self.last = Some(source);
            self.edges.sources.push(source.0);
            self.edges.starts.push(index);
        }
        let near = u16::try_from(word).ok().filter(|&word| word < FAR);
        if near.is_none() {
            self.edges.far.push((index, word));
        }
        let (low, high) = (target.0 as u16, (target.0 >> 16) as u16);
        self.edges.packed.push(Packed { low, high, word: near.unwrap_or(FAR) });
    }

    /// Notes that an edge, which lies behind all noted before, points `offset` bytes into its target.
    #[inline]
    pub(crate) fn points_inside(&mut self, index: u32, offset: u64) {
        if let Some(edge) = self.edges.packed.get_mut(index as usize) {
            edge.word |= INSIDE;
            self.edges.interior.push((index, offset));
        }
    }

    /// Adds edges of objects with larger ids.
    pub(crate) fn append(&mut self, later: EdgesBuilder) {
        let (mine, theirs) = (&mut self.edges, later.edges);
        let before = mine.packed.len() as u32;
        let shifted = |index: u32| index.saturating_add(before);
        mine.sources.append(&theirs.sources);
        mine.starts.extend(theirs.starts.into_iter().map(shifted));
        mine.packed.extend(theirs.packed);
        mine.far.extend(theirs.far.into_iter().map(|(edge, word)| (shifted(edge), word)));
        mine.interior.extend(theirs.interior.into_iter().map(|(edge, offset)| (shifted(edge), offset)));
        self.last = later.last.or(self.last);
    }

    /// The edges.
    pub(crate) fn finish(mut self) -> Edges {
        self.edges.starts.push(self.edges.packed.len() as u32);
        self.edges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_pushed_is_found(
            lists in prop::collection::btree_map(
                0u32..300,
                prop::collection::vec((any::<u32>(), prop_oneof![0u32..10, 32760u32..32770, 65530u32..65540, any::<u32>()]), 1..5),
                0..20,
            ),
            cut in 0u32..300,
        ) {
            let (mut before, mut behind) = (EdgesBuilder::default(), EdgesBuilder::default());
            for (&source, list) in &lists {
                let builder = if source < cut { &mut before } else { &mut behind };
                for &(target, word) in list {
                    builder.push(ObjectId(source), ObjectId(target), word);
                    if word % 3 == 1 {
                        builder.points_inside(builder.len() as u32 - 1, u64::from(target) + 1);
                    }
                }
            }
            before.append(behind);
            let edges = before.finish();
            prop_assert_eq!(edges.sources() as usize, lists.len());
            prop_assert!(edges.any_of(300).eq((0..300).map(|object| lists.contains_key(&object))));
            let mut index = 0;
            for object in 0..310 {
                let list = lists.get(&object).map_or(&[][..], Vec::as_slice);
                let found: Vec<(u32, u32)> = edges.of(ObjectId(object)).map(|e| (e.target.0, e.word)).collect();
                prop_assert_eq!(&found, list);
                prop_assert!(edges.targets(ObjectId(object)).eq(list.iter().map(|edge| ObjectId(edge.0))));
                for edge in edges.of(ObjectId(object)) {
                    let offset = if edge.word % 3 == 1 { u64::from(edge.target.0) + 1 } else { 0 };
                    prop_assert_eq!((edge.inside, edges.offset_in_target(index)), (offset > 0, offset));
                    prop_assert_eq!(edges.source(index), Some(ObjectId(object)));
                    index += 1;
                }
            }
            prop_assert_eq!((edges.len(), edges.source(index), edges.get(index)), (index, None, None));
        }
    }
}
