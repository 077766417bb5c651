//! Every allocated object of a heap under a dense id, and the way from an address to its object and back.
//!
//! Three steps lead from an address to an object: page → span by one table a 64 MB region, offset → slot by a
//! multiplication, slot → id by counting the allocated slots before it. None of them depends on where the heap
//! lies: Go 1.26 puts it at a random place.
#![allow(clippy::indexing_slicing, reason = "indices come from this module's own dense arrays")]

use std::ops::Range;

use leakscope_model::Addr;

use crate::error::HeapError;
use crate::graph::ObjectId;

/// Bytes of a page of the Go heap (`runtime/internal/sys.PageSize`); the same in every version and port.
pub const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;
const PAGE_SHIFT: u32 = 13;
const REGION_SHIFT: u32 = 26;
const PAGES_IN_REGION: usize = 1 << (REGION_SHIFT - PAGE_SHIFT);
/// Go's heap never lies above this (`runtime/malloc.go`, `heapAddrBits`).
const ADDRESS_LIMIT: u64 = 1 << 48;
const IDS_IN_STEP: u32 = 64;

/// One in-use heap span with its allocated slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpanRow {
    /// First address.
    pub base: Addr,
    /// Bytes of one slot: the size class, or the whole span for a large object.
    pub slot_size: u64,
    /// Bytes at the start of each slot that the runtime keeps for itself (the malloc header); Go's pointers
    /// point behind them.
    pub header: u64,
    /// How many slots there are.
    pub slots: u32,
    /// Whether no object in it holds pointers.
    pub noscan: bool,
    /// One bit a slot, set where an object is allocated; 64 to a word.
    pub allocated: Box<[u64]>,
    /// The id of its first allocated object; set by [`Objects::new`].
    pub first: ObjectId,
}

impl SpanRow {
    /// How many objects are allocated in it.
    pub fn count(&self) -> u32 {
        self.allocated.iter().map(|word| word.count_ones()).sum()
    }

    /// The allocated slots, in order.
    pub fn allocated_slots(&self) -> impl Iterator<Item = u32> + '_ {
        self.allocated
            .iter()
            .zip(0u32..)
            .flat_map(|(&word, index)| Bits(word).map(move |bit| index * 64 + bit))
    }

    /// Bytes of the whole span, its unused tail included: the slots rounded up to pages.
    ///
    /// Exact for spans of small objects, which end on the page that holds their last slot.
    pub(crate) fn span_bytes(&self) -> u64 {
        self.bytes().unwrap_or(0).next_multiple_of(PAGE_BYTES)
    }

    /// Bytes from the start that hold slots and, where it lies in the span, their pointer map.
    pub(crate) fn read_bytes(&self) -> u64 {
        if self.slots == 1 { self.slot_size } else { self.span_bytes() }
    }

    fn bytes(&self) -> Option<u64> {
        self.slot_size.checked_mul(u64::from(self.slots))
    }
}

/// The set bits of a word, lowest first.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let bit = (self.0 != 0).then(|| self.0.trailing_zeros())?;
        self.0 &= self.0 - 1;
        Some(bit)
    }
}

/// One allocated object, as [`Objects::iter`] yields it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// Its id.
    pub id: ObjectId,
    /// Where Go's pointers to it point: behind the malloc header, where there is one.
    pub addr: Addr,
    /// Bytes of its slot, the header included: what the runtime charges for it.
    pub size: u64,
    /// Whether it holds no pointers.
    pub noscan: bool,
}

/// The objects of one span, as [`Objects::runs`] yields them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    /// Their ids.
    pub(crate) ids: Range<u32>,
    /// Bytes of each slot.
    pub(crate) size: u64,
}

/// What a lookup needs of a span, in half a cache line.
#[derive(Debug, Clone, Copy)]
struct HotSpan {
    /// Address of the first slot's value (behind its header).
    base: u64,
    slot_size: u64,
    /// ⌈2³² / slot_size⌉, 0 for a span of one slot (`mspan.divMul`).
    magic: u32,
    slots: u32,
    /// Its first word in `Objects::words`.
    first_word: u32,
}

