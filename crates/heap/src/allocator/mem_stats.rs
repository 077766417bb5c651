//! `runtime.MemStats` out of memory: what `runtime.ReadMemStats` would say at this moment, computed as
//! `readmemstats_m` in `runtime/mstats.go` does, with the caches of the processors emptied on paper.

use super::flush::Flush;
use super::size_classes::{CLASSES, slot_bytes};
use super::{Allocator, heap_goal};
use crate::counters::Counters;

/// `MemStats.BySize` has as many classes as Go had when that was frozen.
const BY_SIZE: usize = 61;
/// What a new chunk of `persistentalloc` adds to what came from the system, in bytes.
const PERSISTENT_CHUNK: u64 = 256 << 10;

/// Bytes of a `spanSetBlock` where a layout does not tell: 512 pointers and a cache line.
const LARGEST_BLOCK: u64 = 512 * 8 + 64;

/// One field of `MemStats`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// As Go calls it.
    pub name: &'static str,
    /// The number; `None` where it could not be read.
    pub value: Option<u64>,
    /// By how much the program's own figure may be lower.
    pub lower: u64,
    /// By how much it may be higher.
    pub higher: u64,
}

/// One entry of `MemStats.BySize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassCounts {
    /// Bytes of a slot.
    pub size: u64,
    /// Objects of the class ever allocated.
    pub mallocs: u64,
    /// Objects of it freed.
    pub frees: u64,
}

/// What `ReadMemStats` would say.
#[derive(Debug, Clone, PartialEq)]
pub struct MemStatsFigures {
    /// The fields that are whole numbers, in the order of `runtime.MemStats`.
    pub figures: Vec<Figure>,
    /// `GCCPUFraction`.
    pub gc_cpu_fraction: Option<f64>,
    /// `PauseNs`: nanoseconds, a ring of 256.
    pub pause_ns: Option<Vec<u64>>,
    /// `PauseEnd`: nanoseconds since 1970.
    pub pause_end: Option<Vec<u64>>,
    /// `BySize`.
    pub by_size: Option<Vec<ClassCounts>>,
    /// Why some figures may differ from the program's own; empty where none may.
    pub may_differ: Vec<String>,
}

impl MemStatsFigures {
    /// The figure of that name.
    pub fn figure(&self, name: &str) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.name == name)
    }
}

/// What `readmemstats_m` adds up, small objects by class.
struct Totals {
    alloc: Option<u64>,
    freed: Option<u64>,
    mallocs: Option<u64>,
    frees: Option<u64>,
    by_size: Option<Vec<ClassCounts>>,
}

impl Allocator<'_, '_> {
    /// What `ReadMemStats` would say.
    pub fn mem_stats(&mut self) -> MemStatsFigures {
        let processors = self.processors();
        let mut gaps = std::mem::take(&mut self.gaps);
        let mut counters = Counters { memory: self.memory, runtime: self.runtime, gaps: &mut gaps };
        let collecting = counters.variable("gcphase").is_some_and(|phase| phase != 0);
        let flush = self.flush(&processors, collecting);
        let figures = figures(&mut counters, &flush);
        let slack = Slack {
            block: self.runtime.layout.size("spanSetBlock").unwrap_or(LARGEST_BLOCK),
            record: self.runtime.layout.size("mspan").unwrap_or(0),
        };
        self.gaps = gaps;
        slack.add(figures, &flush)
    }
}

