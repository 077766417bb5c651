//! Memory that the runtime has taken from the system for itself, outside of the heap: where it lies.
//!
//! The authority is every caller of `sysAlloc`, `sysReserve` and `persistentalloc` in package `runtime`. Much of it is
//! reserved and never touched; what of it is resident is for others to say.

use hashbrown::HashSet;
use leakscope_goruntime::Slot;
use leakscope_model::Addr;

use super::Allocator;
use crate::counters::note;
use crate::error::HeapError;
use crate::fields::{WORD, need, read_slice, read_slot, read_words};

/// Bytes of a chunk of `persistentalloc` (`persistentChunkSize`).
const PERSISTENT_CHUNK: u64 = 256 << 10;
/// Bytes of a block of mark and allocation bits (`gcBitsChunkBytes`).
const BITS_BLOCK: u64 = 64 << 10;
/// Entries of the table of allocation sites (`buckHashSize`).
const SITE_TABLE: i64 = 179_999;
/// Chunks of a list that are followed: 16 GB of the smaller ones.
const MAX_CHUNKS: u32 = 1 << 18;
/// Elements of a table of the page allocator that are believed.
const MAX_ELEMENTS: u64 = 1 << 40;

/// What the runtime uses a range for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OwnUse {
    /// Bits of the collector, index of arenas, tables of the page allocator, list of spans.
    Metadata,
    /// The table of allocation sites of the memory profile.
    SiteTable,
    /// Small records of every kind: spans, caches, specials, allocation sites, itabs.
    Records,
}

/// One range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnRange {
    /// First address.
    pub start: u64,
    /// Behind the last.
    pub end: u64,
    /// What for.
    pub used_for: OwnUse,
}

impl Allocator<'_, '_> {
    /// The ranges that the runtime has for itself, in order of address, none overlapping another.
    pub fn own_memory(&mut self) -> Vec<OwnRange> {
        let parts = [
            self.arena_index(),
            self.page_tables(),
            self.list_of_spans(),
            self.bit_blocks(),
            self.site_table(),
            self.persistent_chunks(),
        ];
        let mut ranges = Vec::new();
        for part in parts {
            match part {
                Ok(found) => ranges.extend(found),
                Err(err) => note(&mut self.gaps, "memory", &err),
            }
        }
        ranges.retain(|range| range.start != 0 && range.start < range.end);
        ranges.sort_unstable();
        let mut behind = 0;
        for range in &mut ranges {
            range.start = range.start.max(behind);
            behind = behind.max(range.end);
        }
        ranges.retain(|range| range.start < range.end);
        ranges
    }

    fn arena_index(&self) -> Result<Vec<OwnRange>, HeapError> {
        let layout = &self.runtime.layout;
        let size = layout.size("heapArena").ok_or_else(|| HeapError::missing("heapArena"))?;
        let mut found = Vec::new();
        for base in self.arena_bases()? {
            found.extend(self.heap_arena(base)?.map(|at| metadata(at.get(), size)));
        }
        let first = Addr::new(self.mheap.get().wrapping_add(need(layout, "mheap.arenas")?.offset));
        let second = read_slot(self.memory, first, Slot { offset: 0, width: WORD }, "mheap.arenas")?;
        // 48 bits of addresses in arenas of 64 MB, a pointer each.
        found.push(metadata(second, (1 << 22) * WORD));
        Ok(found)
    }

    fn page_tables(&self) -> Result<Vec<OwnRange>, HeapError> {
        let layout = &self.runtime.layout;
        let pages = self.mheap.get().wrapping_add(need(layout, "mheap.pages")?.offset);
        let summary = need(layout, "pageAlloc.summary")?;
        let mut found = Vec::new();
        for level in 0..(summary.width / 24).min(8) {
            found.push(self.whole_slice(pages + summary.offset + level * 24, WORD, "pageAlloc.summary")?);
        }
        let chunks = need(layout, "pageAlloc.chunks")?;
        let chunk = layout.size("pallocData").ok_or_else(|| HeapError::missing("pallocData"))?;
        let lists = (chunks.width / WORD).clamp(1, 1 << 14);
        let head = crate::fields::SliceHead { data: Addr::new(pages + chunks.offset), len: lists };
        let second = (1 << 26) / lists * chunk;
        let present = read_words(self.memory, head, "pageAlloc.chunks")?.into_iter().filter(|at| *at != 0);
        found.extend(present.map(|at| metadata(at, second)));
        if let (Some(index), Some(chunks)) =
            (layout.slot("pageAlloc.scav"), layout.slot("scavengeIndex.chunks"))
        {
            let width = layout.size("atomicScavChunkData").unwrap_or(WORD);
            found.push(self.whole_slice(
                pages + index.offset + chunks.offset,
                width,
                "scavengeIndex.chunks",
            )?);
        }
        Ok(found)
    }

