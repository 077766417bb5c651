//! Which part of the process each address of the Go program belongs to, as ranges in order of address.

use leakscope_model::Addr;

use crate::allocator::{Allocator, OwnUse, SpanUse};
use crate::goroutine_records;
use crate::graph::Heap;
use crate::threads::{self, ThreadStack};

/// The status of a goroutine that has ended (`_Gdead`).
const ENDED: u64 = 6;
/// Set in the status while the collector looks at the stack (`_Gscan`).
const SCANNED: u64 = 0x1000;

/// What a range is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A span of objects: index into `Objects::spans`.
    Objects(usize),
    /// A span of objects that was not read.
    Unread,
    /// The stack of a goroutine that has not ended.
    GoroutineStack,
    /// The stack of a thread for the runtime's own work and for signals.
    SystemStack,
    /// The rest of spans of stacks: free ones, and those of goroutines that have ended.
    FreeStack,
    /// A work buffer of the collector.
    WorkBuffer,
    /// Free pages of the heap.
    Idle,
    /// Pages of the heap that were returned to the system, or never used.
    Returned,
    /// The runtime's own.
    Own(OwnUse),
    /// Variables of a module.
    Variables,
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) what: What,
}

/// All that is known of the program's memory.
pub(super) struct Ground {
    /// In order, none overlapping another.
    pub(super) ranges: Vec<Range>,
    /// Stacks of threads that lie outside of the heap: C made them.
    pub(super) thread_stacks: Vec<ThreadStack>,
}

impl Ground {
    /// Lays it out; what cannot be read leaves a gap in `allocator.gaps`.
    pub(super) fn of(heap: &Heap, allocator: &mut Allocator<'_, '_>) -> Ground {
        let threads = threads::stacks(allocator);
        let stacks = stacks(allocator, &threads);
        let mut ranges = Vec::new();
        add_spans(&mut ranges, heap, allocator, &stacks);
        ranges.extend(allocator.idle_ranges().into_iter().map(|(start, end, returned)| Range {
            start,
            end,
            what: if returned { What::Returned } else { What::Idle },
        }));
        let own = allocator.own_memory().into_iter();
        ranges.extend(own.map(|own| Range { start: own.start, end: own.end, what: What::Own(own.used_for) }));
        ranges.extend(allocator.variables().into_iter().map(|(start, end)| Range {
            start,
            end,
            what: What::Variables,
        }));
        let inside = |stack: &ThreadStack| allocator.span_at(Addr::new(stack.low)).is_some();
        let thread_stacks = threads.into_iter().filter(|stack| !inside(stack)).collect();
        Ground { ranges: in_order(ranges), thread_stacks }
    }

    /// The ranges that meet `start..end`.
    pub(super) fn meeting(&self, start: u64, end: u64) -> impl Iterator<Item = Range> + '_ {
        let first = self.ranges.partition_point(|range| range.end <= start);
        self.ranges.iter().skip(first).take_while(move |range| range.start < end).copied()
    }
}

/// Sorts, and lets of two that overlap the one that starts first have what both claim.
fn in_order(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_by_key(|range| range.start);
    let mut behind = 0;
    for range in &mut ranges {
        range.start = range.start.max(behind);
        behind = behind.max(range.end);
    }
    ranges.retain(|range| range.start < range.end);
    ranges
}

/// Stacks of goroutines and threads, by address.
fn stacks(allocator: &mut Allocator<'_, '_>, threads: &[ThreadStack]) -> Vec<Range> {
    let mut gaps = Vec::new();
    let records = goroutine_records::read_all(allocator.memory(), allocator.runtime(), &mut gaps);
    let records = records.unwrap_or_else(|err| {
        crate::counters::note(&mut gaps, "goroutines", &err);
        Vec::new()
    });
    allocator.gaps.append(&mut gaps);
    let alive = records.iter().filter(|record| record.status & !SCANNED != ENDED);
    let of_goroutines = alive.map(|record| (record.stack, What::GoroutineStack));
    let of_threads = threads.iter().map(|stack| ((stack.low, stack.high), What::SystemStack));
    let ranges = of_goroutines.chain(of_threads).filter(|((low, high), _)| low < high);
    in_order(ranges.map(|((start, end), what)| Range { start, end, what }).collect())
}

fn add_spans(ranges: &mut Vec<Range>, heap: &Heap, allocator: &Allocator<'_, '_>, stacks: &[Range]) {
    let rows = heap.objects.spans();
    for span in allocator.spans() {
        let (start, end) = (span.base.get(), span.end());
        let what = match span.used_for {
            SpanUse::Objects => match rows.binary_search_by_key(&span.base, |row| row.base) {
                Ok(index) => What::Objects(index),
                Err(_) => What::Unread,
            },
            SpanUse::Collector => What::WorkBuffer,
            SpanUse::Stacks => {
                add_stacks(ranges, (start, end), stacks);
                continue;
            }
        };
        ranges.push(Range { start, end, what });
    }
}

/// A span of stacks: those that are known, and what is between them.
fn add_stacks(ranges: &mut Vec<Range>, (start, end): (u64, u64), stacks: &[Range]) {
    let mut from = start;
    let first = stacks.partition_point(|stack| stack.end <= start);
    for stack in stacks.iter().skip(first).take_while(|stack| stack.start < end) {
        let (low, high) = (stack.start.max(from), stack.end.min(end));
        if from < low {
            ranges.push(Range { start: from, end: low, what: What::FreeStack });
        }
        ranges.push(Range { start: low, end: high, what: stack.what });
        from = high;
    }
    if from < end {
        ranges.push(Range { start: from, end, what: What::FreeStack });
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_stacks_is_its_stacks_and_what_lies_between() {
        let stack = |start, end| Range { start, end, what: What::GoroutineStack };
        let mut ranges = Vec::new();
        add_stacks(&mut ranges, (0x1000, 0x5000), &[stack(0x1000, 0x2000), stack(0x3000, 0x4000)]);
        let ends: Vec<(u64, bool)> =
            ranges.iter().map(|range| (range.end, range.what == What::FreeStack)).collect();
        assert_eq!(ends, [(0x2000, false), (0x3000, true), (0x4000, false), (0x5000, true)]);
    }

    #[test]
    fn overlaps_are_cut() {
        let range = |start, end| Range { start, end, what: What::Idle };
        let cut = in_order(vec![range(50, 60), range(0, 30), range(10, 20), range(20, 55)]);
        let ends: Vec<(u64, u64)> = cut.iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(ends, [(0, 30), (30, 55), (55, 60)]);
    }
}
