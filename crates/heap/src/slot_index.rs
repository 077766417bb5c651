//! The way from an address to the object that holds it.
//!
//! Three steps: page → span by one table a 64 MB region, offset → slot by a multiplication, slot → id by counting the
//! allocated slots before it. None of them depends on where the heap lies: Go 1.26 puts it at a random place.
#![allow(clippy::indexing_slicing, reason = "indices come from this module's own dense arrays")]

use crate::error::HeapError;
use crate::graph::ObjectId;
use crate::objects::{PAGE_SHIFT, SpanRow, too_many};

const REGION_SHIFT: u32 = 26;
const PAGES_IN_REGION: usize = 1 << (REGION_SHIFT - PAGE_SHIFT);
/// Addresses that are looked up together.
const TOGETHER: usize = 64;

/// What lies at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// An allocated object, and how far behind its start.
    Object { id: ObjectId, offset: u64 },
    /// A slot of an in-use span that holds no object.
    FreeSlot,
    /// Nothing: not in the heap, or in a malloc header or a span's unused tail.
    Nothing,
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
    /// Its first word in [`SlotIndex::words`].
    first_word: u32,
}

/// 64 slots of a span: which are allocated, and the id of the first.
#[derive(Debug, Clone, Copy)]
struct SlotWord {
    allocated: u64,
    first: u32,
}

/// Finds the objects of a heap by address.
#[derive(Debug, Clone, Default)]
pub(crate) struct SlotIndex {
    hot: Vec<HotSpan>,
    words: Vec<SlotWord>,
    /// Start of the first region that holds a span.
    lowest: u64,
    /// By region from `lowest`: 1 + the index of its page table, 0 for none.
    regions: Vec<u32>,
    /// By page of a region: 1 + the index of its span, 0 for none.
    pages: Vec<u32>,
}

impl SlotIndex {
    /// The index of spans that are in order and do not overlap, and whose objects are numbered.
    pub(crate) fn of(spans: &[SpanRow]) -> Result<SlotIndex, HeapError> {
        let mut index = SlotIndex { lowest: lowest_region(spans), ..SlotIndex::default() };
        index.hot.reserve_exact(spans.len());
        index.words.reserve_exact(spans.iter().map(|span| span.allocated.len()).sum());
        for span in spans {
            index.hot.push(HotSpan {
                base: span.base.get() + span.header,
                slot_size: span.slot_size,
                magic: if span.slots == 1 { 0 } else { magic(span.slot_size) },
                slots: span.slots,
                first_word: u32::try_from(index.words.len()).map_err(|_| too_many())?,
            });
            let mut first = span.first.0;
            for &allocated in &span.allocated {
                index.words.push(SlotWord { allocated, first });
                first += allocated.count_ones();
            }
        }
        if table_is_worth_it(spans) {
            index.map_pages(spans);
        }
        Ok(index)
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

    /// What lies at an address.
    #[inline]
    pub(crate) fn find(&self, addr: u64) -> Found {
        self.found(self.place(addr, self.span_number(addr)))
    }

    /// What lies at each of many addresses: the steps of all are done together, so that the waits for memory overlap.
    pub(crate) fn find_all(&self, addrs: &[u64], found: &mut [Found]) {
        for (addrs, found) in addrs.chunks(TOGETHER).zip(found.chunks_mut(TOGETHER)) {
            let (mut numbers, mut places) = ([0; TOGETHER], [NOWHERE; TOGETHER]);
            for (number, &addr) in numbers.iter_mut().zip(addrs) {
                *number = self.span_number(addr);
            }
            for ((place, &addr), &number) in places.iter_mut().zip(addrs).zip(&numbers) {
                *place = self.place(addr, number);
            }
            for (found, &place) in found.iter_mut().zip(&places) {
                *found = self.found(place);
            }
        }
    }

    /// Whether spans are found by tables.
    #[cfg(test)]
    pub(crate) fn has_tables(&self) -> bool {
        !self.pages.is_empty()
    }

    /// 1 + the index of the span on whose pages `addr` lies; 0 for none.
    #[inline]
    fn span_number(&self, addr: u64) -> u32 {
        if self.regions.is_empty() {
            return self.hot.partition_point(|span| span.base <= addr) as u32;
        }
        let distance = addr.wrapping_sub(self.lowest);
        let Some(&region) = self.regions.get((distance >> REGION_SHIFT) as usize) else { return 0 };
        let page = (distance >> PAGE_SHIFT) as usize % PAGES_IN_REGION;
        let cell = (region as usize).wrapping_sub(1).wrapping_mul(PAGES_IN_REGION).wrapping_add(page);
        self.pages.get(cell).copied().unwrap_or(0)
    }

    /// Where in `words` an address of the span of this number stands.
    #[inline]
    fn place(&self, addr: u64, number: u32) -> Place {
        let Some(span) = self.hot.get((number as usize).wrapping_sub(1)) else { return NOWHERE };
        match span.slot_at(addr) {
            Some((slot, offset)) => Place { word: span.first_word + slot / 64, bit: slot % 64, offset },
            None => NOWHERE,
        }
    }

    #[inline]
    fn found(&self, place: Place) -> Found {
        let Some(word) = self.words.get(place.word as usize) else { return Found::Nothing };
        let bit = 1u64 << place.bit;
        if word.allocated & bit == 0 {
            return Found::FreeSlot;
        }
        let before = (word.allocated & (bit - 1)).count_ones();
        Found::Object { id: ObjectId(word.first + before), offset: place.offset }
    }
}

/// One slot of 64 that share a word, and an offset in it.
#[derive(Debug, Clone, Copy)]
struct Place {
    word: u32,
    bit: u32,
    offset: u64,
}

/// In no slot.
const NOWHERE: Place = Place { word: u32::MAX, bit: 0, offset: 0 };

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
