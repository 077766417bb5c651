//! Every span of the Go heap and which of its slots are allocated, as `runtime/heapdump.go` (`dumpobjs`) and
//! `runtime/mbitmap.go` (`mspan.isFree`) define it.
//!
//! A span that the collector has not swept yet is seen as it will be after the sweep (`runtime/mgcsweep.go`,
//! `sweepLocked.sweep`): what the last mark phase did not reach is garbage there, although the allocation
//! bitmap still shows it.

use leakscope_goruntime::{Layout, Slot};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{SliceHead, is_plausible, need, read_slice, read_uint, read_words, uint};
use crate::gather::gather;
use crate::graph::ObjectId;
use crate::objects::{PAGE_BYTES, SpanRow};
use crate::pointers::PointerBits;
use crate::specials::{self, SpecialKinds};

/// More spans than a 48-bit address space has room for in practice: 2³² pages of 8 KB are 32 TB.
const MAX_SPANS: u64 = 1 << 28;
/// More slots than any span has (`nelems` is a `uint16`, and before Go 1.22 at most 1024).
const MAX_SLOTS: u32 = 1 << 16;
/// The longest span that is believed, in pages: 1 TB.
const MAX_PAGES: u64 = 1 << 27;

/// All in-use heap spans, and figures on the others.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// In address order, as far as the target has no contradiction.
    pub(crate) rows: Vec<SpanRow>,
    /// `(span base, abi.Type)` of large objects with pointers, in address order.
    pub(crate) large_types: Vec<(Addr, Addr)>,
    /// `(span base, first special)` of spans that have specials, in address order.
    pub(crate) specials: Vec<(Addr, Addr)>,
    /// Bytes of in-use heap spans.
    pub(crate) heap_bytes: u64,
    /// What could not be read.
    pub(crate) gaps: Vec<Gap>,
}

/// Reads every span that `mheap_.allspans` lists.
pub(crate) fn read(memory: &dyn TargetMemory, layout: &Layout, mheap: Addr) -> Result<Spans, HeapError> {
    let fields = MspanLayout::of(layout)?;
    let sweep_generation = read_uint(memory, layout, mheap, "mheap.sweepgen")?;
    let listed = all_spans(memory, layout, mheap)?;
    let mut spans = Spans::default();
    let mut found = Vec::with_capacity(listed.len());
    let wants: Vec<_> = listed.iter().map(|&at| (Addr::new(at), fields.size)).collect();
    gather(memory, &wants, |index, bytes| {
        let Some(&(at, _)) = wants.get(index) else { return };
        match bytes.map(|bytes| fields.decode(bytes)) {
            Ok(Some(span)) => sort_out(memory, &mut spans, &mut found, &fields, at, span),
            Ok(None) => spans.gaps.push(Gap::new("heap", format!("mspan at {at}: no room for its fields"))),
            Err(err) => spans.gaps.push(Gap::new("heap", format!("mspan at {at}: {err}"))),
        }
    });
    found.sort_by_key(|span| span.base);
    let bits = AllocationBits { memory, fields: &fields, sweep_generation, kinds: SpecialKinds::of(layout) };
    let allocated = bits.read(&found, &mut spans.gaps);
    for (span, allocated) in found.iter().zip(allocated) {
        spans.keep(&fields, span, allocated);
    }
    Ok(spans)
}

fn all_spans(memory: &dyn TargetMemory, layout: &Layout, mheap: Addr) -> Result<Vec<u64>, HeapError> {
    let path = "mheap.allspans";
    let at = mheap.get().wrapping_add(need(layout, path)?.offset);
    let head: SliceHead = read_slice(memory, Addr::new(at), MAX_SPANS, path)?;
    let mut listed = read_words(memory, head, path)?;
    listed.sort_unstable();
    listed.dedup();
    Ok(listed)
}

fn sort_out(
    memory: &dyn TargetMemory,
    spans: &mut Spans,
    found: &mut Vec<Mspan>,
    fields: &MspanLayout,
    at: Addr,
    span: Mspan,
) {
    let bytes = span.pages.saturating_mul(PAGE_BYTES);
    if span.state != fields.in_use {
        return;
    }
    let unread =
        || (!is_plausible(memory, Addr::new(span.base), bytes)).then(|| format!("{bytes} bytes, not mapped"));
    match span.contradiction().or_else(unread) {
        None => {
            spans.heap_bytes = spans.heap_bytes.saturating_add(bytes);
            found.push(span);
        }
        Some(why) => spans.gaps.push(Gap::new("heap", format!("mspan at {at}: {why}"))),
    }
}

