//! What each processor (`runtime.p`) has in its caches: spans to allocate from, stacks, pages.

use leakscope_goruntime::{Layout, Slot};
use leakscope_model::Addr;

use super::{Allocator, SpanRecord};
use crate::counters::note;
use crate::error::{HeapError, InField};
use crate::fields::{WORD, need, read_slice, read_slot, read_words, uint, word_at};

/// More processors than Go allows (`GOMAXPROCS` is at most 1024 up to Go 1.9, unlimited since; no machine has more).
const MAX_PROCESSORS: u64 = 1 << 16;
/// The largest structure that is read whole, in bytes.
const MAX_STRUCTURE: u64 = 1 << 16;
/// More stacks than any cache holds (`_StackCacheSize` is 32 KB).
const MAX_STACKS: u32 = 1 << 12;
/// Bytes of the smallest stack (`fixedStack` on Linux).
const SMALLEST_STACK: u64 = 2048;

/// The caches of one processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Processor {
    /// Its number.
    pub id: u32,
    /// The block that small objects without pointers are packed into; nil where there is none.
    pub tiny: Addr,
    /// Bytes of it that are taken.
    pub tiny_offset: u64,
    /// Such objects since the figures were last brought together.
    pub tiny_allocs: u64,
    /// The generation of the sweeper at which the cache was last emptied (`mcache.flushGen`).
    pub flush_generation: u64,
    /// The spans that it allocates from: `mspan` addresses that are known, in order of class.
    pub spans: Vec<Addr>,
    /// Free stacks that it keeps, by size.
    pub stacks: Vec<StackCache>,
    /// Pages that it keeps; `None` where there are none.
    pub pages: Option<PageCache>,
}

/// Free stacks of one size in the cache of a processor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackCache {
    /// Bytes of each.
    pub stack_bytes: u64,
    /// Where they lie.
    pub stacks: Vec<Addr>,
}

/// Up to 64 pages that a processor keeps (`runtime/mpagecache.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCache {
    /// Address of the first of the 64.
    pub base: Addr,
    /// A bit for each page that is free.
    pub free: u64,
    /// A bit for each that was returned to the system.
    pub returned: u64,
}

impl Allocator<'_, '_> {
    /// The caches of every processor.
    pub fn processors(&mut self) -> Vec<Processor> {
        let listed = self.listed();
        let listed = listed.unwrap_or_else(|err| {
            note(&mut self.gaps, "memory", &err);
            Vec::new()
        });
        let mut processors = Vec::with_capacity(listed.len());
        for (at, id) in listed.into_iter().map(Addr::new).zip(0u32..) {
            match self.processor(at, id) {
                Ok(found) => processors.extend(found),
                Err(err) => note(&mut self.gaps, "memory", &err),
            }
        }
        processors
    }

    fn listed(&self) -> Result<Vec<u64>, HeapError> {
        let at = self.runtime.variable("allp").map_err(HeapError::Runtime)?;
        let head = read_slice(self.memory, at, MAX_PROCESSORS, "allp")?;
        read_words(self.memory, head, "allp")
    }

    /// `None` for a processor without a cache: one that `GOMAXPROCS` took away.
    fn processor(&mut self, at: Addr, id: u32) -> Result<Option<Processor>, HeapError> {
        let layout = &self.runtime.layout;
        let pointer = |path| need(layout, path).map(|slot| Slot { width: WORD, ..slot });
        let mcache = Addr::new(read_slot(self.memory, at, pointer("p.mcache")?, "p.mcache")?);
        if mcache.is_nil() {
            return Ok(None);
        }
        let bytes = self.structure("mcache", mcache)?;
        let field = |path| need(layout, path).map(|slot| uint(&bytes, slot).unwrap_or(0));
        let alloc = words_in(&bytes, need(layout, "mcache.alloc")?);
        let spans = alloc.map(Addr::new).filter(|at| self.by_record.contains_key(at)).collect();
        let lists = stack_lists(layout, &bytes)?;
        let pages = self.page_cache(at)?;
        let mut processor = Processor {
            id,
            tiny: Addr::new(field("mcache.tiny")?),
            tiny_offset: field("mcache.tinyoffset")?,
            tiny_allocs: field("mcache.tinyAllocs")?,
            flush_generation: field("mcache.flushGen")?,
            spans,
            stacks: Vec::new(),
            pages,
        };
        for (stack_bytes, first) in lists {
            let stacks = self.free_stacks(first);
            processor.stacks.push(StackCache { stack_bytes, stacks });
        }
        Ok(Some(processor))
    }

