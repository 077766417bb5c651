//! Finding `runtime.mheap_` and `runtime.allgs` where no symbol names them: each leads to structures that lead back
//! to it or to themselves, and nothing else in a program's variables does.

use std::ops::Range;

use leakscope_model::Addr;
use leakscope_target::{TargetMemory, read_u64};

use crate::error::RuntimeError;
use crate::integers::u64_at;
use crate::layout::Layout;
use crate::structure::{SliceHeader, Structure};

/// Bytes read at once while searching, and when a part of them cannot be read.
const CHUNK: u64 = 1 << 20;
const PAGE: u64 = 1 << 12;
/// The most that is searched, in bytes.
const MAX_SEARCHED: u64 = 1 << 32;
/// Bytes of a slice header.
const SLICE: u64 = 24;
/// More elements than either list has.
const MAX_LIST: u64 = 1 << 36;
/// How many elements of a list are looked at, and of these how many must lead back.
const LOOKED_AT: u64 = 2000;
const SAMPLES: usize = 40;
/// Fewer spans in use, and fewer goroutines, has no program: the runtime's own are more.
const FEWEST: usize = 3;
/// Of those, how many may not: memory that is read while the program runs may be torn here and there.
const TORN: usize = 4;

/// The package variables of a program, to be searched.
pub(crate) struct ShapeSearch<'a> {
    /// The process.
    pub(crate) memory: &'a dyn TargetMemory,
    /// What its runtime looks like.
    pub(crate) layout: &'a Layout,
    /// Where its variables lie, zeroed ones too.
    pub(crate) variables: Range<Addr>,
}

impl ShapeSearch<'_> {
    /// Where `runtime.mheap_` may stand: its spans are those that the arenas it lists have for their pages.
    pub(crate) fn mheap(&self) -> Result<Vec<Addr>, RuntimeError> {
        let allspans = self.layout.need("mheap.allspans")?.offset;
        let arenas = Arenas::of(self)?;
        let mut found = Vec::new();
        self.slices(|at, list| {
            let mheap = at.get().checked_sub(allspans).map(Addr::new);
            let mheap = mheap.filter(|mheap| self.variables.contains(mheap));
            if let Some(mheap) = mheap
                && let Some(level) = arenas.second_level(mheap)
                && self.most(list, |span| arenas.lead_back(level, span))
            {
                found.push(mheap);
            }
        });
        Ok(found)
    }

    /// Where `runtime.allgs` may stand: each goroutine's saved state names the goroutine itself. While the collector
    /// marks, it has a list of its own of the same goroutines.
    pub(crate) fn allgs(&self) -> Result<Vec<Addr>, RuntimeError> {
        let owner = self.layout.need("g.sched")?.offset + self.layout.need("gobuf.g")?.offset;
        let names_itself = |g: Addr| Some(self.word(g.checked_add(owner)?) == Some(g.get()));
        let mut found = Vec::new();
        self.slices(|at, list| {
            if self.most(list, names_itself) {
                found.push(at);
            }
        });
        Ok(found)
    }

    /// Calls `visit` for all words that may be the head of a slice of pointers.
    fn slices(&self, mut visit: impl FnMut(Addr, SliceHeader)) {
        let len = self.variables.end.offset_from(self.variables.start).unwrap_or(0).min(MAX_SEARCHED);
        let mut offset = 0;
        while offset < len {
            let Some(start) = self.variables.start.checked_add(offset) else { return };
            // Neighbouring chunks overlap by one head, so that none is cut.
            let chunk = CHUNK.min(len - offset);
            if !self.slices_in(start, (chunk + SLICE).min(len - offset), &mut visit) {
                for page in (0..chunk).step_by(PAGE as usize) {
                    let start = start.checked_add(page).unwrap_or_default();
                    self.slices_in(start, PAGE.min(chunk - page), &mut visit);
                }
            }
            offset += chunk;
        }
    }

    /// As [`ShapeSearch::slices`], of one piece of memory; whether it could be read.
    fn slices_in(&self, start: Addr, len: u64, visit: &mut impl FnMut(Addr, SliceHeader)) -> bool {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        if self.memory.read_exact(start, &mut bytes).is_err() {
            return false;
        }
        for offset in (0..len.saturating_sub(SLICE - 1)).step_by(8) {
            let word = |index: u64| u64_at(&bytes, usize::try_from(offset + index * 8).ok()?);
            let (Some(data), Some(len), Some(capacity)) = (word(0), word(1), word(2)) else { continue };
            let list = SliceHeader { data: Addr::new(data), len, capacity };
            let is_list = data != 0 && data % 8 == 0 && 0 < len && len <= capacity && capacity < MAX_LIST;
            if is_list && let Some(at) = start.checked_add(offset) {
                visit(at, list);
            }
        }
        true
    }

    /// Whether of the list's elements most pass `test`, and no fewer than any running program has; those of which
    /// it knows nothing (`None`) do not count.
    fn most(&self, list: SliceHeader, test: impl Fn(Addr) -> Option<bool>) -> bool {
        let looked_at = list.len.min(LOOKED_AT);
        let (mut passed, mut failed) = (0, 0);
        for sample in 0..looked_at {
            let index = (u128::from(sample) * u128::from(list.len) / u128::from(looked_at)) as u64;
            let element = list.data.checked_add(index * 8).and_then(|at| self.word(at));
            match element.filter(|element| element % 8 == 0).map(|element| test(Addr::new(element))) {
                Some(Some(true)) => passed += 1,
                Some(None) => {}
                Some(Some(false)) | None => failed += 1,
            }
            if failed > TORN || failed > 0 && sample as usize <= TORN || passed >= SAMPLES {
                break;
            }
        }
        FEWEST <= passed && failed <= TORN && failed * 4 <= passed
    }

    fn word(&self, at: Addr) -> Option<u64> {
        read_u64(self.memory, at).ok()
    }
}

