//! `leakscope heap summary`.

use anyhow::Result;
use leakscope_heap::collector::{self, Collector, NextBy};
use leakscope_heap::type_table;
use leakscope_model::Gap;
use leakscope_report::tables::{CollectorRow, Summary, summary};

use super::ask;
use crate::args::AboutHeap;
use crate::opening::Inspection;
use crate::{NOTHING, output};

/// Prints the heap as a whole.
pub(super) fn run(about: &AboutHeap) -> Result<u8> {
    let mut answered = ask(about, |inspection| {
        let heap = inspection.heap;
        let (live, garbage) = (heap.live(), heap.garbage());
        let mut gaps = Vec::new();
        let collector = collector_of(inspection, &mut gaps);
        let summary = Summary {
            objects: live.objects + garbage.objects,
            bytes: live.bytes + garbage.bytes,
            reachable_objects: live.objects,
            reachable_bytes: live.bytes,
            typed_bytes: type_table::coverage(heap).typed.bytes,
            goroutines: heap.goroutines.len() as u64,
            collector,
        };
        Ok((summary, gaps))
    })?;
    answered.gaps.append(&mut answered.answer.1);
    let output = &about.output;
    let page = summary(&answered.answer.0, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

/// The collector; a capture tells less of it.
fn collector_of(inspection: &Inspection<'_, '_>, gaps: &mut Vec<Gap>) -> Option<CollectorRow> {
    let Some(at_hand) = inspection.memory() else {
        let stats = inspection.heap.memstats;
        return Some(CollectorRow {
            phase: phase_word(stats.gc_phase),
            cycles: stats.collections,
            forced_cycles: None,
            last_was_forced: None,
            heap_marked_bytes: stats.heap_marked,
            heap_live_bytes: None,
            goal_bytes: Some(stats.heap_goal).filter(|goal| *goal != u64::MAX),
            next_by: None,
            gogc_percent: None,
            memory_limit_bytes: Some(stats.memory_limit).filter(|limit| *limit != u64::MAX),
        });
    };
    let found = collector::read(at_hand.memory, at_hand.runtime, gaps)?;
    let Collector { phase, cycles, forced_cycles, last_was_forced, heap_marked, heap_live, .. } = found;
    Some(CollectorRow {
        phase: phase_word(phase),
        cycles,
        forced_cycles: Some(forced_cycles),
        last_was_forced,
        heap_marked_bytes: heap_marked,
        heap_live_bytes: Some(heap_live),
        goal_bytes: found.goal,
        next_by: Some(match found.next_by {
            NextBy::Percentage => "GOGC",
            NextBy::MemoryLimit => "GOMEMLIMIT",
            NextBy::Nothing => "nothing",
        }),
        gogc_percent: found.gogc,
        memory_limit_bytes: found.memory_limit,
    })
}

fn phase_word(phase: u64) -> &'static str {
    match phase {
        0 => "off",
        1 => "marking",
        _ => "ending the marking",
    }
}