fn figures(counters: &mut Counters<'_, '_, '_>, flush: &Flush) -> MemStatsFigures {
    let totals = totals(counters, flush);
    let stacks =
        counters.ring_sum("heapStatsDelta.inStacks").map(|bytes| bytes.wrapping_sub(flush.stack_bytes));
    let buffers = counters.ring_sum("heapStatsDelta.inWorkBufs");
    // Masks of types unrolled by programs, up to Go 1.24.
    let masks = match counters.runtime.layout.slot("heapStatsDelta.inPtrScalarBits") {
        Some(_) => counters.ring_sum("heapStatsDelta.inPtrScalarBits"),
        None => Some(0),
    };
    let collector = sum([buffers, masks]);
    let mut pacer = |path| counters.of("gcController", path);
    let in_use = pacer("gcControllerState.heapInUse");
    let free = pacer("gcControllerState.heapFree").map(|bytes| bytes.wrapping_add(flush.stack_bytes));
    let released = pacer("gcControllerState.heapReleased");
    let mut stats = |path| counters.of("memstats", path);
    let [stacks_sys, mspan_sys, mcache_sys, buckets, misc, other] = [
        "mstats.stacks_sys",
        "mstats.mspan_sys",
        "mstats.mcache_sys",
        "mstats.buckhash_sys",
        "mstats.gcMiscSys",
        "mstats.other_sys",
    ]
    .map(&mut stats);
    let [last_gc, pause_total, cycles, forced, fraction] = [
        "mstats.last_gc_unix",
        "mstats.pause_total_ns",
        "mstats.numgc",
        "mstats.numforcedgc",
        "mstats.gc_cpu_fraction",
    ]
    .map(&mut stats);
    let spans = counters.inside("mheap_", &["mheap.spanalloc", "fixalloc.inuse"]);
    let caches = counters.inside("mheap_", &["mheap.cachealloc", "fixalloc.inuse"]);
    let goal = heap_goal(counters, flush);
    let heap = difference(totals.alloc, totals.freed);
    let sys = sum([
        in_use, free, released, stacks_sys, mspan_sys, mcache_sys, buckets, misc, other, stacks, collector,
    ]);
    let rows = [
        ("Alloc", heap),
        ("TotalAlloc", totals.alloc),
        ("Sys", sys),
        ("Lookups", Some(0)),
        ("Mallocs", totals.mallocs),
        ("Frees", totals.frees),
        ("HeapAlloc", heap),
        ("HeapSys", sum([in_use, free, released])),
        ("HeapIdle", sum([free, released])),
        ("HeapInuse", in_use),
        ("HeapReleased", released),
        ("HeapObjects", difference(totals.mallocs, totals.frees)),
        ("StackInuse", stacks),
        ("StackSys", sum([stacks, stacks_sys])),
        ("MSpanInuse", spans),
        ("MSpanSys", mspan_sys),
        ("MCacheInuse", caches),
        ("MCacheSys", mcache_sys),
        ("BuckHashSys", buckets),
        ("GCSys", sum([misc, collector])),
        ("OtherSys", other),
        ("NextGC", goal),
        ("LastGC", last_gc),
        ("PauseTotalNs", pause_total),
        ("NumGC", cycles),
        ("NumForcedGC", forced),
    ];
    MemStatsFigures {
        figures: rows.map(|(name, value)| Figure { name, value, lower: 0, higher: 0 }).into(),
        gc_cpu_fraction: fraction.map(f64::from_bits),
        pause_ns: counters.words("memstats", "mstats.pause_ns"),
        pause_end: counters.words("memstats", "mstats.pause_end"),
        by_size: totals.by_size,
        may_differ: Vec::new(),
    }
}

fn totals(counters: &mut Counters<'_, '_, '_>, flush: &Flush) -> Totals {
    let mut sums = |path| counters.ring_sum(path);
    let large = [
        "heapStatsDelta.largeAlloc",
        "heapStatsDelta.largeFree",
        "heapStatsDelta.largeAllocCount",
        "heapStatsDelta.largeFreeCount",
        "heapStatsDelta.tinyAllocCount",
    ];
    let [large_alloc, large_free, large_allocs, large_frees, tiny] = large.map(&mut sums);
    let tiny = tiny.map(|count| count.wrapping_add(flush.tiny));
    let allocs = counters.ring_words("heapStatsDelta.smallAllocCount");
    let frees = counters.ring_words("heapStatsDelta.smallFreeCount");
    let small = allocs.zip(frees).map(|(allocs, frees)| by_size(&allocs, &frees, flush));
    let total = |each: fn(&ClassCounts) -> u64| {
        small.as_ref().map(|classes| classes.iter().map(each).fold(0, u64::wrapping_add))
    };
    let alloc = total(|class| class.mallocs.wrapping_mul(class.size));
    let freed = total(|class| class.frees.wrapping_mul(class.size));
    let (mallocs, frees) = (total(|class| class.mallocs), total(|class| class.frees));
    Totals {
        alloc: sum([large_alloc, alloc]),
        freed: sum([large_free, freed]),
        mallocs: sum([large_allocs, mallocs, tiny]),
        frees: sum([large_frees, frees, tiny]),
        by_size: small.map(|mut classes| {
            classes.truncate(BY_SIZE);
            classes
        }),
    }
}

