//! Which words of an object hold pointers: the schemes of the runtime, told apart by the fields that a layout has.
//!
//! The authority is `runtime/mbitmap.go` (`mspan.typePointersOfUnchecked`, `spanHeapBitsRange`,
//! `heapBitsInSpan`) and, for the mark bits inside small spans, `runtime/mgcmark_greenteagc.go`.

use leakscope_goruntime::Layout;
use leakscope_model::Addr;

use crate::arena_bitmaps::ArenaGeometry;
use crate::objects::PAGE_BYTES;

/// Where the pointer map of a heap object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PointerBits {
    /// One bit a word in `heapArena.bitmap`, for every object.
    ArenaBitmap(ArenaGeometry),
    /// Small objects: one bit a word at the end of their span. Others: the type's mask, by the malloc header
    /// or by `mspan.largeType`.
    SpanTail(Headers),
    /// The same, but spans of small objects end with the collector's mark bits, and the pointer map lies below.
    SpanTailBelowMarks(Headers, InlineMarks),
}

/// Which objects have a malloc header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Headers {
    /// The largest slot without one, in bytes (`gc.MinSizeForMallocHeader`).
    largest_without: u64,
    /// Bytes of the header.
    bytes: u64,
}

/// `runtime.spanInlineMarkBits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InlineMarks {
    /// Bytes of the structure, at the end of the span's first page.
    bytes: u64,
    /// Where the mark bits lie in it.
    marks: u64,
    /// How many bytes of mark bits there are.
    marks_bytes: u64,
}

/// The smallest slot whose span keeps its mark bits inside (`gcUsesSpanInlineMarkBits`).
const SMALLEST_INLINE_MARKED: u64 = 16;

impl PointerBits {
    /// The newest scheme whose own field the layout has.
    pub(crate) fn of(layout: &Layout) -> PointerBits {
        let number = |names: [&str; 2], usual: u64| {
            let found = names.iter().find_map(|name| layout.constant(name));
            found.and_then(|n| u64::try_from(n).ok()).unwrap_or(usual)
        };
        let headers = Headers {
            largest_without: number(["gc.MinSizeForMallocHeader", "minSizeForMallocHeader"], 512),
            bytes: number(["gc.MallocHeaderSize", "mallocHeaderSize"], 8),
        };
        let marks = layout.slot("spanInlineMarkBits.marks").zip(layout.size("spanInlineMarkBits"));
        match (ArenaGeometry::of(layout), marks) {
            (Some(arenas), _) => PointerBits::ArenaBitmap(arenas),
            (None, Some((slot, bytes))) => {
                let marks = InlineMarks { bytes, marks: slot.offset, marks_bytes: slot.width };
                PointerBits::SpanTailBelowMarks(headers, marks)
            }
            (None, None) => PointerBits::SpanTail(headers),
        }
    }

    /// Bytes of the malloc header in each slot of a span.
    pub(crate) fn header(self, slot_size: u64, large: bool, noscan: bool) -> u64 {
        match self.headers() {
            Some(headers) if !large && !noscan && slot_size > headers.largest_without => headers.bytes,
            _ => 0,
        }
    }

    /// Where in a span its pointer map begins, as an offset; `None` where the objects' types tell.
    pub(crate) fn map_in_span(self, span_bytes: u64, slot_size: u64) -> Option<u64> {
        let headers = self.headers()?;
        if slot_size > headers.largest_without {
            return None;
        }
        let below = match self {
            PointerBits::SpanTailBelowMarks(_, marks) if slot_size >= SMALLEST_INLINE_MARKED => marks.bytes,
            _ => 0,
        };
        span_bytes.checked_sub(span_bytes / 64)?.checked_sub(below)
    }

    /// Where the mark bits of a span lie that keeps them inside, and how many bytes they take.
    pub(crate) fn inline_marks(self, span_base: u64, slot_size: u64) -> Option<(Addr, usize)> {
        let PointerBits::SpanTailBelowMarks(headers, marks) = self else { return None };
        let inside = (SMALLEST_INLINE_MARKED..=headers.largest_without).contains(&slot_size);
        let at = span_base.checked_add(PAGE_BYTES.checked_sub(marks.bytes)?)?.checked_add(marks.marks)?;
        let len = usize::try_from(marks.marks_bytes).ok()?;
        inside.then_some((Addr::new(at), len))
    }

    /// How to find the maps that lie beside the heap, where they do.
    pub(crate) fn arenas(self) -> Option<ArenaGeometry> {
        match self {
            PointerBits::ArenaBitmap(arenas) => Some(arenas),
            PointerBits::SpanTail(_) | PointerBits::SpanTailBelowMarks(..) => None,
        }
    }

    fn headers(self) -> Option<Headers> {
        match self {
            PointerBits::ArenaBitmap(_) => None,
            PointerBits::SpanTail(headers) | PointerBits::SpanTailBelowMarks(headers, _) => Some(headers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_goruntime::Slot;

    fn layout(fields: &[(&str, u64, u64)], sizes: &[(&str, u64)]) -> Layout {
        Layout {
            slots: fields
                .iter()
                .map(|&(name, offset, width)| (name.to_owned(), Slot { offset, width }))
                .collect(),
            sizes: sizes.iter().map(|&(name, size)| (name.to_owned(), size)).collect(),
            ..Layout::default()
        }
    }

    #[test]
    fn the_layout_decides_not_the_version() {
        let arena = PointerBits::of(&layout(&[("heapArena.bitmap", 0, 1 << 20)], &[]));
        assert_eq!((arena.header(1024, false, false), arena.map_in_span(8192, 64)), (0, None));

        let tail = PointerBits::of(&layout(&[], &[]));
        assert_eq!(tail.map_in_span(8192, 512), Some(8064));
        assert_eq!(tail.map_in_span(8192, 576), None);
        assert_eq!(tail.inline_marks(0x2000, 64), None);
        assert_eq!(tail.header(576, false, false), 8);
        assert_eq!(tail.header(576, false, true), 0);
        assert_eq!(tail.header(40960, true, false), 0);

        let marks =
            PointerBits::of(&layout(&[("spanInlineMarkBits.marks", 64, 63)], &[("spanInlineMarkBits", 128)]));
        assert_eq!(marks.map_in_span(8192, 8), Some(8064));
        assert_eq!(marks.map_in_span(8192, 16), Some(7936));
        assert_eq!(marks.inline_marks(0x2000, 64), Some((Addr::new(0x2000 + 8192 - 128 + 64), 63)));
        assert_eq!(marks.inline_marks(0x2000, 576), None);
        assert_eq!(marks.inline_marks(u64::MAX, 64), None);
    }
}
