//! How a part of a span divides into live objects, garbage, free slots and the end of the span.

use crate::graph::Heap;
use crate::objects::SpanRow;

/// Bytes of a part of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Divided {
    pub(super) live: u64,
    pub(super) garbage: u64,
    pub(super) free: u64,
    pub(super) tail: u64,
}

/// Divides the bytes `start..end`, which lie in the span.
pub(super) fn divide(heap: &Heap, span: &SpanRow, start: u64, end: u64) -> Divided {
    let base = span.base.get();
    let (from, to) = (start.saturating_sub(base), end.saturating_sub(base));
    let size = span.slot_size.max(1);
    let slots_end = size.saturating_mul(u64::from(span.slots));
    let mut divided = Divided { tail: to.saturating_sub(from.max(slots_end)), ..Divided::default() };
    let in_slots = to.min(slots_end).saturating_sub(from);
    for (slot, id) in span.allocated_slots().zip(span.first.0..) {
        let begin = u64::from(slot).saturating_mul(size);
        if begin >= to {
            break;
        }
        let bytes = begin.saturating_add(size).min(to).saturating_sub(begin.max(from));
        let reached = heap.reached_by.get(id as usize).is_some_and(|by| by.is_reached());
        *(if reached { &mut divided.live } else { &mut divided.garbage }) += bytes;
    }
    divided.free = in_slots.saturating_sub(divided.live).saturating_sub(divided.garbage);
    divided
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::*;
    use crate::graph::{ObjectId, ReachedBy};
    use crate::objects::Objects;
    use leakscope_model::Addr;
    use proptest::prelude::*;

    fn heap() -> Heap {
        let span = SpanRow {
            base: Addr::new(0x2000),
            slot_size: 1152,
            header: 0,
            slots: 7,
            noscan: false,
            allocated: [0b101_0101].into(),
            first: ObjectId(0),
        };
        let (objects, _) = Objects::new(vec![span]).unwrap();
        let reached_by = vec![ReachedBy(1), ReachedBy::NOT, ReachedBy(2), ReachedBy::NOT];
        Heap { objects, reached_by, ..Heap::default() }
    }

    #[test]
    fn a_whole_span_is_its_objects_its_free_slots_and_its_end() {
        let heap = heap();
        let whole = divide(&heap, &heap.objects.spans()[0], 0x2000, 0x4000);
        assert_eq!(
            whole,
            Divided { live: 2 * 1152, garbage: 2 * 1152, free: 3 * 1152, tail: 8192 - 7 * 1152 }
        );
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(cut in 0u64..=8192) {
            let heap = heap();
            let span = &heap.objects.spans()[0];
            let (left, right) = (divide(&heap, span, 0x2000, 0x2000 + cut), divide(&heap, span, 0x2000 + cut, 0x4000));
            let sum = |d: Divided| d.live + d.garbage + d.free + d.tail;
            prop_assert_eq!((sum(left), sum(right)), (cut, 8192 - cut));
            let whole = divide(&heap, span, 0x2000, 0x4000);
            prop_assert_eq!((left.live + right.live, left.tail + right.tail), (whole.live, whole.tail));
        }
    }
}