/// How the heap's arenas list their spans (`runtime/mheap.go`, `spanOf`).
struct Arenas<'a> {
    search: &'a ShapeSearch<'a>,
    /// Bytes from `mheap_` to its list of arenas.
    list: u64,
    /// Bytes from an arena's head to its list of spans.
    spans: u64,
    base: u64,
    arena_shift: u32,
    /// How many arenas the list has room for.
    room: u64,
    page_size: u64,
    pages: u64,
    in_use: u64,
    /// The largest number that is a state.
    last_state: u64,
}

impl<'a> Arenas<'a> {
    fn of(search: &'a ShapeSearch<'a>) -> Result<Arenas<'a>, RuntimeError> {
        let layout = search.layout;
        let constant = |name: &str| {
            let value = layout.constant(name).map(i64::cast_unsigned);
            value.ok_or_else(|| RuntimeError::MissingSlot(name.to_owned()))
        };
        let bits = |name: &str| Ok::<_, RuntimeError>(constant(name)?.min(63) as u32);
        if constant("arenaL1Bits")? != 0 {
            return Err(RuntimeError::MissingSlot("arenas in more than one level".to_owned()));
        }
        Ok(Arenas {
            search,
            list: layout.need("mheap.arenas")?.offset,
            spans: layout.need("heapArena.spans")?.offset,
            base: constant("arenaBaseOffset")?,
            arena_shift: bits("logHeapArenaBytes")?,
            room: 1 << bits("arenaL2Bits")?,
            page_size: constant("pageSize").or(constant("_PageSize"))?.max(1),
            pages: constant("pagesPerArena")?.max(1),
            in_use: constant("mSpanInUse")?,
            last_state: constant("mSpanManual")?,
        })
    }

    /// Where `mheap_.arenas[0]` points.
    fn second_level(&self, mheap: Addr) -> Option<u64> {
        self.search.word(mheap.checked_add(self.list)?).filter(|level| *level != 0 && level % 8 == 0)
    }

    /// Whether the arena of a span in use lists it; `None` for one that is not in use.
    fn lead_back(&self, level: u64, at: Addr) -> Option<bool> {
        let Ok(span) = Structure::read(self.search.memory, self.search.layout, "mspan", at) else {
            return Some(false);
        };
        let (start, state) = (span.uint("mspan.startAddr").ok()?, span.uint("mspan.state").ok()?);
        if state != self.in_use {
            return (state > self.last_state).then_some(false);
        }
        let arena = start.wrapping_sub(self.base) >> self.arena_shift;
        let listed = || {
            let place = level.checked_add((arena < self.room).then_some(arena)?.checked_mul(8)?)?;
            let arena = self.search.word(Addr::new(place))?;
            let page = start / self.page_size % self.pages;
            self.search.word(Addr::new(arena.checked_add(self.spans)?.checked_add(page * 8)?))
        };
        Some(listed() == Some(at.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::committed::nearest;
    use leakscope_target::Image;
    use proptest::prelude::*;

    const BASE: u64 = 0x50_0000;
    /// Where the head of the list, the list and the goroutines begin.
    const HEAD: usize = 0x40;
    const LIST: usize = 0x80;
    const GOROUTINES: usize = 0x1000;

    fn layout() -> Layout {
        nearest(26).unwrap().table.layout("amd64", &[]).unwrap()
    }

    fn put(memory: &mut [u8], at: usize, word: u64) {
        memory[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }

    /// The head of a list of four goroutines, each of which names itself 0x48 bytes behind its start.
    fn memory() -> Vec<u8> {
        let mut memory = vec![0; 0x2000];
        put(&mut memory, HEAD, BASE + LIST as u64);
        put(&mut memory, HEAD + 8, 4);
        put(&mut memory, HEAD + 16, 6);
        for index in 0..4 {
            let g = GOROUTINES + index * 0x400;
            put(&mut memory, LIST + index * 8, BASE + g as u64);
            put(&mut memory, g + 0x48, BASE + g as u64);
        }
        memory
    }

    fn allgs(memory: Vec<u8>) -> Vec<Addr> {
        let (memory, layout) = (Image::new(Addr::new(BASE), memory), layout());
        let variables = Addr::new(BASE)..Addr::new(BASE + LIST as u64);
        ShapeSearch { memory: &memory, layout: &layout, variables }.allgs().unwrap()
    }

    #[test]
    fn a_list_of_goroutines_that_name_themselves_is_found() {
        assert_eq!(allgs(memory()), [Addr::new(BASE + HEAD as u64)]);
    }

    #[test]
    fn a_goroutine_that_names_another_and_a_list_that_is_longer_than_its_room_are_none() {
        let mut other = memory();
        put(&mut other, GOROUTINES + 0x48, BASE + 0x1400);
        assert_eq!(allgs(other), []);
        let mut longer = memory();
        put(&mut longer, HEAD + 16, 3);
        assert_eq!(allgs(longer), []);
    }

    proptest! {
        #[test]
        fn no_memory_panics(patches: Vec<(u16, u64)>, end: u16) {
            let mut memory = memory();
            for (at, word) in patches {
                let at = usize::from(at) % (memory.len() / 8) * 8;
                put(&mut memory, at, word);
            }
            let (memory, layout) = (Image::new(Addr::new(BASE), memory), layout());
            let variables = Addr::new(BASE)..Addr::new(BASE + u64::from(end));
            let search = ShapeSearch { memory: &memory, layout: &layout, variables };
            let _ = (search.mheap(), search.allgs());
        }
    }
}
