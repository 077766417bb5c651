//! `leakscope heap memstats`.

use anyhow::Result;
use leakscope_heap::allocator::{ClassCounts, Figure, MemStatsFigures};
use leakscope_report::tables::{MemStatsAnswer, MemStatsClass, MemStatsRow, memstats};

use super::{allocator, ask};
use crate::args::MemstatsArgs;
use crate::{NOTHING, output};

/// Prints what `runtime.ReadMemStats` would say.
pub(super) fn run(args: &MemstatsArgs) -> Result<u8> {
    let mut answered = ask(&args.about, |inspection| {
        let mut allocator = allocator(inspection)?;
        let stats = allocator.mem_stats();
        Ok((answer(stats), allocator.gaps))
    })?;
    answered.gaps.append(&mut answered.answer.1);
    let output = &args.about.output;
    let page = memstats(&answered.answer.0, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

fn answer(stats: MemStatsFigures) -> MemStatsAnswer {
    let MemStatsFigures { figures, gc_cpu_fraction, pause_ns, pause_end, by_size, may_differ } = stats;
    let row = |Figure { name, value, lower, higher }| MemStatsRow { field: name, value, lower, higher };
    let class = |ClassCounts { size, mallocs, frees }| MemStatsClass { size, mallocs, frees };
    MemStatsAnswer {
        rows: figures.into_iter().map(row).collect(),
        gc_cpu_fraction,
        pause_ns,
        pause_end,
        by_size: by_size.map(|classes| classes.into_iter().map(class).collect()),
        may_differ,
    }
}