/// 64 slots of a span: which are allocated, and the id of the first.
#[derive(Debug, Clone, Copy)]
struct SlotWord {
    allocated: u64,
    first: u32,
}

/// Every allocated object: spans in address order.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    spans: Vec<SpanRow>,
    len: u32,
    hot: Vec<HotSpan>,
    words: Vec<SlotWord>,
    /// Start of the first region that holds a span.
    lowest: u64,
    /// By region from `lowest`: 1 + the index of its page table, 0 for none.
    regions: Vec<u32>,
    /// By page of a region: 1 + the index of its span, 0 for none.
    pages: Vec<u32>,
    /// By id / 64: the span that holds it.
    steps: Vec<u32>,
}

impl Objects {
    /// Numbers the allocated objects of `spans`, whatever order they come in.
    ///
    /// A span that overlaps one before it, is empty of slots, or lies outside Go's address space contradicts
    /// itself and is returned as the second value instead. More than 2³² objects are an error.
    pub fn new(mut spans: Vec<SpanRow>) -> Result<(Objects, Vec<SpanRow>), HeapError> {
        spans.sort_by_key(|span| span.base);
        let mut refused = Vec::new();
        let mut end = 0u64;
        spans.retain(|span| match fit(span, end) {
            Some(span_end) => {
                end = span_end;
                true
            }
            None => {
                refused.push(span.clone());
                false
            }
        });
        let mut objects = Objects { lowest: lowest_region(&spans), ..Objects::default() };
        objects.number(&mut spans)?;
        if table_is_worth_it(&spans) {
            objects.map_pages(&spans);
        }
        objects.spans = spans;
        objects.map_steps();
        Ok((objects, refused))
    }

    fn number(&mut self, spans: &mut [SpanRow]) -> Result<(), HeapError> {
        let too_many = || HeapError::TooMany { what: "objects", limit: u64::from(u32::MAX) };
        self.hot.reserve_exact(spans.len());
        self.words.reserve_exact(spans.iter().map(|span| span.allocated.len()).sum());
        for span in spans {
            span.first = ObjectId(self.len);
            self.hot.push(HotSpan {
                base: span.base.get() + span.header,
                slot_size: span.slot_size,
                magic: if span.slots == 1 { 0 } else { magic(span.slot_size) },
                slots: span.slots,
                first_word: u32::try_from(self.words.len()).map_err(|_| too_many())?,
            });
            for &allocated in &span.allocated {
                self.words.push(SlotWord { allocated, first: self.len });
                self.len = self.len.checked_add(allocated.count_ones()).ok_or_else(too_many)?;
            }
        }
        Ok(())
    }

    fn map_pages(&mut self, spans: &[SpanRow]) {
        for (span, number) in spans.iter().zip(1u32..) {
            let first = (span.base.get() - self.lowest) >> PAGE_SHIFT;
            let last = (span.base.get() + span.bytes().unwrap_or(1) - 1 - self.lowest) >> PAGE_SHIFT;
            for page in first..=last {
                let cell = self.page_cell(page);
                if self.pages[cell] == 0 {
                    self.pages[cell] = number;
                }
            }
        }
    }

    fn page_cell(&mut self, page: u64) -> usize {
        let region = page as usize / PAGES_IN_REGION;
        if self.regions.len() <= region {
            self.regions.resize(region + 1, 0);
        }
        if self.regions[region] == 0 {
            self.pages.resize(self.pages.len() + PAGES_IN_REGION, 0);
            self.regions[region] = (self.pages.len() / PAGES_IN_REGION) as u32;
        }
        (self.regions[region] as usize - 1) * PAGES_IN_REGION + page as usize % PAGES_IN_REGION
    }

    fn map_steps(&mut self) {
        self.steps.reserve_exact((self.len / IDS_IN_STEP + 1) as usize);
        let mut next = 0u32;
        for (span, index) in self.spans.iter().zip(0u32..) {
            let end = span.first.0 + span.count();
            while next < end {
                self.steps.push(index);
                next += IDS_IN_STEP;
            }
        }
    }

    /// How many allocated objects there are.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every span, in address order.
    pub fn spans(&self) -> &[SpanRow] {
        &self.spans
    }