impl Spans {
    fn keep(&mut self, fields: &MspanLayout, span: &Mspan, allocated: Box<[u64]>) {
        let base = Addr::new(span.base);
        if !span.specials.is_nil() {
            self.specials.push((base, span.specials));
        }
        if span.is_large() && !span.noscan() {
            self.large_types.push((base, span.large_type));
        }
        self.rows.push(SpanRow {
            base,
            slot_size: span.slot_size,
            header: fields.bits.header(span.slot_size, span.is_large(), span.noscan()),
            slots: span.slots,
            noscan: span.noscan(),
            allocated,
            first: ObjectId(0),
        });
    }
}

/// The fields of `runtime.mspan` that the walk needs.
#[derive(Debug)]
struct MspanLayout {
    size: u64,
    start_addr: Slot,
    pages: Slot,
    /// The index below which every slot is allocated. `freeIndexForScan` is no substitute: since Go 1.25 it stands
    /// still while the collector marks, and what is allocated meanwhile lies above it.
    free_index: Slot,
    slots: Slot,
    alloc_bits: Slot,
    mark_bits: Slot,
    sweep_generation: Slot,
    span_class: Slot,
    state: Slot,
    slot_size: Slot,
    specials: Slot,
    /// Since Go 1.22, with the malloc header.
    large_type: Option<Slot>,
    in_use: u64,
    bits: PointerBits,
}

impl MspanLayout {
    fn of(layout: &Layout) -> Result<MspanLayout, HeapError> {
        let one_byte = |slot: Slot| Slot { width: 1, ..slot };
        let pointer = |slot: Slot| Slot { width: 8, ..slot };
        let size = layout.size("mspan").ok_or_else(|| HeapError::missing("mspan"))?;
        let state =
            |name, usual: u64| layout.constant(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(usual);
        Ok(MspanLayout {
            size: size.min(PAGE_BYTES),
            start_addr: need(layout, "mspan.startAddr")?,
            pages: need(layout, "mspan.npages")?,
            free_index: need(layout, "mspan.freeindex")?,
            slots: need(layout, "mspan.nelems")?,
            alloc_bits: pointer(need(layout, "mspan.allocBits")?),
            mark_bits: pointer(need(layout, "mspan.gcmarkBits")?),
            sweep_generation: need(layout, "mspan.sweepgen")?,
            span_class: one_byte(need(layout, "mspan.spanclass")?),
            state: one_byte(need(layout, "mspan.state")?),
            slot_size: need(layout, "mspan.elemsize")?,
            specials: pointer(need(layout, "mspan.specials")?),
            large_type: layout.slot("mspan.largeType").map(pointer),
            in_use: state("mSpanInUse", 1),
            bits: PointerBits::of(layout),
        })
    }

    fn decode(&self, bytes: &[u8]) -> Option<Mspan> {
        Some(Mspan {
            base: uint(bytes, self.start_addr)?,
            pages: uint(bytes, self.pages)?,
            slot_size: uint(bytes, self.slot_size)?,
            slots: u32::try_from(uint(bytes, self.slots)?).ok()?,
            free_index: uint(bytes, self.free_index)?,
            state: uint(bytes, self.state)?,
            span_class: uint(bytes, self.span_class)?,
            sweep_generation: uint(bytes, self.sweep_generation)?,
            alloc_bits: Addr::new(uint(bytes, self.alloc_bits)?),
            mark_bits: Addr::new(uint(bytes, self.mark_bits)?),
            specials: Addr::new(uint(bytes, self.specials)?),
            large_type: Addr::new(self.large_type.map_or(Some(0), |slot| uint(bytes, slot))?),
        })
    }
}

/// One `runtime.mspan`.
#[derive(Debug)]
struct Mspan {
    base: u64,
    pages: u64,
    slot_size: u64,
    slots: u32,
    free_index: u64,
    state: u64,
    /// Size class and, in bit 0, noscan (`runtime/mheap.go`, `spanClass`).
    span_class: u64,
    sweep_generation: u64,
    alloc_bits: Addr,
    mark_bits: Addr,
    specials: Addr,
    large_type: Addr,
}

impl Mspan {
    fn is_large(&self) -> bool {
        self.span_class >> 1 == 0
    }

