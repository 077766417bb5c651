//! Kinds of slots, and which values fit them.
#![allow(clippy::indexing_slicing, reason = "classes of our own making index arrays of the same length")]

use std::collections::BTreeMap;

use crate::graph::{ObjectId, Objects};

/// The largest size of a small object's slot (`internal/runtime/gc.MaxSmallSize` rounded up to its class).
const LARGEST_SMALL: u64 = 32 << 10;
/// Large objects take whole pages.
const PAGE: u64 = 8 << 10;
/// Values without pointers below this size share a slot (`runtime.maxTinySize`).
const TINY: u64 = 16;

/// What all slots of one kind have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotClass {
    /// Bytes of the slot.
    pub(super) slot_size: u64,
    /// Bytes of the malloc header in it.
    pub(super) header: u64,
    /// Whether the runtime looks for no pointers in it.
    pub(super) noscan: bool,
    /// Bytes of the next smaller slot: what needs no more would have been put there.
    smaller: u64,
}

impl SlotClass {
    /// The most that a value in it can take.
    pub(super) fn capacity(self) -> u64 {
        self.slot_size - self.header
    }

    /// Whether several small values may share it (`runtime.mallocgcTiny`).
    pub(super) fn is_tiny(self) -> bool {
        self.noscan && self.slot_size == TINY
    }

    /// Whether the allocator would choose this slot for one value of `size` bytes.
    pub(super) fn fits(self, size: u64) -> bool {
        let needed = size.saturating_add(self.header);
        let shared = self.is_tiny() && size < TINY;
        size > 0 && needed <= self.slot_size && self.smaller < needed && !shared
    }
}

/// The kinds of slots of a heap; an object's kind is an index.
#[derive(Debug)]
pub(super) struct SlotClasses {
    classes: Vec<SlotClass>,
}

/// An index into [`SlotClasses`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ClassId(pub(super) u16);

impl SlotClasses {
    /// Finds the kinds and the kind of each object. Kinds beyond what 16 bits count share the last.
    pub(super) fn of(objects: &Objects) -> (SlotClasses, Vec<(ObjectId, ClassId)>) {
        let mut ids: BTreeMap<(u64, u64, bool), u16> = BTreeMap::new();
        for span in objects.spans() {
            ids.insert((span.slot_size, span.header, span.noscan), 0);
        }
        let mut smaller: (u64, u64) = (0, 0);
        let mut classes = Vec::new();
        for ((slot_size, header, noscan), id) in &mut ids {
            if smaller.1 < *slot_size {
                smaller = (smaller.1, *slot_size);
            }
            let smaller =
                if *slot_size > LARGEST_SMALL { slot_size - PAGE.min(*slot_size) } else { smaller.0 };
            *id = u16::try_from(classes.len()).unwrap_or(u16::MAX);
            if classes.len() <= usize::from(u16::MAX) {
                classes.push(SlotClass { slot_size: *slot_size, header: *header, noscan: *noscan, smaller });
            }
        }
        let class_of_span = |span: &crate::graph::SpanRow| {
            let id = ids.get(&(span.slot_size, span.header, span.noscan)).copied();
            (span.first, ClassId(id.unwrap_or(u16::MAX)))
        };
        (SlotClasses { classes }, objects.spans().iter().map(class_of_span).collect())
    }

    pub(super) fn get(&self, id: ClassId) -> SlotClass {
        self.classes[usize::from(id.0)]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = SlotClass> + '_ {
        self.classes.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::SpanRow;
    use leakscope_model::Addr;

    fn span(page: u64, slot_size: u64, noscan: bool) -> SpanRow {
        SpanRow {
            base: Addr::new(page << 13),
            slot_size,
            header: if !noscan && slot_size > 512 && slot_size <= LARGEST_SMALL { 8 } else { 0 },
            slots: 1,
            noscan,
            allocated: Box::new([1]),
            first: ObjectId(0),
        }
    }

    #[test]
    fn a_value_fits_the_smallest_slot_that_holds_it() {
        let spans = vec![span(1, 16, true), span(2, 48, false), span(3, 64, true), span(4, 64, false)];
        let spans = [spans, vec![span(5, 1024, false), span(6, 48 << 10, false)]].concat();
        let (objects, refused) = Objects::new(spans).unwrap();
        assert!(refused.is_empty());
        let (classes, of_span) = SlotClasses::of(&objects);
        let fits = |span: usize, size: u64| classes.get(of_span[span].1).fits(size);
        assert_eq!([fits(0, 16), fits(0, 8), fits(0, 17)], [true, false, false], "8 bytes share a tiny slot");
        assert_eq!([fits(1, 40), fits(1, 16), fits(1, 0)], [true, false, false]);
        assert_eq!([fits(2, 56), fits(3, 56), fits(3, 48)], [true, true, false]);
        assert_eq!([fits(4, 1016), fits(4, 1017)], [true, false], "the header takes 8 bytes");
        assert_eq!([fits(5, 41 << 10), fits(5, 40 << 10)], [true, false], "large objects take whole pages");
    }
}