    /// Every object, in order of id and address.
    pub fn iter(&self) -> impl Iterator<Item = Object> + '_ {
        self.spans.iter().flat_map(|span| {
            span.allocated_slots().zip(span.first.0..).map(|(slot, id)| Object {
                id: ObjectId(id),
                addr: Addr::new(span.base.get() + span.header + u64::from(slot) * span.slot_size),
                size: span.slot_size,
                noscan: span.noscan,
            })
        })
    }

    /// The objects span by span: those of a span have ids in a row, and one size.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let ends = self.spans.iter().skip(1).map(|span| span.first.0).chain([self.len]);
        self.spans.iter().zip(ends).map(|(span, end)| Run { ids: span.first.0..end, size: span.slot_size })
    }

    /// The span of an object; `None` for an id of another heap.
    pub fn span_of(&self, id: ObjectId) -> Option<&SpanRow> {
        let mut index = *self.steps.get((id.0 / IDS_IN_STEP) as usize)? as usize;
        while self.spans.get(index + 1).is_some_and(|next| next.first <= id) {
            index += 1;
        }
        self.spans.get(index).filter(|_| id.0 < self.len)
    }

    /// Where Go's pointers to the object point: behind the malloc header, where there is one. Nil for an id of
    /// another heap.
    pub fn addr(&self, id: ObjectId) -> Addr {
        self.locate(id).map_or(Addr::default(), |(span, slot)| {
            Addr::new(span.base.get() + span.header + u64::from(slot) * span.slot_size)
        })
    }

    /// Bytes of the object's slot: what the runtime charges for it. 0 for an id of another heap.
    pub fn size(&self, id: ObjectId) -> u64 {
        self.span_of(id).map_or(0, |span| span.slot_size)
    }

    /// Bytes from [`Objects::addr`] to the end of the slot: the most that a value in it can take.
    pub fn value_size(&self, id: ObjectId) -> u64 {
        self.span_of(id).map_or(0, |span| span.slot_size - span.header)
    }

    /// Whether the object holds no pointers.
    pub fn noscan(&self, id: ObjectId) -> bool {
        self.span_of(id).is_some_and(|span| span.noscan)
    }

    fn locate(&self, id: ObjectId) -> Option<(&SpanRow, u32)> {
        let span = self.span_of(id)?;
        let mut rank = id.0 - span.first.0;
        for (&word, index) in span.allocated.iter().zip(0u32..) {
            if rank < word.count_ones() {
                return Bits(word).nth(rank as usize).map(|bit| (span, index * 64 + bit));
            }
            rank -= word.count_ones();
        }
        None
    }

    /// The allocated object that holds `addr`, and how far behind [`Objects::addr`] it lies.
    ///
    /// `None` for an address in no object: outside the heap, in a free slot, in a malloc header, in a span's
    /// unused tail.
    #[inline]
    pub fn find(&self, addr: Addr) -> Option<(ObjectId, u64)> {
        let (word, slot, offset) = self.slot(addr)?;
        let bit = 1u64 << (slot % 64);
        let before = (word.allocated & (bit - 1)).count_ones();
        (word.allocated & bit != 0).then_some((ObjectId(word.first + before), offset))
    }

    /// Whether `addr` lies in a slot of an in-use span that holds no object.
    pub fn is_free_slot(&self, addr: Addr) -> bool {
        self.slot(addr).is_some_and(|(word, slot, _)| word.allocated >> (slot % 64) & 1 == 0)
    }

    /// 1 + the index of the span on whose pages `addr` lies; 0 or `None` for none.
    #[inline]
    fn span_number(&self, addr: Addr) -> Option<usize> {
        if self.regions.is_empty() {
            return Some(self.spans.partition_point(|span| span.base <= addr));
        }
        let distance = addr.get().wrapping_sub(self.lowest);
        let region = *self.regions.get((distance >> REGION_SHIFT) as usize)? as usize;
        let page = (distance >> PAGE_SHIFT) as usize % PAGES_IN_REGION;
        let cell = region.wrapping_sub(1).wrapping_mul(PAGES_IN_REGION).wrapping_add(page);
        self.pages.get(cell).map(|&number| number as usize)
    }

    /// The 64 slots among which `addr` lies, the number of its slot, and its offset in the slot.
    #[inline]
    fn slot(&self, addr: Addr) -> Option<(SlotWord, u32, u64)> {
        let span = self.hot.get(self.span_number(addr)?.wrapping_sub(1))?;
        let (slot, offset) = span.slot_at(addr.get())?;
        let word = self.words.get(span.first_word as usize + slot as usize / 64)?;
        Some((*word, slot, offset))
    }
}

