//! Every allocated object of a heap under a dense id, and the way from an address to its object and back.
//!
//! The way from an address to an object is in [`crate::slot_index`].
#![allow(clippy::indexing_slicing, reason = "indices come from this module's own dense arrays")]

use std::ops::Range;

use leakscope_model::Addr;

use crate::error::HeapError;
use crate::graph::ObjectId;
use crate::slot_index::{Found, SlotIndex};

/// Bytes of a page of the Go heap (`runtime/internal/sys.PageSize`); the same in every version and port.
pub const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;
pub(crate) const PAGE_SHIFT: u32 = 13;
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

    /// Bytes of its slots; `None` where they are more than can be.
    pub(crate) fn bytes(&self) -> Option<u64> {
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

/// Every allocated object: spans in address order.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    spans: Vec<SpanRow>,
    len: u32,
    index: SlotIndex,
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
        let len = number(&mut spans)?;
        let mut objects = Objects { index: SlotIndex::of(&spans)?, spans, len, steps: Vec::new() };
        objects.map_steps();
        Ok((objects, refused))
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
        match self.index.find(addr.get()) {
            Found::Object { id, offset } => Some((id, offset)),
            Found::FreeSlot | Found::Nothing => None,
        }
    }

    /// The way from addresses to objects.
    pub(crate) fn index(&self) -> &SlotIndex {
        &self.index
    }
}

/// Gives each span the id of its first object; how many objects there are.
fn number(spans: &mut [SpanRow]) -> Result<u32, HeapError> {
    let mut len = 0u32;
    for span in spans {
        span.first = ObjectId(len);
        len = len.checked_add(span.count()).ok_or_else(too_many)?;
    }
    Ok(len)
}

pub(crate) fn too_many() -> HeapError {
    HeapError::TooMany { what: "objects", limit: u64::from(u32::MAX) }
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
        assert_eq!(objects.index().find(0xc0_0000_0000 + 66 * 48), Found::FreeSlot);
        assert_eq!(objects.index().find(8), Found::Nothing);
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
        assert!(!objects.index().has_tables());
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
            let mut probes: Vec<u64> = objects.iter().flat_map(|object| [object.addr.get(), object.addr.get() ^ probe >> 48]).collect();
            probes.push(probe);
            let mut found = vec![Found::Nothing; probes.len()];
            objects.index().find_all(&probes, &mut found);
            let one_by_one: Vec<Found> = probes.iter().map(|&probe| objects.index().find(probe)).collect();
            prop_assert_eq!(found, one_by_one, "many at once are found as one by one");
            let _ = objects.addr(ObjectId(probe as u32));
        }
    }
}
