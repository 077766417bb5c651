//! Counters that the runtime keeps in package variables: `runtime.memstats`, `runtime.gcController`.

use leakscope_goruntime::{Runtime, Slot};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{SliceHead, WORD, need, read_slot, read_words};

/// `consistentHeapStats.stats` is a ring of three; their sum is the truth whichever is being written.
const RING: u64 = 3;
/// More numbers than any array of counters has.
const MOST_NUMBERS: u64 = 1 << 12;

/// Reads counters; one that cannot be read is `None` and leaves a gap, each reason once.
pub(crate) struct Counters<'a, 'b, 'g> {
    pub(crate) memory: &'a dyn TargetMemory,
    pub(crate) runtime: &'a Runtime<'b>,
    pub(crate) gaps: &'g mut Vec<Gap>,
}

impl Counters<'_, '_, '_> {
    /// The number in a field of a package variable of the runtime.
    pub(crate) fn of(&mut self, variable: &str, path: &'static str) -> Option<u64> {
        let at = self.place(variable, &[path]);
        let result = at.and_then(|(at, width)| read_slot(self.memory, at, Slot { offset: 0, width }, path));
        self.noted(result)
    }

    /// The number in a field of a structure that lies in a package variable: `("mheap_", ["mheap.spanalloc", "fixalloc.inuse"])`.
    pub(crate) fn inside(&mut self, variable: &str, path: &[&'static str]) -> Option<u64> {
        let name = path.last().copied().unwrap_or_default();
        let at = self.place(variable, path);
        let result = at.and_then(|(at, width)| read_slot(self.memory, at, Slot { offset: 0, width }, name));
        self.noted(result)
    }

    /// A package variable that is a number of 32 bits.
    pub(crate) fn variable(&mut self, name: &'static str) -> Option<u64> {
        let at = self.runtime.variable(name).map_err(HeapError::Runtime);
        let result = at.and_then(|at| read_slot(self.memory, at, Slot { offset: 0, width: 4 }, name));
        self.noted(result)
    }

    /// The words of a field that is an array of them.
    pub(crate) fn words(&mut self, variable: &str, path: &'static str) -> Option<Vec<u64>> {
        let at = self.place(variable, &[path]);
        let result = at.and_then(|(at, width)| self.array(at, width, path));
        self.noted(result)
    }

    /// One field, summed over the ring of `memstats.heapStats`.
    pub(crate) fn ring_sum(&mut self, path: &'static str) -> Option<u64> {
        self.ring_words(path).and_then(|words| words.first().copied())
    }

    /// The words of one field, each summed over the ring of `memstats.heapStats`.
    pub(crate) fn ring_words(&mut self, path: &'static str) -> Option<Vec<u64>> {
        let result = self.ring(path);
        self.noted(result)
    }

    fn ring(&self, path: &'static str) -> Result<Vec<u64>, HeapError> {
        let layout = &self.runtime.layout;
        let start = self.place("memstats", &["mstats.heapStats", "consistentHeapStats.stats"])?.0;
        let step = layout.size("heapStatsDelta").ok_or_else(|| HeapError::missing("heapStatsDelta"))?;
        let slot = need(layout, path)?;
        let mut sums = vec![0u64; usize::try_from((slot.width / WORD).min(MOST_NUMBERS)).unwrap_or(0)];
        for index in 0..RING {
            let at = start.get().wrapping_add(index.wrapping_mul(step)).wrapping_add(slot.offset);
            // The entries are differences, each of which may be negative: the sum wraps back.
            for (sum, word) in sums.iter_mut().zip(self.array(Addr::new(at), slot.width, path)?) {
                *sum = sum.wrapping_add(word);
            }
        }
        Ok(sums)
    }

    /// Where a field of a field … of a package variable stands, and its width.
    fn place(&self, variable: &str, path: &[&'static str]) -> Result<(Addr, u64), HeapError> {
        let start = self.runtime.variable(variable).map_err(HeapError::Runtime)?;
        path.iter().try_fold((start, 0), |(at, _), field| {
            let slot = need(&self.runtime.layout, field)?;
            Ok((Addr::new(at.get().wrapping_add(slot.offset)), slot.width))
        })
    }

    fn array(&self, at: Addr, width: u64, path: &'static str) -> Result<Vec<u64>, HeapError> {
        read_words(self.memory, SliceHead { data: at, len: (width / WORD).min(MOST_NUMBERS) }, path)
    }

    fn noted<T>(&mut self, result: Result<T, HeapError>) -> Option<T> {
        result.map_err(|err| note(self.gaps, "memory", &err)).ok()
    }
}

/// Keeps why something could not be read, each reason once.
pub(crate) fn note(gaps: &mut Vec<Gap>, part: &str, error: &HeapError) {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        reason = format!("{reason}: {deeper}");
        cause = deeper.source();
    }
    let gap = Gap::new(part, reason);
    if !gaps.contains(&gap) {
        gaps.push(gap);
    }
}
