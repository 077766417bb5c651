//! The arenas of the heap: 64 MB of address space each, with the pages that are in use, free, and returned to the
//! system.
//!
//! Which pages are free stands in `mheap.pages` (`runtime/mpagealloc.go`): 512 pages to a chunk, a bit a page.
//! Pages that a processor keeps in its cache count as in use there.

use leakscope_goruntime::{Arch, Slot};
use leakscope_model::Addr;

use super::{Allocator, SpanRecord, SpanUse};
use crate::counters::note;
use crate::error::{HeapError, InField};
use crate::fields::{WORD, need, read_slice, read_slot, read_words};
use crate::objects::PAGE_BYTES;
use crate::pointers::PointerBits;

/// Bytes of an arena on 64-bit Linux (`heapArenaBytes`).
pub(super) const ARENA_BYTES: u64 = 64 << 20;
/// Pages of a chunk of the page allocator (`pallocChunkPages`).
const CHUNK_PAGES: u64 = 512;
pub(super) const CHUNK_BYTES: u64 = CHUNK_PAGES * PAGE_BYTES;
/// Words of the bitmap of a chunk.
const CHUNK_WORDS: usize = 8;
/// Chunks in 48 bits of addresses: what both levels of the index hold together.
const ALL_CHUNKS: u64 = 1 << (48 - 22);
/// More arenas than any heap has: 16 TB.
const MAX_ARENAS: u64 = 1 << 18;
/// More ranges than a heap has.
const MAX_RANGES: u64 = 1 << 20;

/// One arena.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arena {
    /// First address.
    pub base: Addr,
    /// Bytes of it that the page allocator has taken so far.
    pub grown_bytes: u64,
    /// Spans that begin in it.
    pub spans: u64,
    /// Pages in spans of objects.
    pub object_pages: u64,
    /// Pages in spans of stacks.
    pub stack_pages: u64,
    /// Pages in spans of the collector.
    pub collector_pages: u64,
    /// Pages that are not free and in no span: those that processors keep, and those before the place at which Go
    /// 1.26 lets a heap begin by chance.
    pub kept_pages: u64,
    /// Pages that are free.
    pub free_pages: u64,
    /// Of those, pages that were returned to the system.
    pub returned_pages: u64,
    /// Runs of free pages.
    pub free_runs: u64,
    /// Pages of the longest.
    pub longest_run: u64,
    /// Bytes from the start that were used at least once (`heapArena.zeroedBase`).
    pub used_once_bytes: u64,
    /// Where the runtime keeps which words of objects hold pointers.
    pub pointer_maps: &'static str,
}

/// The free and the returned pages of one chunk, a bit each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chunk {
    pub(super) free: [u64; CHUNK_WORDS],
    pub(super) returned: [u64; CHUNK_WORDS],
}

impl Chunk {
    /// The bit of the page `page` of the chunk: free, and whether it was returned.
    pub(super) fn page(&self, page: u64) -> (bool, bool) {
        let word = usize::try_from(page / 64).unwrap_or(usize::MAX);
        let bit =
            |words: &[u64; CHUNK_WORDS]| words.get(word).is_some_and(|word| word >> (page % 64) & 1 == 1);
        (bit(&self.free), bit(&self.returned))
    }
}

impl Allocator<'_, '_> {
    /// Every arena that the heap has, in order of address.
    pub fn arenas(&mut self) -> Vec<Arena> {
        let bases = self.noted(Self::arena_bases).unwrap_or_default();
        let ranges = self.noted(Self::grown).unwrap_or_default();
        bases.into_iter().map(|base| self.arena(base, &ranges)).collect()
    }

    fn noted<T>(&mut self, read: impl FnOnce(&Self) -> Result<T, HeapError>) -> Option<T> {
        let result = read(self);
        result.map_err(|err| note(&mut self.gaps, "memory", &err)).ok()
    }

    /// Where addresses are counted from (`arenaBaseOffset` in `runtime/malloc.go`).
    fn address_offset(&self) -> u64 {
        let names = ["arenaBaseOffsetUintptr", "arenaBaseOffset"];
        let layout = &self.runtime.layout;
        let known = names.iter().find_map(|name| layout.constant(name)).map(i64::cast_unsigned);
        known.unwrap_or(match self.runtime.arch {
            Arch::Amd64 => 0xffff_8000_0000_0000,
            Arch::Arm64 => 0,
        })
    }

