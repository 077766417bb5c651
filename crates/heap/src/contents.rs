//! Reads the contents of every span that holds pointers, once and in address order, and turns them into edges.
//!
//! This is the hot loop of the reading half: a batch of spans in one buffer, no allocation an object, and no
//! look at spans without pointers. Objects come in order of id, so that the edge lists fill in one pass; each
//! processor takes a share of the spans ([`shares`]).

mod mapped;
mod pending;
mod shares;

use std::rc::Rc;

use leakscope_model::{Addr, Gap};

use crate::arena_bitmaps::ArenaBitmaps;
use crate::error::HeapError;
use crate::graph::ObjectId;
use crate::objects::{Objects, SpanRow};
use crate::pointers::PointerBits;
use crate::program::Program;
use crate::type_masks::{TypeMask, TypeMasks};

use pending::Pending;
use shares::Share;
pub(crate) use shares::scan;

const WORD: usize = 8;

/// What the scan needs beside the memory.
pub(crate) struct ScanInput<'a> {
    pub(crate) objects: &'a Objects,
    /// `(span base, abi.Type)` of large objects, in address order.
    pub(crate) large_types: &'a [(Addr, Addr)],
    pub(crate) bits: PointerBits,
    /// Where the runtime keeps pointer maps beside the heap.
    pub(crate) arenas: Option<ArenaBitmaps<'a>>,
    pub(crate) program: &'a Program,
}

/// Whether a span with pointers is one large object, whose type stands in the span; a span of one slot of a size
/// class has a header.
fn is_large(span: &SpanRow) -> bool {
    span.slots == 1 && span.header == 0
}

/// The large object whose pieces are coming.
struct Large {
    base: Addr,
    mask: Option<Rc<TypeMask>>,
}

/// Goes through one share of the spans, in order.
struct Scanner<'a> {
    input: &'a ScanInput<'a>,
    masks: TypeMasks<'a>,
    arenas: Option<ArenaBitmaps<'a>>,
    out: Share,
    /// The object whose pointers are being taken.
    source: ObjectId,
    large: Option<Large>,
    pending: Pending,
}

