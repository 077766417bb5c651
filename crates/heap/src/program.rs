//! Which addresses belong to the program's code and type data: what a word that is no heap pointer may mean.

use leakscope_model::Addr;

/// Sorted, disjoint ranges of addresses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ranges {
    ranges: Vec<(u64, u64)>,
}

impl Ranges {
    /// The ranges `start..end`, in any order; an empty one is left out.
    pub(crate) fn new(ranges: impl IntoIterator<Item = (u64, u64)>) -> Ranges {
        let mut ranges: Vec<(u64, u64)> = ranges.into_iter().filter(|(start, end)| start < end).collect();
        ranges.sort_unstable();
        Ranges { ranges }
    }

    /// Whether one of them holds `word`. There are as many ranges as the program has modules: nearly always one.
    #[inline]
    pub(crate) fn contains(&self, word: u64) -> bool {
        self.ranges.iter().any(|&(start, end)| word.wrapping_sub(start) < end - start)
    }

    /// Whether one of them holds `start..end`, which is not empty.
    pub(crate) fn contains_all(&self, start: u64, end: u64) -> bool {
        self.ranges.iter().any(|range| range.0 <= start && start < end && end <= range.1)
    }
}

/// Code and type data of all modules.
#[derive(Debug, Clone, Default)]
pub(crate) struct Program {
    /// `moduledata.text..etext`.
    pub(crate) text: Ranges,
    /// `moduledata.types..etypes`.
    pub(crate) types: Ranges,
    /// Addresses of itabs, sorted.
    itabs: Vec<u64>,
    /// From the lowest to behind the highest itab: a quick no.
    itab_range: (u64, u64),
}

impl Program {
    pub(crate) fn new(text: Ranges, types: Ranges, mut itabs: Vec<u64>) -> Program {
        itabs.sort_unstable();
        itabs.dedup();
        let itab_range =
            itabs.first().zip(itabs.last()).map_or((0, 0), |(&low, &high)| (low, high.wrapping_add(1)));
        Program { text, types, itabs, itab_range }
    }

    /// Whether `word` can be the first word of an interface: a type or an itab.
    #[inline]
    pub(crate) fn is_type_word(&self, word: u64) -> bool {
        self.types.contains(word) || self.is_itab(word)
    }

    #[inline]
    fn is_itab(&self, word: u64) -> bool {
        let (low, end) = self.itab_range;
        word >= low && word < end && self.itabs.binary_search(&word).is_ok()
    }

    /// `word` as an address, if it is one of code.
    #[inline]
    pub(crate) fn code(&self, word: u64) -> Option<Addr> {
        self.text.contains(word).then(|| Addr::new(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open() {
        let text = Ranges::new([(0x400, 0x500), (0x900, 0x900), (0x100, 0x101)]);
        let program = Program::new(text, Ranges::new([(0x700, 0x800)]), vec![0x9000, 0x600]);
        assert_eq!(program.code(0x4ff), Some(Addr::new(0x4ff)));
        assert_eq!(program.code(0x500), None);
        assert_eq!(program.code(0x100), Some(Addr::new(0x100)));
        assert_eq!(program.code(0x900), None);
        assert!(program.is_type_word(0x700) && program.is_type_word(0x600) && program.is_type_word(0x9000));
        assert!(!program.is_type_word(0x800) && !program.is_type_word(0x601));
        assert!(!Program::default().is_type_word(0));
    }
}
