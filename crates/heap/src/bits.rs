//! One bit for each object or edge.

/// A set of dense numbers below a bound; numbers at or above it are never in the set.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    bound: usize,
}

impl Bits {
    /// The empty set of numbers below `bound`.
    pub(crate) fn new(bound: usize) -> Bits {
        Bits { words: vec![0; bound.div_ceil(64)], bound }
    }

    /// Adds one; whether it was new.
    pub(crate) fn add(&mut self, number: u32) -> bool {
        let bit = 1u64 << (number % 64);
        match self.words.get_mut(number as usize / 64) {
            Some(word) if (number as usize) < self.bound => {
                let new = *word & bit == 0;
                *word |= bit;
                new
            }
            _ => false,
        }
    }

    /// Whether it is in the set.
    pub(crate) fn holds(&self, number: u32) -> bool {
        self.words.get(number as usize / 64).is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// The numbers that are not in `other`, which has the same bound.
    pub(crate) fn without(mut self, other: &Bits) -> Bits {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
        self
    }
}
