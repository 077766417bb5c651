//! A set of dense numbers that knows how many of them lie below each.
#![allow(clippy::indexing_slicing, reason = "blocks of our own making are found by division")]

/// 64 numbers: which of them are in the set, and how many lie before all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Block {
    bits: u64,
    before: u32,
}

/// A set to which numbers are added in order, and which then tells the place of each: a quarter of a byte a number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RankedBits {
    blocks: Vec<Block>,
    len: u32,
}

impl RankedBits {
    /// Adds a number that is larger than all before.
    pub(crate) fn push(&mut self, number: u32) {
        let at = number as usize / 64;
        self.cover(at + 1);
        self.blocks[at].bits |= 1 << (number % 64);
        self.len += 1;
    }

    /// Makes room for so many blocks; those that are new have all numbers before them.
    fn cover(&mut self, blocks: usize) {
        if self.blocks.len() < blocks {
            self.blocks.resize(blocks, Block { bits: 0, before: self.len });
        }
    }

    /// Adds the numbers of `later`, which lie above all of this set; both may share the block of 64 in which they
    /// meet.
    pub(crate) fn append(&mut self, later: &RankedBits) {
        let (mut before, shared) = (self.len, self.blocks.len().saturating_sub(1));
        self.cover(later.blocks.len());
        for (mine, theirs) in self.blocks.iter_mut().zip(&later.blocks).skip(shared) {
            if mine.bits == 0 {
                mine.before = before;
            }
            mine.bits |= theirs.bits;
            before += theirs.bits.count_ones();
        }
        self.len = before;
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Of each number in order whether it is in the set, without end.
    pub(crate) fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        let words = self.blocks.iter().map(|block| block.bits).chain(std::iter::repeat(0));
        words.flat_map(|bits| (0..64).map(move |bit| bits >> bit & 1 == 1))
    }

    /// How many numbers of the set lie below `number`, if it is in the set itself.
    #[inline]
    pub(crate) fn rank(&self, number: u32) -> Option<u32> {
        let block = self.blocks.get(number as usize / 64)?;
        let bit = 1u64 << (number % 64);
        (block.bits & bit != 0).then(|| block.before + (block.bits & (bit - 1)).count_ones())
    }

    /// The number below which `rank` others lie.
    pub(crate) fn at(&self, rank: u32) -> Option<u32> {
        let behind = self.blocks.partition_point(|block| block.before <= rank);
        let at = behind.checked_sub(1)?;
        let Block { mut bits, before } = self.blocks[at];
        for _ in before..rank {
            bits &= bits.checked_sub(1)?;
        }
        (bits != 0).then(|| at as u32 * 64 + bits.trailing_zeros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(numbers: impl IntoIterator<Item = u32>) -> RankedBits {
        let mut set = RankedBits::default();
        numbers.into_iter().for_each(|number| set.push(number));
        set
    }

    proptest! {
        #[test]
        fn ranks_are_places_in_the_sorted_list(
            numbers in prop::collection::btree_set(0u32..2000, 0..200),
            cut in 0u32..2000,
        ) {
            let (low, high): (Vec<u32>, Vec<u32>) = numbers.iter().partition(|number| **number < cut);
            let mut joined = set(low);
            joined.append(&set(high));
            prop_assert_eq!(&joined, &set(numbers.iter().copied()));
            prop_assert_eq!(joined.len() as usize, numbers.len());
            for (rank, &number) in (0u32..).zip(&numbers) {
                prop_assert_eq!(joined.rank(number), Some(rank));
                prop_assert_eq!(joined.at(rank), Some(number));
            }
            prop_assert!(joined.iter().take(2100).eq((0..2100).map(|number| numbers.contains(&number))));
            for number in 0..2100 {
                prop_assert_eq!(joined.rank(number).is_some(), numbers.contains(&number));
            }
            prop_assert_eq!(joined.at(joined.len()), None);
        }
    }
}
