//! What `ReadMemStats` does before it counts: it empties the caches of all processors (`flushallmcaches` in
//! `runtime/mcache.go` and `runtime/stack.go`). Nothing is changed here; what it would change is added up.

use std::collections::BTreeMap;

use leakscope_model::Addr;

use super::size_classes::CLASSES;
use super::{Allocator, Processor, SpanRecord, SweepState};

/// What emptying the caches would change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flush {
    /// Slots taken since the span came into the cache, by size class.
    pub(super) slots: [u64; CLASSES],
    /// Their bytes.
    pub(super) bytes: u64,
    /// Objects packed into blocks since.
    pub(super) tiny: u64,
    /// Spans of stacks that would have no stack left, which go back to the heap.
    pub(super) stack_spans: u64,
    /// Their bytes.
    pub(super) stack_bytes: u64,
    /// Spans that came into a cache before the last collection: emptying would sweep them too.
    pub(super) unswept_spans: u64,
    /// Slots of those that are counted as allocated: the most that the sweep could free.
    pub(super) unswept_slots: u64,
    /// Bytes of those slots.
    pub(super) unswept_bytes: u64,
    /// Bytes of those spans.
    pub(super) unswept_span_bytes: u64,
    /// Spans that go back to the lists of their class.
    pub(super) returned: u64,
}

impl Allocator<'_, '_> {
    /// What emptying the caches of `processors` would change. `collecting`: a collection is under way, in which
    /// stacks do not go back to the heap.
    pub(super) fn flush(&self, processors: &[Processor], collecting: bool) -> Flush {
        let mut flush = Flush {
            slots: [0; CLASSES],
            bytes: 0,
            tiny: processors.iter().map(|processor| processor.tiny_allocs).fold(0, u64::wrapping_add),
            stack_spans: 0,
            stack_bytes: 0,
            unswept_spans: 0,
            unswept_slots: 0,
            unswept_bytes: 0,
            unswept_span_bytes: 0,
            returned: 0,
        };
        for span in processors.iter().flat_map(|processor| self.cached(processor)) {
            flush.take_span(span, self.sweep_state(span));
        }
        if !collecting {
            self.take_stacks(&mut flush, processors);
        }
        flush
    }

    fn take_stacks(&self, flush: &mut Flush, processors: &[Processor]) {
        let mut free: BTreeMap<Addr, u32> = BTreeMap::new();
        let stacks = processors.iter().flat_map(|processor| &processor.stacks).flat_map(|list| &list.stacks);
        for span in stacks.filter_map(|&stack| self.span_at(stack)) {
            *free.entry(span.at).or_default() += 1;
        }
        let empty = free
            .iter()
            .filter_map(|(at, free)| self.span_of_record(*at).filter(|span| span.allocated == *free));
        for span in empty {
            flush.stack_spans += 1;
            flush.stack_bytes = flush.stack_bytes.saturating_add(span.bytes());
        }
    }
}

impl Flush {
    fn take_span(&mut self, span: &SpanRecord, state: SweepState) {
        let taken = u64::from(span.allocated.saturating_sub(span.before_cache));
        if let Some(slots) = self.slots.get_mut(usize::from(span.class)) {
            *slots += taken;
        }
        self.bytes = self.bytes.saturating_add(taken.saturating_mul(span.slot_size));
        self.returned += 1;
        if state == SweepState::CachedUnswept {
            let slots = u64::from(span.allocated);
            self.unswept_spans += 1;
            self.unswept_slots += slots;
            self.unswept_bytes = self.unswept_bytes.saturating_add(slots.saturating_mul(span.slot_size));
            self.unswept_span_bytes = self.unswept_span_bytes.saturating_add(span.bytes());
        }
    }
}