impl Scanner<'_> {
    /// The edges of a part of a span.
    fn piece(&mut self, span: &SpanRow, offset: u64, bytes: &[u8]) -> Result<(), HeapError> {
        self.out.check_count()?;
        self.words_of_piece(span, offset, bytes)?;
        self.resolve();
        Ok(())
    }

    fn words_of_piece(&mut self, span: &SpanRow, offset: u64, bytes: &[u8]) -> Result<(), HeapError> {
        let words = Words(bytes.as_chunks::<WORD>().0);
        if self.arenas.is_some() {
            self.mapped_piece(span, offset, words);
            Ok(())
        } else if is_large(span) {
            self.large_piece(span, offset, words)
        } else if let Some(map) = self.input.bits.map_in_span(span.span_bytes(), span.slot_size) {
            self.small_span(span, (map / 8) as usize, words);
            Ok(())
        } else {
            self.typed_span(span, words)
        }
    }

    /// A span whose last words are the pointer map of its slots.
    fn small_span(&mut self, span: &SpanRow, map: usize, words: Words<'_>) {
        let slot_words = (span.slot_size / 8) as usize;
        let valid = if slot_words >= 64 { u64::MAX } else { (1 << slot_words) - 1 };
        for (slot, id) in span.allocated_slots().zip(span.first.0..) {
            self.source = ObjectId(id);
            let first = slot as usize * slot_words;
            let shift = first % 64;
            let low = words.at(map + first / 64) >> shift;
            let high =
                if shift + slot_words > 64 { words.at(map + first / 64 + 1) << (64 - shift) } else { 0 };
            let mask = (low | high) & valid;
            self.first_word(ObjectId(id), mask & 1 == 1, words.at(first));
            self.pointers(words, first, first, mask, 0);
        }
    }

    /// A span whose slots begin with the address of their type.
    fn typed_span(&mut self, span: &SpanRow, words: Words<'_>) -> Result<(), HeapError> {
        let slot_words = (span.slot_size / 8) as usize;
        for (slot, id) in span.allocated_slots().zip(span.first.0..) {
            self.source = ObjectId(id);
            let first = slot as usize * slot_words;
            let ty = Addr::new(words.at(first));
            let value = Words(words.0.get(first + 1..first + slot_words).unwrap_or_default());
            let mask = self.mask_of(ObjectId(id), ty, span.slot_size - span.header)?;
            let pointer_first =
                mask.as_ref().is_none_or(|mask| mask.bits.first().is_some_and(|word| word & 1 == 1));
            self.first_word(ObjectId(id), pointer_first, value.at(0));
            self.tiled(value, 0, mask.as_deref());
        }
        Ok(())
    }

    /// A part of a span that is one object; its type stands in the span.
    fn large_piece(&mut self, span: &SpanRow, offset: u64, words: Words<'_>) -> Result<(), HeapError> {
        if self.large.as_ref().is_none_or(|large| large.base != span.base) {
            let types = self.input.large_types;
            let found =
                types.binary_search_by_key(&span.base, |&(base, _)| base).ok().and_then(|at| types.get(at));
            let ty = found.map_or(Addr::default(), |&(_, ty)| ty);
            let mask = self.mask_of(span.first, ty, span.slot_size)?;
            self.large = Some(Large { base: span.base, mask });
        }
        self.source = span.first;
        let mask = self.large.take();
        self.tiled(words, (offset / 8) as usize, mask.as_ref().and_then(|large| large.mask.as_deref()));
        self.large = mask;
        Ok(())
    }

    /// The type's mask; `None`, and a gap the first time, where it cannot be had: then every word counts.
    ///
    /// The allocator sets the type last, when it has zeroed the object: until then it has no pointers.
    fn mask_of(&mut self, id: ObjectId, ty: Addr, room: u64) -> Result<Option<Rc<TypeMask>>, HeapError> {
        if ty.is_nil() {
            return Ok(Some(Rc::new(TypeMask { size: room, bits: Box::default() })));
        }
        match self.masks.get(ty, room) {
            Ok(mask) => {
                if mask.is_some() {
                    self.out.headers.push((id, ty));
                }
                Ok(mask)
            }
            Err(err) => {
                let reason = format!("type {ty} of the object at {}: {err}", self.input.objects.addr(id));
                self.out.torn_types.push((ty, Gap::new("heap", reason)));
                Ok(None)
            }
        }
    }

    /// Pointers of an array of values of one type, of which `words` is the part from word `skipped`.
    fn tiled(&mut self, words: Words<'_>, skipped: usize, mask: Option<&TypeMask>) {
        let Some(mask) = mask else {
            for (chunk, at) in words.0.chunks(64).zip((0usize..).step_by(64)) {
                let all = if chunk.len() == 64 { u64::MAX } else { (1 << chunk.len()) - 1 };
                self.pointers(words, at, 0, all, skipped);
            }
            return;
        };
        let value_words = ((mask.size / 8) as usize).max(1);
        if mask.bits.is_empty() {
            return;
        }
        let end = skipped + words.0.len();
        let mut value = skipped / value_words * value_words;
        while value < end {
            for (&bits, at) in mask.bits.iter().zip((value..).step_by(64)) {
                self.shifted(words, skipped, at, bits);
            }
            value += value_words;
        }
    }

    /// Pointers at the bits of `bits`, the first of which stands for word `at` of the object.
    fn shifted(&mut self, words: Words<'_>, skipped: usize, at: usize, bits: u64) {
        if at >= skipped {
            self.pointers(words, at - skipped, 0, bits, skipped);
        } else if skipped - at < 64 {
            self.pointers(words, 0, 0, bits >> (skipped - at), skipped);
        }
    }

    #[inline]
    fn first_word(&mut self, id: ObjectId, is_pointer: bool, word: u64) {
        if !is_pointer && let Some(code) = self.input.program.code(word) {
            self.out.code_words.push((id, code));
        }
    }
}

