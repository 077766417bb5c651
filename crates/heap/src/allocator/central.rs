//! The lists of spans by class that all processors share (`runtime.mcentral`).

use leakscope_goruntime::Slot;
use leakscope_model::Addr;

use super::{Allocator, processors::words_in};
use crate::counters::note;
use crate::error::HeapError;
use crate::fields::{WORD, need, read_slot};

/// Span classes: size classes with and without pointers. What `mcache.alloc` holds; more is not believed.
const MOST_CLASSES: u64 = 1 << 10;

/// One list of spans (`runtime.spanSet`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SpanSet {
    /// Where it stands.
    pub at: Addr,
    /// How many spans it lists. Spans that were swept out of turn are listed still.
    pub spans: u64,
    /// Of the first.
    head: u64,
}

/// The lists of one span class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Central {
    /// Size class.
    pub class: u8,
    /// Whether its objects hold no pointers.
    pub noscan: bool,
    /// Swept spans with a free slot.
    pub partial_swept: SpanSet,
    /// Spans with a free slot that are to be swept.
    pub partial_unswept: SpanSet,
    /// Swept spans without.
    pub full_swept: SpanSet,
    /// Spans without a free slot that are to be swept.
    pub full_unswept: SpanSet,
}

impl Allocator<'_, '_> {
    /// The lists of every class.
    pub fn central(&mut self) -> Vec<Central> {
        match self.read_central() {
            Ok(central) => central,
            Err(err) => {
                note(&mut self.gaps, "memory", &err);
                Vec::new()
            }
        }
    }

    fn read_central(&self) -> Result<Vec<Central>, HeapError> {
        let layout = &self.runtime.layout;
        let central = need(layout, "mheap.central")?;
        let classes = (need(layout, "mcache.alloc")?.width / WORD).clamp(1, MOST_CLASSES);
        let step = central.width / classes;
        let mut found = Vec::new();
        for class in 0..classes {
            let at = self.mheap.get().wrapping_add(central.offset).wrapping_add(class.wrapping_mul(step));
            let set = |path, which| self.span_set(Addr::new(at), path, which);
            // Which of the two is that of swept spans goes to and fro with the generation.
            let swept = u64::from(self.sweep_generation / 2 % 2);
            found.push(Central {
                class: u8::try_from(class / 2).unwrap_or(u8::MAX),
                noscan: class % 2 == 1,
                partial_swept: set("mcentral.partial", swept)?,
                partial_unswept: set("mcentral.partial", 1 - swept)?,
                full_swept: set("mcentral.full", swept)?,
                full_unswept: set("mcentral.full", 1 - swept)?,
            });
        }
        Ok(found)
    }

    fn span_set(&self, mcentral: Addr, path: &'static str, which: u64) -> Result<SpanSet, HeapError> {
        let layout = &self.runtime.layout;
        let pair = need(layout, path)?;
        let offset = pair.offset + pair.width / 2 * which;
        let at = Addr::new(mcentral.get().wrapping_add(offset));
        let index = read_slot(self.memory, at, need(layout, "spanSet.index")?, "spanSet.index")?;
        let (head, tail) = (index >> 32, index & 0xffff_ffff);
        Ok(SpanSet { at, spans: tail.saturating_sub(head), head })
    }

    /// The spans of a list, as far as they are known, in its order.
    pub fn listed_spans(&mut self, set: &SpanSet) -> Vec<Addr> {
        match self.read_listed(set) {
            Ok(spans) => spans,
            Err(err) => {
                note(&mut self.gaps, "memory", &err);
                Vec::new()
            }
        }
    }

    fn read_listed(&self, set: &SpanSet) -> Result<Vec<Addr>, HeapError> {
        let layout = &self.runtime.layout;
        if set.spans == 0 {
            return Ok(Vec::new());
        }
        let pointer = Slot { offset: 0, width: WORD };
        let spine_slot = Slot { width: WORD, ..need(layout, "spanSet.spine")? };
        let spine = read_slot(self.memory, set.at, spine_slot, "spanSet.spine")?;
        let spans = need(layout, "spanSetBlock.spans")?;
        let entries = (spans.width / WORD).max(1);
        // A list is no longer than all spans are many, twice: a span may be in a list that it left in spirit.
        let end = set.head + set.spans.min(2 * self.spans.len() as u64 + entries);
        let mut found = Vec::new();
        for block in set.head / entries..end.div_ceil(entries) {
            let at = Addr::new(spine.wrapping_add(block.wrapping_mul(WORD)));
            let block_at = Addr::new(read_slot(self.memory, at, pointer, "spanSet.spine")?);
            if block_at.is_nil() {
                continue;
            }
            let bytes = self.structure("spanSetBlock", block_at)?;
            let first = block * entries;
            let within = words_in(&bytes, spans).zip(first..).filter(|(_, at)| (set.head..end).contains(at));
            found
                .extend(within.map(|(span, _)| Addr::new(span)).filter(|at| self.by_record.contains_key(at)));
        }
        Ok(found)
    }

    /// Stacks of one size that lie free in spans of the heap: `(bytes of a stack, spans, free stacks)`, by size
    /// (`runtime.stackpool`).
    pub fn stack_spans(&self) -> Vec<(u64, u64, u64)> {
        let mut rows: std::collections::BTreeMap<u64, (u64, u64)> = std::collections::BTreeMap::new();
        for span in self.spans.iter().filter(|span| span.used_for == super::SpanUse::Stacks) {
            let room = span.bytes().checked_div(span.slot_size).unwrap_or(0);
            let row = rows.entry(span.slot_size).or_default();
            row.0 += 1;
            row.1 += room.saturating_sub(u64::from(span.allocated));
        }
        rows.into_iter().map(|(bytes, (spans, free))| (bytes, spans, free)).collect()
    }
}