    pub(super) fn arena_bases(&self) -> Result<Vec<Addr>, HeapError> {
        let layout = &self.runtime.layout;
        // Up to Go 1.25 and since.
        let paths = ["mheap.allArenas", "mheap.heapArenas", "mheap.userArenaArenas"];
        let present = paths.into_iter().filter(|path| layout.slot(path).is_some());
        let mut bases = Vec::new();
        for path in present {
            let at = Addr::new(self.mheap.get().wrapping_add(need(layout, path)?.offset));
            let head = read_slice(self.memory, at, MAX_ARENAS, path)?;
            let index = |index: u64| index.wrapping_mul(ARENA_BYTES).wrapping_add(self.address_offset());
            bases.extend(read_words(self.memory, head, path)?.into_iter().map(|at| Addr::new(index(at))));
        }
        if bases.is_empty() {
            return Err(HeapError::missing("mheap.allArenas"));
        }
        bases.sort_unstable();
        bases.dedup();
        // What is no arena has no record in the index.
        bases.retain(|base| matches!(self.heap_arena(*base), Ok(Some(_))));
        Ok(bases)
    }

    /// The ranges of addresses that the page allocator has taken (`pageAlloc.inUse`).
    pub(super) fn grown(&self) -> Result<Vec<(u64, u64)>, HeapError> {
        let layout = &self.runtime.layout;
        let offset = need(layout, "mheap.pages")?.offset
            + need(layout, "pageAlloc.inUse")?.offset
            // The first field in every release; tables of layouts leave it out.
            + layout.slot("addrRanges.ranges").map_or(0, |slot| slot.offset);
        let path = "addrRanges.ranges";
        let head =
            read_slice(self.memory, Addr::new(self.mheap.get().wrapping_add(offset)), MAX_RANGES, path)?;
        let words = read_words(self.memory, crate::fields::SliceHead { len: head.len * 2, ..head }, path)?;
        let mut ranges: Vec<(u64, u64)> =
            words.as_chunks::<2>().0.iter().map(|&[base, limit]| (base, limit)).collect();
        ranges.sort_unstable();
        Ok(ranges)
    }

    fn arena(&mut self, base: Addr, grown: &[(u64, u64)]) -> Arena {
        let (start, end) = (base.get(), base.get().saturating_add(ARENA_BYTES));
        let mut arena = Arena {
            base,
            grown_bytes: grown_within(grown, start, end),
            spans: 0,
            object_pages: 0,
            stack_pages: 0,
            collector_pages: 0,
            kept_pages: 0,
            free_pages: 0,
            returned_pages: 0,
            free_runs: 0,
            longest_run: 0,
            used_once_bytes: self.noted(|this| this.zeroed_base(base)).unwrap_or(0),
            pointer_maps: pointer_maps(PointerBits::of(&self.runtime.layout)),
        };
        let first = self.spans.partition_point(|span| span.end() <= start);
        for span in self.spans.iter().skip(first).take_while(|span| span.base.get() < end) {
            arena.add(span);
        }
        self.add_free(&mut arena, grown);
        let taken = arena.object_pages + arena.stack_pages + arena.collector_pages + arena.free_pages;
        arena.kept_pages = (arena.grown_bytes / PAGE_BYTES).saturating_sub(taken);
        arena
    }

    fn add_free(&mut self, arena: &mut Arena, grown: &[(u64, u64)]) {
        let mut run = 0;
        for index in 0..ARENA_BYTES / CHUNK_BYTES {
            let at = arena.base.get().saturating_add(index * CHUNK_BYTES);
            if !is_grown(grown, at) {
                run = 0;
                continue;
            }
            let chunk = self.noted(|this| this.chunk(at)).unwrap_or_default();
            for page in 0..CHUNK_PAGES {
                let (free, returned) = chunk.page(page);
                arena.free_pages += u64::from(free);
                arena.returned_pages += u64::from(free && returned);
                arena.free_runs += u64::from(free && run == 0);
                run = if free { run + 1 } else { 0 };
                arena.longest_run = arena.longest_run.max(run);
            }
        }
    }