    fn page_cache(&self, processor: Addr) -> Result<Option<PageCache>, HeapError> {
        let layout = &self.runtime.layout;
        let Some(slot) = layout.slot("p.pcache") else { return Ok(None) };
        let at = Addr::new(processor.get().wrapping_add(slot.offset));
        let field = |path| read_slot(self.memory, at, need(layout, path)?, path);
        let (free, base) = (field("pageCache.cache")?, Addr::new(field("pageCache.base")?));
        Ok((free != 0).then_some(PageCache { base, free, returned: field("pageCache.scav")? }))
    }

    /// The stacks of a list of free ones, each of which starts with a pointer to the next.
    fn free_stacks(&mut self, first: Addr) -> Vec<Addr> {
        let (mut stacks, mut next) = (Vec::new(), first);
        for _ in 0..MAX_STACKS {
            if next.is_nil() {
                return stacks;
            }
            let link = read_slot(self.memory, next, Slot { offset: 0, width: WORD }, "gclink.next");
            match link {
                Ok(link) if self.span_at(next).is_some() => {
                    stacks.push(next);
                    next = Addr::new(link);
                }
                Ok(_) => break,
                Err(err) => {
                    note(&mut self.gaps, "memory", &err);
                    return stacks;
                }
            }
        }
        let why = format!("a list of free stacks leads out of the heap after {}", stacks.len());
        note(&mut self.gaps, "memory", &HeapError::Torn { what: "mcache.stackcache", at: first, why });
        stacks
    }

    /// The bytes of a structure of the runtime.
    pub(super) fn structure(&self, name: &'static str, at: Addr) -> Result<Vec<u8>, HeapError> {
        let size = self.runtime.layout.size(name).filter(|size| *size <= MAX_STRUCTURE);
        let size =
            size.and_then(|size| usize::try_from(size).ok()).ok_or_else(|| HeapError::missing(name))?;
        let mut bytes = vec![0; size];
        self.memory.read_exact(at, &mut bytes).in_field(name, at)?;
        Ok(bytes)
    }

    /// The spans in the cache of a processor.
    pub fn cached<'s>(&'s self, processor: &'s Processor) -> impl Iterator<Item = &'s SpanRecord> + 's {
        processor.spans.iter().filter_map(|&at| self.span_of_record(at))
    }
}

/// The words of an array in a structure's bytes.
pub(super) fn words_in(bytes: &[u8], slot: Slot) -> impl Iterator<Item = u64> + '_ {
    let start = usize::try_from(slot.offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(slot.width).unwrap_or(usize::MAX)).min(bytes.len());
    (start..end).step_by(8).map(|at| word_at(bytes, at))
}

/// Bytes of a stack and the first free one, by order of size (`mcache.stackcache`).
fn stack_lists(layout: &Layout, mcache: &[u8]) -> Result<Vec<(u64, Addr)>, HeapError> {
    let lists = need(layout, "mcache.stackcache")?;
    let size = layout.size("stackfreelist").filter(|size| *size > 0);
    let size = size.ok_or_else(|| HeapError::missing("stackfreelist"))?;
    let first = need(layout, "stackfreelist.list")?;
    let orders = (lists.width / size).min(16);
    let of_order = |order: u64| {
        let slot = Slot { offset: lists.offset + order * size + first.offset, width: WORD };
        Some((SMALLEST_STACK << order, Addr::new(uint(mcache, slot)?)))
    };
    Ok((0..orders).filter_map(of_order).collect())
}
