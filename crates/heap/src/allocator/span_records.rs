//! Every `runtime.mspan` that is in use, as it stands in memory: of objects, of stacks, of the collector.

use leakscope_goruntime::{Layout, Slot};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{SliceHead, need, read_slice, read_words, uint};
use crate::gather::gather;
use crate::objects::PAGE_BYTES;

/// More spans than a 48-bit address space has room for in practice: 2³² pages of 8 KB are 32 TB.
const MAX_SPANS: u64 = 1 << 28;
/// The longest span that is believed, in pages: 1 TB.
const MAX_PAGES: u64 = 1 << 27;

/// What a span is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpanUse {
    /// Objects of the program (`mSpanInUse`).
    Objects,
    /// Stacks of goroutines and, without cgo, of threads (`mSpanManual` with a slot size).
    Stacks,
    /// Work buffers of the collector (`mSpanManual` without).
    Collector,
}

/// One span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpanRecord {
    /// Where its `mspan` stands.
    pub at: Addr,
    /// First address of its memory.
    pub base: Addr,
    /// Pages of 8 KB.
    pub pages: u64,
    /// What it is used for.
    pub used_for: SpanUse,
    /// Its size class (`mspan.spanclass` without its lowest bit).
    pub class: u8,
    /// Whether no object in it holds pointers.
    pub noscan: bool,
    /// Bytes of a slot.
    pub slot_size: u64,
    /// Slots (`mspan.nelems`); 0 for spans of stacks and of the collector.
    pub slots: u32,
    /// Slots that are taken, as the runtime counts them (`mspan.allocCount`): stacks too.
    pub allocated: u32,
    /// The same when the span came into the cache of a processor.
    pub before_cache: u32,
    /// Every slot below it is taken.
    pub free_index: u32,
    /// The next 64 slots from there, complemented: set where one is free (`mspan.allocCache`).
    pub free_cache: u64,
    /// Against `mheap.sweepgen`: whether the span was swept, and whether a processor has it.
    pub sweep_generation: u32,
}

impl SpanRecord {
    /// Bytes of its memory.
    pub fn bytes(&self) -> u64 {
        self.pages.saturating_mul(PAGE_BYTES)
    }

    /// The next free slot, where one is among the 64 that the runtime looks ahead (`nextFreeFast` in
    /// `runtime/malloc.go`).
    pub fn next_free(&self) -> Option<u32> {
        let ahead = (self.free_cache != 0).then(|| self.free_cache.trailing_zeros())?;
        self.free_index.checked_add(ahead).filter(|slot| *slot < self.slots)
    }

    /// Behind its last byte.
    pub fn end(&self) -> u64 {
        self.base.get().saturating_add(self.bytes())
    }
}

/// Reads the records of all spans in use, in order of address. One that contradicts itself is left out: the
/// reading of the heap, which looks at the same, has said so.
pub(super) fn read(
    memory: &dyn TargetMemory,
    layout: &Layout,
    mheap: Addr,
    gaps: &mut Vec<Gap>,
) -> Result<Vec<SpanRecord>, HeapError> {
    let fields = Fields::of(layout)?;
    let path = "mheap.allspans";
    let at = Addr::new(mheap.get().wrapping_add(need(layout, path)?.offset));
    let head: SliceHead = read_slice(memory, at, MAX_SPANS, path)?;
    let mut listed = read_words(memory, head, path)?;
    listed.sort_unstable();
    listed.dedup();
    let wants: Vec<_> = listed.iter().map(|&at| (Addr::new(at), fields.size)).collect();
    let mut found = Vec::with_capacity(listed.len());
    let mut unread = 0u64;
    gather(memory, &wants, |index, bytes| match (wants.get(index), bytes) {
        (Some(&(at, _)), Ok(bytes)) => found.extend(fields.decode(at, bytes)),
        _ => unread += 1,
    });
    if unread > 0 {
        gaps.push(Gap::new("memory", format!("{unread} of the runtime's records of spans cannot be read")));
    }
    found.sort_unstable_by_key(|span| span.base);
    found.dedup_by_key(|span| span.base);
    Ok(found)
}

struct Fields {
    size: u64,
    base: Slot,
    pages: Slot,
    free_index: Slot,
    free_cache: Slot,
    slots: Slot,
    sweep_generation: Slot,
    allocated: Slot,
    class: Slot,
    state: Slot,
    before_cache: Slot,
    slot_size: Slot,
    in_use: u64,
    manual: u64,
}

impl Fields {
    fn of(layout: &Layout) -> Result<Fields, HeapError> {
        let byte = |slot: Slot| Slot { width: 1, ..slot };
        let state =
            |name, usual: u64| layout.constant(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(usual);
        let size = layout.size("mspan").ok_or_else(|| HeapError::missing("mspan"))?;
        Ok(Fields {
            size: size.min(PAGE_BYTES),
            base: need(layout, "mspan.startAddr")?,
            pages: need(layout, "mspan.npages")?,
            free_index: need(layout, "mspan.freeindex")?,
            free_cache: need(layout, "mspan.allocCache")?,
            slots: need(layout, "mspan.nelems")?,
            sweep_generation: need(layout, "mspan.sweepgen")?,
            allocated: need(layout, "mspan.allocCount")?,
            class: byte(need(layout, "mspan.spanclass")?),
            state: byte(need(layout, "mspan.state")?),
            before_cache: need(layout, "mspan.allocCountBeforeCache")?,
            slot_size: need(layout, "mspan.elemsize")?,
            in_use: state("mSpanInUse", 1),
            manual: state("mSpanManual", 2),
        })
    }

    /// `None` for a span that is not in use, and for one that cannot be.
    fn decode(&self, at: Addr, bytes: &[u8]) -> Option<SpanRecord> {
        let small = |slot| u32::try_from(uint(bytes, slot)?).ok();
        let (state, slot_size) = (uint(bytes, self.state)?, uint(bytes, self.slot_size)?);
        let used_for = match (state, slot_size) {
            (state, _) if state == self.in_use => SpanUse::Objects,
            (state, 0) if state == self.manual => SpanUse::Collector,
            (state, _) if state == self.manual => SpanUse::Stacks,
            _ => return None,
        };
        let (base, pages) = (uint(bytes, self.base)?, uint(bytes, self.pages)?);
        let sound = base != 0 && base.is_multiple_of(PAGE_BYTES) && (1..=MAX_PAGES).contains(&pages);
        let class = u8::try_from(uint(bytes, self.class)?).ok()?;
        sound.then_some(SpanRecord {
            at,
            base: Addr::new(base),
            pages,
            used_for,
            class: class >> 1,
            noscan: class & 1 == 1,
            slot_size,
            slots: small(self.slots)?,
            allocated: small(self.allocated)?,
            before_cache: small(self.before_cache)?,
            free_index: small(self.free_index)?,
            free_cache: uint(bytes, self.free_cache)?,
            sweep_generation: small(self.sweep_generation)?,
        })
    }
}