    /// The bitmaps of the chunk that starts at `at`; all taken where the allocator has none.
    pub(super) fn chunk(&self, at: u64) -> Result<Chunk, HeapError> {
        let layout = &self.runtime.layout;
        let table = need(layout, "pageAlloc.chunks")?;
        let size = layout.size("pallocData").ok_or_else(|| HeapError::missing("pallocData"))?;
        let second = ALL_CHUNKS / (table.width / WORD).clamp(1, ALL_CHUNKS);
        let index = at.wrapping_sub(self.address_offset()) / CHUNK_BYTES;
        let offset = need(layout, "mheap.pages")?.offset + table.offset + index / second * WORD;
        let entry = Addr::new(self.mheap.get().wrapping_add(offset));
        let list = read_slot(self.memory, entry, Slot { offset: 0, width: WORD }, "pageAlloc.chunks")?;
        if list == 0 {
            return Ok(Chunk::default());
        }
        let at = Addr::new(list.wrapping_add(index % second * size));
        let returned = need(layout, "pallocData.scavenged")?.offset;
        Ok(Chunk { free: self.bitmap(at, 0)?.map(|taken| !taken), returned: self.bitmap(at, returned)? })
    }

    fn bitmap(&self, chunk: Addr, offset: u64) -> Result<[u64; CHUNK_WORDS], HeapError> {
        let mut bytes = [0; CHUNK_WORDS * 8];
        let at = Addr::new(chunk.get().wrapping_add(offset));
        self.memory.read_exact(at, &mut bytes).in_field("pageAlloc.chunks", chunk)?;
        let mut words = [0; CHUNK_WORDS];
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Ok(words)
    }

    /// The `heapArena` of an arena; `None` where the index has none.
    pub(super) fn heap_arena(&self, base: Addr) -> Result<Option<Addr>, HeapError> {
        let layout = &self.runtime.layout;
        let index = base.get().wrapping_sub(self.address_offset()) / ARENA_BYTES;
        // One entry of the first level on every 64-bit port but Windows.
        let first = Addr::new(self.mheap.get().wrapping_add(need(layout, "mheap.arenas")?.offset));
        let pointer = Slot { offset: 0, width: WORD };
        let second = read_slot(self.memory, first, pointer, "mheap.arenas")?;
        if second == 0 {
            return Ok(None);
        }
        let entry = Addr::new(second.wrapping_add(index.wrapping_mul(WORD)));
        let arena = Addr::new(read_slot(self.memory, entry, pointer, "mheap.arenas")?);
        Ok((!arena.is_nil()).then_some(arena))
    }

    fn zeroed_base(&self, base: Addr) -> Result<u64, HeapError> {
        let slot = need(&self.runtime.layout, "heapArena.zeroedBase")?;
        match self.heap_arena(base)? {
            Some(arena) => read_slot(self.memory, arena, slot, "heapArena.zeroedBase"),
            None => Ok(0),
        }
    }
}

impl Arena {
    fn add(&mut self, span: &SpanRecord) {
        let (start, end) = (self.base.get(), self.base.get().saturating_add(ARENA_BYTES));
        let pages = overlap((span.base.get(), span.end()), (start, end)) / PAGE_BYTES;
        self.spans += u64::from(span.base >= self.base);
        match span.used_for {
            SpanUse::Objects => self.object_pages += pages,
            SpanUse::Stacks => self.stack_pages += pages,
            SpanUse::Collector => self.collector_pages += pages,
        }
    }
}

/// Whether the page allocator has taken the page at `at`; `grown` is in order.
pub(super) fn is_grown(grown: &[(u64, u64)], at: u64) -> bool {
    let behind = grown.partition_point(|range| range.0 <= at);
    behind.checked_sub(1).and_then(|index| grown.get(index)).is_some_and(|range| at < range.1)
}

fn grown_within(grown: &[(u64, u64)], start: u64, end: u64) -> u64 {
    let first = grown.partition_point(|range| range.0 <= start).saturating_sub(1);
    let near = grown.iter().skip(first).take_while(|range| range.0 < end);
    near.map(|&range| overlap(range, (start, end))).fold(0, u64::saturating_add)
}

fn overlap((start, end): (u64, u64), (from, to): (u64, u64)) -> u64 {
    end.min(to).saturating_sub(start.max(from))
}

fn pointer_maps(bits: PointerBits) -> &'static str {
    match bits {
        PointerBits::ArenaBitmap(_) => "bitmap beside the arena",
        PointerBits::SpanTail(_) => "ends of spans, headers of objects",
        PointerBits::SpanTailBelowMarks(..) => "ends of spans below the marks, headers of objects",
    }
}
