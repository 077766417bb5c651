//! Which slots of each span are allocated: by the allocation bitmap and the free index, and where the span was not
//! swept yet by the marks of the collection before.

use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use super::{Mspan, MspanLayout};
use crate::error::HeapError;
use crate::gather::gather;
use crate::specials::{self, SpecialKinds};

/// Whether a span still shows what the collection before found (`mspan.sweepgen` in `runtime/mheap.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sweep {
    Done,
    Needed,
    Underway,
}

impl Sweep {
    /// `span` and `heap` are the generations of one span and of the heap; both are `uint32` and wrap around.
    pub(super) fn of(span: u64, heap: u64) -> Sweep {
        match (span as u32).wrapping_sub(heap as u32) {
            1 | 0xffff_fffe => Sweep::Needed,
            0xffff_ffff => Sweep::Underway,
            _ => Sweep::Done,
        }
    }
}

/// Reads the allocation bitmaps of many spans.
pub(super) struct AllocationBits<'a> {
    pub(super) memory: &'a dyn TargetMemory,
    pub(super) fields: &'a MspanLayout,
    pub(super) sweep_generation: u64,
    pub(super) kinds: SpecialKinds,
}

impl AllocationBits<'_> {
    /// The allocated slots of each span, in the order of `spans`. A span whose bitmap cannot be read counts as
    /// allocated up to its free index, and leaves a gap.
    pub(super) fn read(&self, spans: &[Mspan], gaps: &mut Vec<Gap>) -> Vec<Box<[u64]>> {
        let sweeps: Vec<Sweep> =
            spans.iter().map(|span| Sweep::of(span.sweep_generation, self.sweep_generation)).collect();
        let bitmap = |(span, sweep): (&Mspan, &Sweep)| {
            if *sweep == Sweep::Done { span.alloc_bits } else { span.mark_bits }
        };
        let places: Vec<Addr> = spans.iter().zip(&sweeps).map(bitmap).collect();
        // Before the bitmaps: a sweep moves these marks into them, and may do so while the program is read.
        let inline = self.inline_marks(spans, &sweeps, gaps);
        let mut bitmaps = self.bitmaps(spans, &places, gaps);
        for (((span, sweep), inline), bits) in spans.iter().zip(&sweeps).zip(&inline).zip(&mut bitmaps) {
            if *sweep == Sweep::Done {
                set_below(bits, span.free_index);
            } else {
                bits.iter_mut().zip(inline).for_each(|(word, marks)| *word |= marks);
                if let Err(err) = self.unswept(span, *sweep, bits) {
                    gaps.push(Gap::new("heap", err.to_string()));
                }
            }
            clear_from(bits, u64::from(span.slots));
        }
        bitmaps
    }

    /// The marks that stand in the spans themselves, of those that were not swept.
    fn inline_marks(&self, spans: &[Mspan], sweeps: &[Sweep], gaps: &mut Vec<Gap>) -> Vec<Box<[u64]>> {
        let mut read = |(span, sweep): (&Mspan, &Sweep)| {
            let place = self.fields.bits.inline_marks(span.base, span.slot_size);
            let Some((at, len)) = place.filter(|_| *sweep != Sweep::Done) else { return Box::default() };
            let mut marks = [0; 64];
            let marks = marks.get_mut(..len).unwrap_or_default();
            if let Err(source) = self.memory.read_exact(at, marks) {
                let err = HeapError::field("spanInlineMarkBits.marks", at, source);
                gaps.push(Gap::new("heap", err.to_string()));
            }
            padded_words(marks).collect()
        };
        spans.iter().zip(sweeps).map(&mut read).collect()
    }

    fn bitmaps(&self, spans: &[Mspan], places: &[Addr], gaps: &mut Vec<Gap>) -> Vec<Box<[u64]>> {
        let mut order: Vec<(Addr, u64, usize)> = places
            .iter()
            .zip(spans)
            .enumerate()
            .map(|(index, (&at, span))| (at, span.bitmap_bytes(), index))
            .collect();
        order.sort_unstable();
        let wants: Vec<_> = order.iter().map(|&(at, len, _)| (at, len)).collect();
        let mut bitmaps = vec![Box::default(); spans.len()];
        gather(self.memory, &wants, |position, bytes| {
            let Some(&(at, len, index)) = order.get(position) else { return };
            let words = bytes.map(words_of).unwrap_or_else(|err| {
                gaps.push(Gap::new("heap", format!("allocation bitmap at {at}: {err}")));
                vec![0; usize::try_from(len / 8).unwrap_or(0)].into_boxed_slice()
            });
            if let Some(slot) = bitmaps.get_mut(index) {
                *slot = words;
            }
        });
        bitmaps
    }

    /// Turns the mark bits of a span that was not swept into what the sweep will leave.
    fn unswept(&self, span: &Mspan, sweep: Sweep, bits: &mut Box<[u64]>) -> Result<(), HeapError> {
        let swapped = sweep == Sweep::Underway && span.free_index == 0 && bits.iter().all(|&word| word == 0);
        if swapped {
            let mut bytes = vec![0; bits.len() * 8];
            let at = span.alloc_bits;
            self.memory
                .read_exact(at, &mut bytes)
                .map_err(|source| HeapError::field("mspan.allocBits", at, source))?;
            *bits = words_of(&bytes);
        }
        self.revive(span, bits)
    }

    /// A finalizer keeps its object over one more cycle.
    fn revive(&self, span: &Mspan, bits: &mut [u64]) -> Result<(), HeapError> {
        let Some(finalizer) = self.kinds.finalizer() else { return Ok(()) };
        for special in specials::list(self.memory, &self.kinds, span.specials)? {
            let slot = special.offset / span.slot_size.max(1);
            if special.kind == finalizer
                && let Some(word) = bits.get_mut((slot / 64) as usize)
            {
                *word |= 1 << (slot % 64);
            }
        }
        Ok(())
    }
}

fn words_of(bytes: &[u8]) -> Box<[u64]> {
    bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)).collect()
}

fn padded_words(bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    bytes.chunks(8).map(|chunk| chunk.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

fn set_below(bits: &mut [u64], count: u64) {
    for (word, start) in bits.iter_mut().zip((0u64..).step_by(64)) {
        *word |= low_bits(count.saturating_sub(start));
    }
}

fn clear_from(bits: &mut [u64], count: u64) {
    for (word, start) in bits.iter_mut().zip((0u64..).step_by(64)) {
        *word &= low_bits(count.saturating_sub(start));
    }
}

fn low_bits(count: u64) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}
