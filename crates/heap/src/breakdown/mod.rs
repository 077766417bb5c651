//! Every byte of resident memory explained: the pages that the system says are resident, joined with what Go has at
//! each address.

mod ground;
mod objects_in_range;
pub mod parts;

use std::collections::BTreeMap;

use leakscope_model::Gap;
use leakscope_target::{Mapping, Residency, ResidentMapping, ThreadRegisters};

use crate::allocator::{Allocator, OwnUse};
use crate::counters::Counters;
use crate::graph::Heap;
use ground::{Ground, What};
use objects_in_range::divide;
pub use parts::{Area, PARTS, Part};

/// Resident memory by part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Breakdown {
    /// Bytes of each part that has any.
    pub parts: BTreeMap<Part, u64>,
    /// Bytes of each file or piece of shared memory that is mapped, the most first.
    pub files: Vec<(String, u64)>,
    /// What the system says is resident: what the parts should add up to.
    pub rss: u64,
    /// The part of anonymous memory in transparent huge pages.
    pub huge: u64,
    /// The part that was given back lazily (`MADV_FREE`) and still counts.
    pub lazily_freed: u64,
    /// Swapped out; in none of the parts.
    pub swap: u64,
    /// Whether single pages were not known, so that parts of a mapping are estimates.
    pub estimated: bool,
}

impl Breakdown {
    /// Bytes of a part.
    pub fn of(&self, part: Part) -> u64 {
        self.parts.get(&part).copied().unwrap_or(0)
    }

    /// Bytes of an area.
    pub fn of_area(&self, area: Area) -> u64 {
        let parts = self.parts.iter().filter(|(part, _)| part.area() == area);
        parts.map(|(_, bytes)| *bytes).fold(0, u64::saturating_add)
    }

    /// What the parts add up to.
    pub fn explained(&self) -> u64 {
        self.parts.values().copied().fold(0, u64::saturating_add)
    }

    /// What the system counts beyond the parts; below zero where it counts less.
    pub fn unexplained(&self) -> i64 {
        self.rss.wrapping_sub(self.explained()).cast_signed()
    }
}

/// Whose memory it is, beside what is in it.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'o> {
    /// The executable, as mappings name it; empty where it is not known.
    pub executable: &'o str,
    /// Its threads, whose stacks tell which mappings are stacks.
    pub threads: &'o [ThreadRegisters],
}

/// Divides what is resident. What cannot be read leaves a gap in `allocator.gaps`.
pub fn break_down(
    heap: &Heap,
    allocator: &mut Allocator<'_, '_>,
    residency: &Residency,
    owner: Owner<'_>,
) -> Breakdown {
    let before = allocator.gaps.len();
    let ground = Ground::of(heap, allocator);
    if allocator.gaps.len() > before {
        let why =
            "memory of the runtime that could not be placed, for the reasons named here, counts as `native`";
        allocator.gaps.push(Gap::new("memory", why));
    }
    let mut division =
        Division { heap, ground: &ground, owner, found: Breakdown::default(), files: BTreeMap::new() };
    for mapping in &residency.mappings {
        division.add(mapping);
    }
    let Division { mut found, files, .. } = division;
    found.rss = residency.rss();
    found.files = files.into_iter().collect();
    found.files.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    take_records(&mut found, allocator);
    found
}

/// Of the runtime's small records, which lie among each other, those that it counts itself get rows of their own: each
/// was written to, so that all of them are resident.
fn take_records(found: &mut Breakdown, allocator: &mut Allocator<'_, '_>) {
    let table: u64 = allocator
        .own_memory()
        .iter()
        .filter(|range| range.used_for == OwnUse::SiteTable)
        .map(|range| range.end - range.start)
        .sum();
    let (memory, runtime) = (allocator.memory(), allocator.runtime());
    let mut counters = Counters { memory, runtime, gaps: &mut allocator.gaps };
    let sites = counters.of("memstats", "mstats.buckhash_sys").unwrap_or(0).saturating_sub(table);
    let spans = counters.inside("mheap_", &["mheap.spanalloc", "fixalloc.inuse"]).unwrap_or(0);
    let caches = counters.inside("mheap_", &["mheap.cachealloc", "fixalloc.inuse"]).unwrap_or(0);
    let mut rest = found.of(Part::RuntimeOther);
    for (part, bytes) in [(Part::Profiling, sites), (Part::SpanRecords, spans.saturating_add(caches))] {
        let taken = bytes.min(rest);
        rest -= taken;
        if taken > 0 {
            *found.parts.entry(part).or_default() += taken;
        }
    }
    found.parts.insert(Part::RuntimeOther, rest);
    found.parts.retain(|_, bytes| *bytes > 0);
}

struct Division<'d> {
    heap: &'d Heap,
    ground: &'d Ground,
    owner: Owner<'d>,
    found: Breakdown,
    files: BTreeMap<String, u64>,
}

