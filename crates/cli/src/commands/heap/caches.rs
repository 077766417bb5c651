//! `leakscope heap caches`.

use anyhow::Result;
use leakscope_heap::allocator::size_classes::slot_bytes;
use leakscope_heap::allocator::{Allocator, Central, Processor, SpanRecord, SweepState};
use leakscope_report::tables::{
    CachedSpanRow, CachesAnswer, CentralRow, PageCacheRow, ProcessorRow, StackCacheRow, StackPoolRow, caches,
};

use super::{allocator, ask};
use crate::args::CachesArgs;
use crate::{NOTHING, output};

/// Prints what is kept ready.
pub(super) fn run(args: &CachesArgs) -> Result<u8> {
    let mut answered = ask(&args.about, |inspection| {
        let mut allocator = allocator(inspection)?;
        Ok((answer(&mut allocator), allocator.gaps))
    })?;
    answered.gaps.append(&mut answered.answer.1);
    let output = &args.about.output;
    let page = caches(&answered.answer.0, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

fn answer(allocator: &mut Allocator<'_, '_>) -> CachesAnswer {
    let central = allocator.central();
    let processors = allocator.processors();
    let stack_pool = allocator.stack_spans().into_iter();
    CachesAnswer {
        rows: central.into_iter().filter_map(central_row).collect(),
        processors: processors.iter().map(|processor| processor_row(allocator, processor)).collect(),
        stack_pool: stack_pool
            .map(|(stack_bytes, spans, free)| StackPoolRow { stack_bytes, spans, free })
            .collect(),
    }
}

/// `None` for a class without a span.
fn central_row(central: Central) -> Option<CentralRow> {
    let Central { class, noscan, partial_swept, partial_unswept, full_swept, full_unswept } = central;
    let counts = [partial_swept, partial_unswept, full_swept, full_unswept].map(|set| set.spans);
    let [partial_swept, partial_unswept, full_swept, full_unswept] = counts;
    counts.iter().any(|count| *count > 0).then_some(CentralRow {
        class,
        slot_bytes: slot_bytes(usize::from(class)),
        pointers: !noscan,
        partial_swept,
        partial_unswept,
        full_swept,
        full_unswept,
    })
}

fn processor_row(allocator: &Allocator<'_, '_>, processor: &Processor) -> ProcessorRow {
    ProcessorRow {
        id: processor.id,
        tiny: (!processor.tiny.is_nil()).then(|| processor.tiny.to_string()),
        tiny_offset: processor.tiny_offset,
        tiny_allocs: processor.tiny_allocs,
        flush_generation: processor.flush_generation,
        spans: allocator.cached(processor).map(|span| span_row(allocator, span)).collect(),
        stacks: processor
            .stacks
            .iter()
            .map(|list| StackCacheRow { stack_bytes: list.stack_bytes, stacks: list.stacks.len() as u64 })
            .collect(),
        pages: processor.pages.map(|pages| PageCacheRow {
            base: pages.base.to_string(),
            free: u64::from(pages.free.count_ones()),
            returned: u64::from((pages.free & pages.returned).count_ones()),
        }),
    }
}

fn span_row(allocator: &Allocator<'_, '_>, span: &SpanRecord) -> CachedSpanRow {
    CachedSpanRow {
        class: span.class,
        slot_bytes: span.slot_size,
        pointers: !span.noscan,
        base: span.base.to_string(),
        slots: span.slots,
        allocated: span.allocated,
        taken_since_cached: span.allocated.saturating_sub(span.before_cache),
        next_free: span.next_free(),
        unswept: allocator.sweep_state(span) == SweepState::CachedUnswept,
    }
}
