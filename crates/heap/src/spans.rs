//! Every span of the Go heap and which of its slots are allocated, as `runtime/heapdump.go` (`dumpobjs`) and
//! `runtime/mbitmap.go` (`mspan.isFree`) define it.
//!
//! A span that the collector has not swept yet is seen as it will be after the sweep (`runtime/mgcsweep.go`,
//! `sweepLocked.sweep`): what the last mark phase did not reach is garbage there, although the allocation
//! bitmap still shows it.

mod allocation_bits;

use leakscope_goruntime::{Layout, Slot};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{SliceHead, is_plausible, need, read_slice, read_uint, read_words, uint};
use crate::gather::gather;
use crate::graph::ObjectId;
use crate::objects::{PAGE_BYTES, SpanRow};
use crate::pointers::PointerBits;
use crate::specials::SpecialKinds;
use allocation_bits::AllocationBits;

/// More spans than a 48-bit address space has room for in practice: 2³² pages of 8 KB are 32 TB.
const MAX_SPANS: u64 = 1 << 28;
/// More slots than any span has (`nelems` is a `uint16`, and before Go 1.22 at most 1024).
const MAX_SLOTS: u32 = 1 << 16;
/// The longest span that is believed, in pages: 1 TB.
const MAX_PAGES: u64 = 1 << 27;
/// How often spans are read, at the most, until no collection ends meanwhile.
const MOST_READINGS: usize = 3;

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
///
/// Where the program runs meanwhile, a collection that ends turns the meaning of all bitmaps around: the spans are
/// read again then, and if it happens each time, that is a gap.
pub(crate) fn read(memory: &dyn TargetMemory, layout: &Layout, mheap: Addr) -> Result<Spans, HeapError> {
    let generation = || read_uint(memory, layout, mheap, "mheap.sweepgen");
    let mut began = generation()?;
    for _ in 1..MOST_READINGS {
        let spans = read_once(memory, layout, mheap, began)?;
        let ended = generation()?;
        if ended == began {
            return Ok(spans);
        }
        began = ended;
    }
    let mut spans = read_once(memory, layout, mheap, began)?;
    if generation()? != began {
        let reason =
            "a collection ended while the spans were read: which of their objects are allocated may be wrong";
        spans.gaps.push(Gap::new("heap", reason));
    }
    Ok(spans)
}

fn read_once(
    memory: &dyn TargetMemory,
    layout: &Layout,
    mheap: Addr,
    sweep_generation: u64,
) -> Result<Spans, HeapError> {
    let fields = MspanLayout::of(layout)?;
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
    let mut end = 0;
    found.retain(|span| {
        let apart = span.base >= end;
        if apart {
            end = span.base.saturating_add(span.pages.saturating_mul(PAGE_BYTES));
        } else {
            let reason = format!("the span at {:#x} overlaps another", span.base);
            spans.gaps.push(Gap::new("heap", reason));
        }
        apart
    });
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

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::allocation_bits::Sweep;
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