impl Division<'_> {
    fn add(&mut self, mapping: &ResidentMapping) {
        let entry = &mapping.entry;
        self.found.huge = self.found.huge.saturating_add(entry.huge);
        self.found.lazily_freed = self.found.lazily_freed.saturating_add(entry.lazily_freed);
        self.found.swap = self.found.swap.saturating_add(entry.swap);
        if entry.rss == 0 {
            return;
        }
        let rest = self.part_of(&entry.mapping);
        if matches!(rest, Part::Libraries | Part::MappedFiles | Part::Shared) {
            *self.files.entry(entry.mapping.path.clone()).or_default() += entry.rss;
        }
        if is_anonymous(&entry.mapping) {
            match &mapping.runs {
                Some(runs) => runs.iter().for_each(|(start, end)| self.add_run(start.get(), end.get(), rest)),
                None => self.estimate(&entry.mapping, entry.rss, rest),
            }
        } else {
            self.put(rest, entry.rss);
        }
    }

    /// A range of resident pages; `rest` is what Go knows nothing of.
    fn add_run(&mut self, start: u64, end: u64, rest: Part) {
        let mut at = start;
        let ground = self.ground;
        for range in ground.meeting(start, end) {
            let (from, to) = (range.start.max(at), range.end.min(end));
            self.put(rest, from.saturating_sub(at));
            self.put_range(range.what, from, to, 1.0);
            at = at.max(to);
        }
        self.put(rest, end.saturating_sub(at));
    }

    /// As [`Division::add_run`] for a mapping of which only the sum is known: what Go uses is taken as resident first,
    /// in proportion where that is more than the sum.
    fn estimate(&mut self, mapping: &Mapping, rss: u64, rest: Part) {
        self.found.estimated = true;
        let (start, end) = (mapping.start.get(), mapping.end.get());
        let ground = self.ground;
        let ranges: Vec<_> = ground.meeting(start, end).filter(|range| is_used(range.what)).collect();
        let known: u64 = ranges.iter().map(|range| range.end.min(end) - range.start.max(start)).sum();
        let share = if known > rss { rss as f64 / known as f64 } else { 1.0 };
        for range in ranges {
            self.put_range(range.what, range.start.max(start), range.end.min(end), share);
        }
        self.put(rest, rss.saturating_sub(known));
    }

    fn put_range(&mut self, what: What, start: u64, end: u64, share: f64) {
        let bytes = end.saturating_sub(start);
        let part = match what {
            What::Objects(span) => return self.put_objects(span, start, end, share),
            What::Unread => Part::HeapUnread,
            What::GoroutineStack => Part::GoroutineStacks,
            What::SystemStack => Part::SystemStacks,
            What::FreeStack => Part::FreeStacks,
            What::WorkBuffer => Part::GcWorkBuffers,
            What::Idle => Part::HeapIdle,
            What::Returned => Part::HeapReturned,
            What::Own(used_for) => parts::of_own(used_for),
            What::Variables => Part::BinaryVariables,
        };
        self.put(part, scaled(bytes, share));
    }

    fn put_objects(&mut self, span: usize, start: u64, end: u64, share: f64) {
        let Some(span) = self.heap.objects.spans().get(span) else { return };
        let divided = divide(self.heap, span, start, end);
        self.put(Part::HeapLive, scaled(divided.live, share));
        self.put(Part::HeapGarbage, scaled(divided.garbage, share));
        self.put(Part::HeapFreeSlots, scaled(divided.free, share));
        self.put(Part::HeapTails, scaled(divided.tail, share));
    }

    fn put(&mut self, part: Part, bytes: u64) {
        if bytes > 0 {
            let sum = self.found.parts.entry(part).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }

    /// What a mapping is where Go knows nothing of an address in it.
    fn part_of(&self, mapping: &Mapping) -> Part {
        let path = mapping.path.as_str();
        match path {
            "[stack]" => Part::ThreadStacks,
            _ if path.starts_with("[v") => Part::Kernel,
            _ if path.starts_with("[anon: Go:") => Part::RuntimeOther,
            _ if is_shared_memory(path) => Part::Shared,
            _ if path.starts_with('/') => self.part_of_file(mapping),
            _ => self.part_of_anonymous(mapping),
        }
    }

    fn part_of_file(&self, mapping: &Mapping) -> Part {
        let path = mapping.path.strip_suffix(" (deleted)").unwrap_or(&mapping.path);
        let name = path.rsplit('/').next().unwrap_or(path);
        if !self.owner.executable.is_empty() && path == self.owner.executable {
            return match (mapping.execute, mapping.write) {
                (true, _) => Part::BinaryCode,
                (false, true) => Part::BinaryVariables,
                // Relocated constants are made read-only once they are written.
                (false, false) => Part::BinaryConstants,
            };
        }
        let is_library = name.ends_with(".so") || name.contains(".so.") || mapping.execute;
        if is_library { Part::Libraries } else { Part::MappedFiles }
    }

    fn part_of_anonymous(&self, mapping: &Mapping) -> Part {
        let (start, end) = (mapping.start.get(), mapping.end.get());
        let within = |at: u64| start <= at && at < end;
        let ground = self.ground;
        let met = |what: fn(What) -> bool| ground.meeting(start, end).any(|range| what(range.what));
        if met(|what| what == What::Variables) {
            return Part::BinaryVariables;
        }
        if met(is_of_arena) {
            return Part::HeapReturned;
        }
        let is_stack = self.ground.thread_stacks.iter().any(|stack| within(stack.high.saturating_sub(1)))
            || self.owner.threads.iter().any(|thread| within(thread.sp));
        if is_stack { Part::ThreadStacks } else { Part::Native }
    }
}

/// Whether it is taken to be resident where nothing tells.
fn is_used(what: What) -> bool {
    !matches!(what, What::Returned | What::Own(OwnUse::Metadata))
}

fn is_of_arena(what: What) -> bool {
    !matches!(what, What::Own(_) | What::Variables)
}

fn is_anonymous(mapping: &Mapping) -> bool {
    let path = mapping.path.as_str();
    path.is_empty() || path == "[heap]" || path.starts_with("[anon:")
}

fn is_shared_memory(path: &str) -> bool {
    ["/dev/shm/", "/memfd:", "/SYSV", "/dev/zero", "[anon_shmem:"].iter().any(|start| path.starts_with(start))
}

fn scaled(bytes: u64, share: f64) -> u64 {
    if share >= 1.0 { bytes } else { (bytes as f64 * share) as u64 }
}