    fn noscan(&self) -> bool {
        self.span_class & 1 == 1
    }

    fn bitmap_bytes(&self) -> u64 {
        u64::from(self.slots).div_ceil(64) * 8
    }

    fn contradiction(&self) -> Option<String> {
        let Mspan { base, pages, slot_size, slots, .. } = *self;
        if base % PAGE_BYTES != 0 || base == 0 {
            return Some(format!("starts at {base:#x}, which is no page"));
        }
        if pages == 0 || pages > MAX_PAGES {
            return Some(format!("has {pages} pages"));
        }
        let room = pages * PAGE_BYTES;
        let fits = slot_size.is_multiple_of(8)
            && slot_size > 0
            && (1..=MAX_SLOTS).contains(&slots)
            && slot_size.checked_mul(u64::from(slots)).is_some_and(|bytes| bytes <= room);
        (!fits).then(|| format!("{slots} slots of {slot_size} bytes in {pages} pages"))
    }
}

/// Whether a span still shows what the collection before found (`mspan.sweepgen` in `runtime/mheap.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sweep {
    Done,
    Needed,
    Underway,
}

impl Sweep {
    /// `span` and `heap` are the generations of one span and of the heap; both are `uint32` and wrap around.
    fn of(span: u64, heap: u64) -> Sweep {
        match (span as u32).wrapping_sub(heap as u32) {
            1 | 0xffff_fffe => Sweep::Needed,
            0xffff_ffff => Sweep::Underway,
            _ => Sweep::Done,
        }
    }
}

/// Reads the allocation bitmaps of many spans.
struct AllocationBits<'a> {
    memory: &'a dyn TargetMemory,
    fields: &'a MspanLayout,
    sweep_generation: u64,
    kinds: SpecialKinds,
}

