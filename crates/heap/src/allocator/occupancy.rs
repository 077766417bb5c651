//! How full the spans are, by size class: where memory that is in use holds no object.

use std::collections::BTreeMap;

use super::{Allocator, SweepState, size_classes};
use crate::objects::{Objects, SpanRow};

/// Into how many steps of fullness spans are counted.
pub const STEPS: usize = 8;

/// The spans of one size class, those with and those without pointers apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpanClass {
    /// The size class; 0 for large objects, each of which has a span of its own.
    pub class: u8,
    /// Whether its objects may hold pointers.
    pub pointers: bool,
    /// Bytes of a slot; 0 for large objects.
    pub slot_bytes: u64,
    /// Spans.
    pub spans: u64,
    /// Bytes of the spans.
    pub bytes: u64,
    /// Allocated objects, garbage that was not swept among them.
    pub objects: u64,
    /// Bytes of their slots.
    pub object_bytes: u64,
    /// Free slots.
    pub free_slots: u64,
    /// Bytes of them.
    pub free_bytes: u64,
    /// Bytes of spans that are no slot: what is left at their ends, and the pointer maps and mark bits there.
    pub tail_bytes: u64,
    /// Spans by how full they are: from empty to full.
    pub by_fullness: [u64; STEPS],
    /// Spans in caches of processors; `None` where memory is not at hand.
    pub cached: Option<u64>,
    /// Spans that are still to be swept; `None` where memory is not at hand.
    pub unswept: Option<u64>,
}

/// The spans of every class that has any, in order of class.
pub fn by_class(objects: &Objects, allocator: Option<&Allocator<'_, '_>>) -> Vec<SpanClass> {
    let mut classes: BTreeMap<(u8, bool), SpanClass> = BTreeMap::new();
    for span in objects.spans() {
        let class = class_of(span);
        let row = classes.entry((class, span.noscan)).or_default();
        (row.class, row.pointers) = (class, !span.noscan);
        row.slot_bytes = size_classes::slot_bytes(usize::from(class));
        row.add(span);
    }
    if let Some(allocator) = allocator {
        classes.values_mut().for_each(|row| (row.cached, row.unswept) = (Some(0), Some(0)));
        for span in allocator.spans() {
            let Some(row) = classes.get_mut(&(span.class, span.noscan)) else { continue };
            let state = allocator.sweep_state(span);
            let is = |states: &[SweepState]| u64::from(states.contains(&state));
            row.cached = row.cached.map(|n| n + is(&[SweepState::Cached, SweepState::CachedUnswept]));
            row.unswept = row
                .unswept
                .map(|n| n + is(&[SweepState::Unswept, SweepState::Sweeping, SweepState::CachedUnswept]));
        }
    }
    classes.into_values().collect()
}

/// The size class of a span: that of large objects where it has one slot of no class.
pub fn class_of(span: &SpanRow) -> u8 {
    size_classes::class_of(span.slot_size)
}

impl SpanClass {
    fn add(&mut self, span: &SpanRow) {
        let (taken, slots) = (u64::from(span.count()), u64::from(span.slots));
        let free = slots.saturating_sub(taken);
        let bytes = span.span_bytes();
        self.spans += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.objects += taken;
        self.object_bytes = self.object_bytes.saturating_add(taken.saturating_mul(span.slot_size));
        self.free_slots += free;
        self.free_bytes = self.free_bytes.saturating_add(free.saturating_mul(span.slot_size));
        let in_slots = slots.saturating_mul(span.slot_size);
        self.tail_bytes = self.tail_bytes.saturating_add(bytes.saturating_sub(in_slots));
        let step = taken.saturating_mul(STEPS as u64).checked_div(slots).unwrap_or(0);
        let step = usize::try_from(step).unwrap_or(STEPS).min(STEPS - 1);
        if let Some(count) = self.by_fullness.get_mut(step) {
            *count += 1;
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::*;
    use crate::graph::ObjectId;
    use leakscope_model::Addr;

    fn span(base: u64, slot_size: u64, slots: u32, allocated: &[u64]) -> SpanRow {
        let allocated = allocated.into();
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
    fn spans_are_counted_by_how_full_they_are() {
        let spans = vec![
            span(0x2_0000, 1152, 7, &[0b111_1111]),
            span(0x2_2000, 1152, 7, &[0b1]),
            span(0x10_0000, 40_960, 1, &[1]),
        ];
        let (objects, refused) = Objects::new(spans).unwrap();
        assert_eq!(refused, []);
        let rows = by_class(&objects, None);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].class, rows[0].slot_bytes, rows[0].object_bytes), (0, 0, 40_960));
        let small = &rows[1];
        assert_eq!((small.class, small.spans, small.bytes), (33, 2, 16_384));
        assert_eq!((small.objects, small.free_slots, small.tail_bytes), (8, 6, 2 * (8192 - 7 * 1152)));
        assert_eq!(small.by_fullness, [0, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(small.bytes, small.object_bytes + small.free_bytes + small.tail_bytes);
    }
}