    fn list_of_spans(&self) -> Result<Vec<OwnRange>, HeapError> {
        let path = "mheap.allspans";
        let at = self.mheap.get().wrapping_add(need(&self.runtime.layout, path)?.offset);
        Ok(vec![self.whole_slice(at, WORD, path)?])
    }

    /// The room of the slice whose header stands at `at`.
    fn whole_slice(&self, at: u64, width: u64, path: &'static str) -> Result<OwnRange, HeapError> {
        let head = read_slice(self.memory, Addr::new(at), MAX_ELEMENTS, path)?;
        let room = read_slot(self.memory, Addr::new(at), Slot { offset: 2 * WORD, width: WORD }, path)?;
        Ok(metadata(head.data.get(), room.min(MAX_ELEMENTS).saturating_mul(width)))
    }

    /// The blocks of mark and allocation bits: four lists behind the lock of `gcBitsArenas`.
    fn bit_blocks(&self) -> Result<Vec<OwnRange>, HeapError> {
        let layout = &self.runtime.layout;
        let lists = self.runtime.variable("gcBitsArenas").map_err(HeapError::Runtime)?;
        let lock = layout.size("mutex").unwrap_or(WORD);
        let next = need(layout, "gcBitsArena.next")?;
        let bytes = layout.size("gcBitsArena").unwrap_or(BITS_BLOCK);
        let mut found = Vec::new();
        for list in 0..4 {
            let slot = Slot { offset: lock + list * WORD, width: WORD };
            let first = read_slot(self.memory, lists, slot, "gcBitsArenas")?;
            let blocks = self.chain(first, next, "gcBitsArena.next")?;
            found.extend(blocks.into_iter().map(|at| metadata(at, bytes)));
        }
        Ok(found)
    }

    fn site_table(&self) -> Result<Vec<OwnRange>, HeapError> {
        let at = self.runtime.variable("buckhash").map_err(HeapError::Runtime)?;
        let table = read_slot(self.memory, at, Slot { offset: 0, width: WORD }, "buckhash")?;
        let entries = self.runtime.layout.constant("buckHashSize").unwrap_or(SITE_TABLE).cast_unsigned();
        let bytes = entries.min(1 << 24) * WORD;
        Ok(vec![OwnRange { start: table, end: table.saturating_add(bytes), used_for: OwnUse::SiteTable }])
    }

    /// The chunks of `persistentalloc`, each of which starts with a pointer to the one before it.
    fn persistent_chunks(&self) -> Result<Vec<OwnRange>, HeapError> {
        let at = self.runtime.variable("persistentChunks").map_err(HeapError::Runtime)?;
        let pointer = Slot { offset: 0, width: WORD };
        let first = read_slot(self.memory, at, pointer, "persistentChunks")?;
        let chunks = self.chain(first, pointer, "persistentChunks")?.into_iter();
        let range = |start: u64| OwnRange {
            start,
            end: start.saturating_add(PERSISTENT_CHUNK),
            used_for: OwnUse::Records,
        };
        Ok(chunks.map(range).collect())
    }

    fn chain(&self, first: u64, next: Slot, path: &'static str) -> Result<Vec<u64>, HeapError> {
        let (mut found, mut seen, mut at) = (Vec::new(), HashSet::new(), first);
        for _ in 0..MAX_CHUNKS {
            if at == 0 || !seen.insert(at) {
                break;
            }
            found.push(at);
            at = read_slot(self.memory, Addr::new(at), next, path)?;
        }
        Ok(found)
    }
}

fn metadata(start: u64, bytes: u64) -> OwnRange {
    OwnRange { start, end: start.saturating_add(bytes), used_for: OwnUse::Metadata }
}