/// Bytes as little-endian words.
#[derive(Clone, Copy)]
struct Words<'b>(&'b [[u8; WORD]]);

impl Words<'_> {
    /// One word; 0 behind the end.
    #[inline]
    fn at(self, index: usize) -> u64 {
        self.0.get(index).map_or(0, |&word| u64::from_le_bytes(word))
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::shares::Contents;
    use super::*;
    use crate::graph::Objects;
    use crate::program::Ranges;
    use leakscope_goruntime::{Layout, Slot};
    use leakscope_target::Image;
    use proptest::prelude::*;

    const BASE: u64 = 0x10_0000;

    fn abi_layout() -> Layout {
        let slots = [
            ("abi.Type.Size_", 0, 8),
            ("abi.Type.PtrBytes", 8, 8),
            ("abi.Type.TFlag", 20, 1),
            ("abi.Type.Kind_", 23, 1),
            ("abi.Type.GCData", 32, 8),
        ];
        Layout {
            slots: slots
                .iter()
                .map(|&(name, offset, width)| (name.to_owned(), Slot { offset, width }))
                .collect(),
            sizes: [("abi.Type".to_owned(), 48)].into(),
            ..Layout::default()
        }
    }

    fn span(page: u64, slot_size: u64, header: u64, slots: u32, allocated: u64) -> SpanRow {
        let base = Addr::new(BASE + page * 8192);
        let allocated = Box::new([allocated]);
        SpanRow { base, slot_size, header, slots, noscan: false, allocated, first: ObjectId(0) }
    }

    fn put(bytes: &mut [u8], at: u64, word: u64) {
        bytes[at as usize..at as usize + 8].copy_from_slice(&word.to_le_bytes());
    }

    /// Source, target and word of every edge.
    fn pointers(contents: &Contents) -> Vec<(u32, u32, u32)> {
        let edges = (0..contents.edges.len()).filter_map(|index| contents.edges.get(index));
        edges.map(|edge| (contents.edges.source(edge.index).unwrap().0, edge.target.0, edge.word)).collect()
    }

    fn read(bytes: Vec<u8>, spans: Vec<SpanRow>, large_types: &[(Addr, Addr)]) -> Contents {
        read_on(1, bytes, spans, large_types)
    }

    fn read_on(
        threads: usize,
        bytes: Vec<u8>,
        spans: Vec<SpanRow>,
        large_types: &[(Addr, Addr)],
    ) -> Contents {
        let image = Image::new(Addr::new(BASE), bytes);
        let (objects, _) = Objects::new(spans).unwrap();
        let layout = abi_layout();
        let program = Program::new(
            Ranges::new([(0x40_0000, 0x50_0000)]),
            Ranges::new([(0x60_0000, 0x70_0000)]),
            vec![],
        );
        let input = ScanInput {
            objects: &objects,
            large_types,
            bits: PointerBits::of(&layout),
            arenas: None,
            program: &program,
        };
        shares::scan_on(threads, 1, &image, &layout, &input).unwrap()
    }

    #[test]
    fn a_map_at_the_end_of_the_span_tells_the_pointers() {
        let mut bytes = vec![0; 8192];
        // Slot 1 of 24 bytes: a code address, a type word, and a pointer 8 bytes into slot 2.
        put(&mut bytes, 24, 0x40_1000);
        put(&mut bytes, 32, 0x60_0040);
        put(&mut bytes, 40, BASE + 48 + 8);
        // Slot 2 has the same words, but no bit says that they are pointers.
        put(&mut bytes, 64, BASE + 24);
        put(&mut bytes, 8192 - 128, 1 << 5);
        let contents = read(bytes, vec![span(0, 24, 0, 60, 0b110)], &[]);
        assert_eq!(pointers(&contents), [(0, 1, 2)]);
        assert_eq!(contents.edges.interior(), [(0, 8)]);
        assert_eq!(contents.type_words, [(0, Addr::new(0x60_0040))]);
        assert_eq!(contents.code_words, [(ObjectId(0), Addr::new(0x40_1000))]);
        assert_eq!(contents.gaps, []);
    }

    #[test]
    fn a_type_before_the_object_tells_the_pointers_of_every_element() {
        let mut bytes = vec![0; 3 * 8192];
        let ty = BASE + 2 * 8192;
        // An element of 16 bytes whose second word is a pointer.
        put(&mut bytes, 2 * 8192, 16);
        put(&mut bytes, 2 * 8192 + 8, 16);
        put(&mut bytes, 2 * 8192 + 32, ty + 64);
        bytes[2 * 8192 + 64] = 0b10;
        put(&mut bytes, 0, ty);
        put(&mut bytes, 8, BASE + 8192);
        put(&mut bytes, 16, BASE + 8192);
        put(&mut bytes, 32, BASE + 8);
        let spans = vec![span(0, 1024, 8, 8, 1), span(1, 8192, 0, 1, 1)];
        let large = [(Addr::new(BASE + 8192), Addr::new(ty))];
        let contents = read(bytes, spans, &large);
        assert_eq!(pointers(&contents), [(0, 1, 1), (0, 0, 3)]);
        assert_eq!(contents.headers, [(ObjectId(0), Addr::new(ty)), (ObjectId(1), Addr::new(ty))]);
        assert_eq!(contents.gaps, []);
    }

    #[test]
    fn a_pointer_into_free_memory_is_a_gap() {
        let mut bytes = vec![0; 8192];
        put(&mut bytes, 0, BASE + 64);
        put(&mut bytes, 8192 - 128, 1);
        let contents = read(bytes, vec![span(0, 16, 0, 60, 1)], &[]);
        assert_eq!(contents.gaps.len(), 1);
        assert!(contents.gaps[0].reason.starts_with("1 pointers lead into free memory"));
    }

    proptest! {
        #[test]
        fn any_bytes_make_a_graph(
            seed in prop::collection::vec(any::<u8>(), 1..600),
            shapes in prop::collection::vec((1u64..300, any::<bool>(), any::<u64>()), 3),
        ) {
            let mut bytes: Vec<u8> = seed.iter().cycle().take(3 * 8192).copied().collect();
            // Make some words point into the image, so that types and edges are found at all.
            for (word, &byte) in bytes.clone().chunks(8).zip(&seed).enumerate().map(|(at, (_, byte))| (at as u64 * 8, byte)) {
                if byte % 3 == 0 {
                    put(&mut bytes, word, BASE + u64::from(byte) * 96);
                }
            }
            let spans = shapes.iter().zip(0u64..).map(|(&(words, header, allocated), page)| {
                let slots = (8192 / (words * 8)).clamp(1, 64) as u32;
                let low = if slots == 64 { u64::MAX } else { (1 << slots) - 1 };
                span(page, words * 8, if header { 8 } else { 0 }, slots, allocated & low)
            });
            let spans: Vec<SpanRow> = spans.collect();
            let (objects, _) = Objects::new(spans.clone()).unwrap();
            let contents = read(bytes.clone(), spans.clone(), &[]);
            for threads in 2..=4 {
                let shared = read_on(threads, bytes.clone(), spans.clone(), &[]);
                prop_assert_eq!(&shared, &contents, "on {} threads", threads);
            }
            let found = pointers(&contents);
            prop_assert!(found.is_sorted_by_key(|&(source, _, word)| (source, word)));
            prop_assert!(found.iter().all(|&(source, target, _)| source.max(target) < objects.len()));
        }
    }
}