impl HotSpan {
    #[inline]
    fn slot_at(&self, addr: u64) -> Option<(u32, u64)> {
        let distance = addr.wrapping_sub(self.base);
        let mut slot = (distance.wrapping_mul(u64::from(self.magic)) >> 32) as u32;
        let mut offset = distance.wrapping_sub(u64::from(slot).wrapping_mul(self.slot_size));
        if offset >= self.slot_size {
            slot = u32::try_from(distance.checked_div(self.slot_size)?).ok()?;
            offset = distance % self.slot_size;
        }
        (slot < self.slots).then_some((slot, offset))
    }
}

/// Where `span` ends, if it may stand behind a span that ended at `end`.
fn fit(span: &SpanRow, end: u64) -> Option<u64> {
    let bytes = span.bytes().filter(|&bytes| bytes > 0)?;
    let span_end = span.base.get().checked_add(bytes)?;
    let words = u64::from(span.slots).div_ceil(64);
    let stray = !span.slots.is_multiple_of(64)
        && span.allocated.last().is_some_and(|word| word >> (span.slots % 64) != 0);
    let sound = span.base.get() >= end
        && span_end <= ADDRESS_LIMIT
        && span.header < span.slot_size
        && span.allocated.len() as u64 == words
        && !stray;
    sound.then_some(span_end)
}

/// Whether the page tables take no more memory than a real heap's: what a damaged file claims may lie anywhere and
/// be of any size. Without them spans are found by bisection.
fn table_is_worth_it(spans: &[SpanRow]) -> bool {
    const ALWAYS: u64 = 16 << 20;
    const A_SPAN: u64 = 2048;
    let mut last = None;
    let mut regions = 0u64;
    for span in spans {
        let first = span.base.get() >> REGION_SHIFT;
        let end = (span.base.get() + span.bytes().unwrap_or(1) - 1) >> REGION_SHIFT;
        regions = regions.saturating_add(end - first + u64::from(last != Some(first)));
        last = Some(end);
    }
    regions.saturating_mul(4 * PAGES_IN_REGION as u64) <= ALWAYS.saturating_add(spans.len() as u64 * A_SPAN)
}

fn lowest_region(spans: &[SpanRow]) -> u64 {
    spans.first().map_or(0, |span| span.base.get() >> REGION_SHIFT << REGION_SHIFT)
}