impl AllocationBits<'_> {
    /// The allocated slots of each span, in the order of `spans`. A span whose bitmap cannot be read counts as
    /// allocated up to its free index, and leaves a gap.
    fn read(&self, spans: &[Mspan], gaps: &mut Vec<Gap>) -> Vec<Box<[u64]>> {
        let sweeps: Vec<Sweep> =
            spans.iter().map(|span| Sweep::of(span.sweep_generation, self.sweep_generation)).collect();
        let bitmap = |(span, sweep): (&Mspan, &Sweep)| {
            if *sweep == Sweep::Done { span.alloc_bits } else { span.mark_bits }
        };
        let places: Vec<Addr> = spans.iter().zip(&sweeps).map(bitmap).collect();
        let mut bitmaps = self.bitmaps(spans, &places, gaps);
        for ((span, sweep), bits) in spans.iter().zip(&sweeps).zip(&mut bitmaps) {
            if *sweep == Sweep::Done {
                set_below(bits, span.free_index);
            } else if let Err(err) = self.unswept(span, *sweep, bits) {
                gaps.push(Gap::new("heap", err.to_string()));
            }
            clear_from(bits, u64::from(span.slots));
        }
        bitmaps
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
        if let Some((at, len)) = self.fields.bits.inline_marks(span.base, span.slot_size) {
            let mut marks = [0; 64];
            let marks = marks.get_mut(..len).unwrap_or_default();
            self.memory
                .read_exact(at, marks)
                .map_err(|source| HeapError::field("spanInlineMarkBits.marks", at, source))?;
            for (word, inline) in bits.iter_mut().zip(padded_words(marks)) {
                *word |= inline;
            }
        }
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

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::*;
    use leakscope_target::Image;
    use proptest::prelude::*;

    const BASE: u64 = 0x10_0000;
    const MHEAP: u64 = BASE;
    const MSPAN: u64 = BASE + 0x100;
    const BITS: u64 = BASE + 0x200;

    fn layout() -> Layout {
        let slots = [
            ("mheap.sweepgen", 0, 4),
            ("mheap.allspans", 8, 24),
            ("mspan.startAddr", 0, 8),
            ("mspan.npages", 8, 8),
            ("mspan.freeindex", 16, 2),
            ("mspan.nelems", 18, 2),
            ("mspan.allocBits", 24, 8),
            ("mspan.gcmarkBits", 32, 8),
            ("mspan.sweepgen", 40, 4),
            ("mspan.spanclass", 44, 1),
            ("mspan.state", 45, 1),
            ("mspan.elemsize", 48, 8),
            ("mspan.specials", 56, 8),
            ("special.next", 0, 8),
            ("special.offset", 8, 8),
            ("special.kind", 16, 1),
        ];
        Layout {
            slots: slots
                .iter()
                .map(|&(name, offset, width)| (name.to_owned(), Slot { offset, width }))
                .collect(),
            sizes: [("mspan".to_owned(), 64)].into(),
            constants: [("_KindSpecialFinalizer".to_owned(), 1)].into(),
            ..Layout::default()
        }
    }

    /// A heap of one span of 60 slots of 128 bytes: the allocation bitmap says 4 and 6, the mark bitmap 2, and the
    /// first three slots were taken since; slot 7 has a finalizer.
    fn image(generation: u32) -> Image {
        let mut bytes = vec![0; 0x400];
        let mut put = |at: u64, word: u64, width: usize| {
            let at = (at - BASE) as usize;
            bytes[at..at + width].copy_from_slice(&word.to_le_bytes()[..width]);
        };
        put(MHEAP, 10, 4);
        put(MHEAP + 8, BASE + 0x300, 8);
        put(MHEAP + 16, 1, 8);
        put(BASE + 0x300, MSPAN, 8);
        let fields = [
            (0, 0x20_0000, 8),
            (8, 1, 8),
            (16, 3, 2),
            (18, 60, 2),
            (24, BITS, 8),
            (32, BITS + 64, 8),
            (44, 20, 1),
            (45, 1, 1),
            (48, 128, 8),
            (56, BASE + 0x380, 8),
        ];
        fields.into_iter().for_each(|(offset, word, width)| put(MSPAN + offset, word, width));
        put(MSPAN + 40, u64::from(generation), 4);
        put(BITS, 0b101_0000, 8);
        put(BITS + 64, 0b100, 8);
        put(BASE + 0x380 + 8, 7 * 128, 8);
        put(BASE + 0x380 + 16, 1, 1);
        Image::new(Addr::new(BASE), bytes)
    }

    fn allocated(generation: u32) -> Vec<u32> {
        let spans = read(&image(generation), &layout(), Addr::new(MHEAP)).unwrap();
        assert_eq!(spans.gaps, []);
        spans.rows[0].allocated_slots().collect()
    }

    #[test]
    fn a_swept_span_is_its_bitmap_and_what_was_taken_since() {
        assert_eq!(allocated(10), [0, 1, 2, 4, 6]);
        assert_eq!(allocated(13), [0, 1, 2, 4, 6], "swept, then cached");
    }

    #[test]
    fn an_unswept_span_is_what_was_marked_or_has_a_finalizer() {
        assert_eq!(allocated(8), [2, 7]);
        assert_eq!(allocated(11), [2, 7], "cached before the sweep began");
        assert_eq!(allocated(9), [2, 7], "being swept");
    }

    #[test]
    fn generations_wrap_around() {
        assert_eq!(Sweep::of(u64::from(u32::MAX), 1), Sweep::Needed);
        assert_eq!(Sweep::of(2, u64::from(u32::MAX)), Sweep::Done);
        assert_eq!(Sweep::of(0, u64::from(u32::MAX)), Sweep::Needed);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            changes in prop::collection::vec((0usize..0x400, any::<u8>()), 0..40),
            generation in 5u32..15,
        ) {
            let mut bytes = image(generation).borrow(Addr::new(BASE), 0x400).unwrap().to_vec();
            changes.iter().for_each(|&(at, byte)| bytes[at] = byte);
            if let Ok(spans) = read(&Image::new(Addr::new(BASE), bytes), &layout(), Addr::new(MHEAP)) {
                let (objects, _) = crate::objects::Objects::new(spans.rows).unwrap();
                prop_assert!(objects.len() <= 1 << 16);
            }
        }
    }
}