fn by_size(allocs: &[u64], frees: &[u64], flush: &Flush) -> Vec<ClassCounts> {
    let counted = allocs.iter().zip(frees).zip(&flush.slots).enumerate().take(CLASSES);
    let class = |(class, ((allocs, frees), flushed)): (usize, ((&u64, &u64), &u64))| ClassCounts {
        size: slot_bytes(class),
        mallocs: allocs.wrapping_add(*flushed),
        frees: *frees,
    };
    counted.map(class).collect()
}

/// The sum, if all of it is known.
fn sum<const N: usize>(parts: [Option<u64>; N]) -> Option<u64> {
    parts.into_iter().try_fold(0u64, |sum, part| Some(sum.wrapping_add(part?)))
}

fn difference(of: Option<u64>, less: Option<u64>) -> Option<u64> {
    Some(of?.wrapping_sub(less?))
}

/// How far figures may be from what the program itself would say, and why.
struct Slack {
    /// Bytes of a `spanSetBlock`.
    block: u64,
    /// Bytes of an `mspan`.
    record: u64,
}

impl Slack {
    fn add(&self, mut stats: MemStatsFigures, flush: &Flush) -> MemStatsFigures {
        let mut may = |name: &str, lower: u64, higher: u64| {
            for figure in stats.figures.iter_mut().filter(|figure| figure.name == name) {
                figure.lower = figure.lower.saturating_add(lower);
                figure.higher = figure.higher.saturating_add(higher);
            }
        };
        if flush.unswept_spans > 0 {
            let (slots, bytes) = (flush.unswept_slots, flush.unswept_bytes);
            may("Alloc", bytes, 0);
            may("HeapAlloc", bytes, 0);
            may("Frees", 0, slots);
            may("HeapObjects", slots, 0);
            may("HeapInuse", flush.unswept_span_bytes, 0);
            may("HeapIdle", 0, flush.unswept_span_bytes);
        }
        if flush.returned > 0 {
            let blocks = self.block.saturating_mul(flush.returned);
            may("GCSys", 0, blocks);
            may("OtherSys", blocks, PERSISTENT_CHUNK);
            may("Sys", 0, PERSISTENT_CHUNK);
        }
        if flush.stack_spans > 0 {
            may("MSpanInuse", self.record.saturating_mul(flush.stack_spans), 0);
        }
        stats.may_differ = reasons(flush);
        stats
    }
}

fn reasons(flush: &Flush) -> Vec<String> {
    let mut reasons = Vec::new();
    if flush.unswept_spans > 0 {
        reasons.push(format!(
            "ReadMemStats would sweep {} spans that processors hold since before the last collection: up to {} objects \
             in them are counted here and may be garbage",
            flush.unswept_spans, flush.unswept_slots
        ));
    }
    if flush.returned > 0 {
        reasons.push(format!(
            "ReadMemStats would put {} spans of the processors back on the lists of their classes, which takes metadata \
             where such a list has no room: GCSys, OtherSys and Sys",
            flush.returned
        ));
    }
    if flush.stack_spans > 0 {
        reasons.push(format!(
            "ReadMemStats would free {} spans of stacks, whose records may be kept or freed: MSpanInuse",
            flush.stack_spans
        ));
    }
    reasons
}
