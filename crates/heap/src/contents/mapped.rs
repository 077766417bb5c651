//! Edges of objects whose pointer maps lie beside the heap: every object until Go 1.21.

use leakscope_model::{Addr, Gap};

use super::{Scanner, Words, is_large};
use crate::graph::ObjectId;
use crate::objects::SpanRow;

impl Scanner<'_> {
    /// A span, or a part of one that is one object, whose pointer map lies beside the heap.
    pub(super) fn mapped_piece(&mut self, span: &SpanRow, offset: u64, words: Words<'_>) {
        let at = Addr::new(span.base.get() + offset);
        let map = self.arenas.as_mut().map_or(Ok(None), |arenas| arenas.map(at, words.0.len()));
        let map = map.unwrap_or_else(|err| {
            let reason = format!("the pointer map from {at} on: {err}; every word counts as a pointer there");
            self.out.gaps.push(Gap::new("heap", reason));
            None
        });
        let map = map.unwrap_or_else(|| vec![u64::MAX; words.0.len().div_ceil(64)]);
        if is_large(span) {
            self.source = span.first;
            let skipped = (offset / 8) as usize;
            if offset == 0 {
                self.first_word(span.first, map.first().is_some_and(|bits| bits & 1 == 1), words.at(0));
            }
            self.mapped_words(words, &map, 0..words.0.len(), skipped);
            return;
        }
        let slot_words = (span.slot_size / 8) as usize;
        for (slot, id) in span.allocated_slots().zip(span.first.0..) {
            self.source = ObjectId(id);
            let first = slot as usize * slot_words;
            self.first_word(ObjectId(id), bits_from(&map, first) & 1 == 1, words.at(first));
            self.mapped_words(words, &map, first..first + slot_words, 0);
        }
    }

    /// Pointers of one object, which is `words[object]`, or the part of it from word `skipped`.
    fn mapped_words(
        &mut self,
        words: Words<'_>,
        map: &[u64],
        object: std::ops::Range<usize>,
        skipped: usize,
    ) {
        for start in object.clone().step_by(64) {
            let valid = low_bits(object.end - start);
            self.pointers(words, start, object.start, bits_from(map, start) & valid, skipped);
        }
    }
}

/// The 64 bits of a map from bit `at` on; zeros behind its end.
fn bits_from(map: &[u64], at: usize) -> u64 {
    let word = |index: usize| map.get(index).copied().unwrap_or(0);
    let shift = at % 64;
    let high = if shift == 0 { 0 } else { word(at / 64 + 1) << (64 - shift) };
    word(at / 64) >> shift | high
}

/// As many low bits as there are words, at most 64.
fn low_bits(count: usize) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}
