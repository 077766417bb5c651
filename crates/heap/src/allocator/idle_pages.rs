//! Pages of the heap that are in no span, and the variables of the program: what else lies in memory that Go knows.

use hashbrown::HashMap;

use super::Allocator;
use super::arenas::{ARENA_BYTES, CHUNK_BYTES, Chunk, is_grown};
use crate::counters::note;
use crate::objects::PAGE_BYTES;

impl Allocator<'_, '_> {
    /// Ranges of arenas that are in no span: `(start, end, returned)`; what was never used counts as returned.
    pub(crate) fn idle_ranges(&mut self) -> Vec<(u64, u64, bool)> {
        let bases = self.arena_bases();
        let grown = self.grown();
        let (bases, grown) = match (bases, grown) {
            (Ok(bases), Ok(grown)) => (bases, grown),
            (Err(err), _) | (_, Err(err)) => {
                note(&mut self.gaps, "memory", &err);
                return Vec::new();
            }
        };
        let kept = self.kept_pages();
        let mut ranges = Vec::new();
        for base in bases.iter().map(|base| base.get()) {
            let mut from = base;
            let end = base.saturating_add(ARENA_BYTES);
            let first = self.spans.partition_point(|span| span.end() <= base);
            let spans: Vec<(u64, u64)> = self
                .spans
                .iter()
                .skip(first)
                .take_while(|span| span.base.get() < end)
                .map(|span| (span.base.get(), span.end()))
                .collect();
            for (start, behind) in spans.into_iter().chain([(end, end)]) {
                self.add_gap(&mut ranges, (from, start.min(end)), &grown, &kept);
                from = from.max(behind);
            }
        }
        ranges
    }

    /// Pages in the caches of processors: whether each was returned.
    fn kept_pages(&mut self) -> HashMap<u64, bool> {
        let mut kept = HashMap::new();
        for pages in self.processors().iter().filter_map(|processor| processor.pages) {
            for page in (0..64).filter(|page| pages.free >> page & 1 == 1) {
                let at = pages.base.get().saturating_add(page * PAGE_BYTES);
                kept.insert(at, pages.returned >> page & 1 == 1);
            }
        }
        kept
    }

    fn add_gap(
        &mut self,
        ranges: &mut Vec<(u64, u64, bool)>,
        (from, end): (u64, u64),
        grown: &[(u64, u64)],
        kept: &HashMap<u64, bool>,
    ) {
        let mut at = from;
        while at < end {
            let chunk_start = at - at % CHUNK_BYTES;
            let stop = end.min(chunk_start.saturating_add(CHUNK_BYTES));
            if !is_grown(grown, at) {
                add(ranges, at, stop, true);
                at = stop;
                continue;
            }
            let chunk = self.chunk(chunk_start).unwrap_or_else(|err| {
                note(&mut self.gaps, "memory", &err);
                Chunk::default()
            });
            while at < stop {
                let (_, returned) = chunk.page((at - chunk_start) / PAGE_BYTES);
                let returned = kept.get(&at).copied().unwrap_or(returned);
                add(ranges, at, (at + PAGE_BYTES).min(stop), returned);
                at += PAGE_BYTES;
            }
        }
    }

    /// Where the variables of the program and its plugins lie.
    pub(crate) fn variables(&self) -> Vec<(u64, u64)> {
        let modules = self.runtime.modules.iter();
        let parts = modules.flat_map(|module| {
            [&module.noptrdata, &module.data.range, &module.bss.range, &module.noptrbss]
                .map(|range| (range.start.get(), range.end.get()))
        });
        parts.filter(|(start, end)| start < end).collect()
    }
}

fn add(ranges: &mut Vec<(u64, u64, bool)>, start: u64, end: u64, returned: bool) {
    match ranges.last_mut() {
        Some(last) if last.1 == start && last.2 == returned => last.1 = end,
        _ => ranges.push((start, end, returned)),
    }
}