/// ⌈2³² / size⌉ where that fits: exact for offsets below 2³² / size of error (`gc.SizeClassToDivMagic`); a wrong
/// quotient shows as an offset beyond the slot.
fn magic(size: u64) -> u32 {
    u32::try_from((1u64 << 32).div_ceil(size)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(base: u64, slot_size: u64, slots: u32, allocated: &[u32]) -> SpanRow {
        let mut words = vec![0u64; slots.div_ceil(64) as usize];
        for &slot in allocated {
            words[slot as usize / 64] |= 1 << (slot % 64);
        }
        let allocated = words.into_boxed_slice();
        SpanRow {
            base: Addr::new(base),
            slot_size,
            header: 0,
            slots,
            noscan: false,
            allocated,
            first: ObjectId(0),
        }
    }

    #[test]
    fn ids_follow_addresses_over_far_apart_regions() {
        let far = 0x7e_0000_0000 + 0x2000;
        let spans = vec![span(far, 8192, 1, &[0]), span(0xc0_0000_0000, 48, 170, &[0, 65, 169])];
        let (objects, refused) = Objects::new(spans).unwrap();
        assert!(refused.is_empty());
        assert_eq!(objects.len(), 4);
        let addrs: Vec<u64> = objects.iter().map(|object| object.addr.get()).collect();
        assert_eq!(addrs, [far, 0xc0_0000_0000, 0xc0_0000_0000 + 65 * 48, 0xc0_0000_0000 + 169 * 48]);
        assert_eq!(objects.find(Addr::new(0xc0_0000_0000 + 65 * 48 + 47)), Some((ObjectId(2), 47)));
        assert_eq!(objects.find(Addr::new(0xc0_0000_0000 + 66 * 48)), None);
        assert!(objects.is_free_slot(Addr::new(0xc0_0000_0000 + 66 * 48)));
        assert!(
            !objects.is_free_slot(Addr::new(0xc0_0000_0000 + 65 * 48)) && !objects.is_free_slot(Addr::new(8))
        );
        assert_eq!(objects.find(Addr::new(0xc0_0000_0000 + 170 * 48)), None);
        assert_eq!(objects.find(Addr::new(far - 1)), None);
        assert_eq!(objects.find(Addr::new(0)), None);
        assert_eq!(objects.find(Addr::new(u64::MAX)), None);
    }

    #[test]
    fn a_heap_that_claims_the_whole_address_space_costs_no_table() {
        let huge = 1 << 46;
        let (objects, _) =
            Objects::new(vec![span(0x2000, huge, 1, &[0]), span(huge * 2, 16, 9, &[8])]).unwrap();
        assert!(objects.pages.is_empty());
        assert_eq!(objects.find(Addr::new(huge - 1)), Some((ObjectId(0), huge - 1 - 0x2000)));
        assert_eq!(objects.find(Addr::new(huge * 2 + 8 * 16 + 1)), Some((ObjectId(1), 1)));
        assert_eq!(objects.find(Addr::new(huge * 2)), None);
        assert_eq!(objects.find(Addr::new(0x1000)), None);
    }

    #[test]
    fn a_malloc_header_belongs_to_no_object() {
        let with_header = SpanRow { header: 8, ..span(0x10_0000, 1024, 8, &[0, 3]) };
        let (objects, _) = Objects::new(vec![with_header]).unwrap();
        assert_eq!(objects.addr(ObjectId(1)), Addr::new(0x10_0000 + 3 * 1024 + 8));
        assert_eq!(objects.find(Addr::new(0x10_0000 + 3 * 1024 + 8)), Some((ObjectId(1), 0)));
        assert_eq!(objects.find(Addr::new(0x10_0000)), None);
        assert_eq!((objects.size(ObjectId(1)), objects.value_size(ObjectId(1))), (1024, 1016));
    }

    #[test]
    fn spans_that_cannot_be_are_refused() {
        let spans = vec![
            span(0x2000, 8192, 1, &[0]),
            span(0x3000, 16, 4, &[0]),
            span(0x8000, 0, 4, &[0]),
            span(u64::MAX - 4096, 8, 4, &[0]),
            SpanRow { allocated: Box::new([1 << 5]), ..span(0xa000, 16, 4, &[]) },
        ];
        let (objects, refused) = Objects::new(spans).unwrap();
        assert_eq!((objects.len(), refused.len()), (1, 4));
    }

    proptest! {
        #[test]
        fn what_iter_says_find_finds(
            rows in prop::collection::vec((0u64..1 << 20, 1u64..5000, 1u32..200, any::<u64>()), 0..20),
            probe: u64,
        ) {
            let spans = rows.iter().map(|&(page, size, slots, seed)| {
                let allocated: Vec<u32> = (0..slots).filter(|slot| seed.rotate_left(*slot) & 1 == 1).collect();
                span(page << 13, size, slots, &allocated)
            });
            let (objects, _) = Objects::new(spans.collect()).unwrap();
            for object in objects.iter() {
                let last = Addr::new(object.addr.get() + object.size - 1);
                prop_assert_eq!(objects.find(object.addr), Some((object.id, 0)));
                prop_assert_eq!(objects.find(last), Some((object.id, object.size - 1)));
                prop_assert_eq!(objects.addr(object.id), object.addr);
                prop_assert_eq!(objects.size(object.id), object.size);
            }
            prop_assert_eq!(objects.iter().count() as u32, objects.len());
            let _ = objects.find(Addr::new(probe));
            let _ = objects.addr(ObjectId(probe as u32));
        }
    }
}
