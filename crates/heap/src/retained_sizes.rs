//! Bytes that each object alone keeps, in four bytes each.

use std::collections::BTreeMap;

/// Of each object the bytes that would be freed with it.
///
/// Slots are multiples of 8 bytes, and few objects keep 32 GB: nearly all sums fit 32 bits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RetainedSizes {
    /// In words of 8 bytes.
    words: Vec<u32>,
    /// Those that are no number of words, or too many; in bytes, by object.
    others: BTreeMap<u32, u64>,
}

/// Stands for one of the others.
const OTHER: u32 = u32::MAX;

impl RetainedSizes {
    /// Room for `objects` objects.
    pub(crate) fn with_room(objects: u32) -> RetainedSizes {
        RetainedSizes { words: Vec::with_capacity(objects as usize), others: BTreeMap::new() }
    }

    /// Adds those of the next object.
    #[inline]
    pub(crate) fn push(&mut self, bytes: u64) {
        let words = bytes.is_multiple_of(8).then(|| u32::try_from(bytes / 8).ok()).flatten();
        let words = words.filter(|&words| words != OTHER).unwrap_or_else(|| {
            self.others.insert(self.words.len() as u32, bytes);
            OTHER
        });
        self.words.push(words);
    }

    /// Bytes that only this object keeps; 0 for an id of another heap.
    pub fn of(&self, object: crate::graph::ObjectId) -> u64 {
        match self.words.get(object.0 as usize) {
            Some(&OTHER) => self.others.get(&object.0).copied().unwrap_or(0),
            Some(&words) => u64::from(words) * 8,
            None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::ObjectId;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_sum_comes_back(sums in prop::collection::vec(prop_oneof![0u64..100, any::<u64>(), Just(u64::from(OTHER) * 8)], 0..40)) {
            let mut sizes = RetainedSizes::default();
            sums.iter().for_each(|&bytes| sizes.push(bytes));
            for (id, &bytes) in (0u32..).zip(&sums) {
                prop_assert_eq!(sizes.of(ObjectId(id)), bytes);
            }
            prop_assert_eq!(sizes.of(ObjectId(sums.len() as u32)), 0);
        }
    }
}
