//! `leakscope heap spans`.

use std::collections::BTreeMap;

use anyhow::Result;
use leakscope_heap::allocator::occupancy::{self, SpanClass};
use leakscope_heap::allocator::{Allocator, SpanRecord, SpanUse, SweepState};
use leakscope_model::{Addr, Gap};
use leakscope_report::tables::{OtherSpansRow, SpanClassRow, SpanRow, SpansAnswer, spans};

use super::{allocator, ask, show};
use crate::args::SpansArgs;
use crate::opening::Inspection;
use crate::{NOTHING, output};

/// Prints the spans by size class, or those of one class.
pub(super) fn run(args: &SpansArgs) -> Result<u8> {
    match args.class {
        Some(class) => list(args, class),
        None => classes(args),
    }
}

fn classes(args: &SpansArgs) -> Result<u8> {
    let mut answered = ask(&args.about, by_class)?;
    answered.gaps.append(&mut answered.answer.1);
    let output = &args.about.output;
    let page = spans(&answered.answer.0, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

/// A capture tells the classes as well: the shape of a heap is in it.
fn by_class(inspection: &Inspection<'_, '_>) -> Result<(SpansAnswer, Vec<Gap>)> {
    let allocator = inspection.memory().map(|_| allocator(inspection)).transpose()?;
    let classes = occupancy::by_class(&inspection.heap.objects, allocator.as_ref());
    let others = allocator.as_ref().map(others).unwrap_or_default();
    let mut gaps = allocator.map(|allocator| allocator.gaps).unwrap_or_default();
    if inspection.memory().is_none() {
        gaps.push(Gap::new("memory", "a capture tells nothing of stacks, caches and the sweeper"));
    }
    Ok((SpansAnswer { rows: classes.into_iter().map(class_row).collect(), others }, gaps))
}

fn class_row(class: SpanClass) -> SpanClassRow {
    let share = if class.bytes == 0 { 0.0 } else { class.object_bytes as f64 / class.bytes as f64 };
    SpanClassRow {
        class: class.class,
        slot_bytes: class.slot_bytes,
        pointers: class.pointers,
        spans: class.spans,
        bytes: class.bytes,
        objects: class.objects,
        object_bytes: class.object_bytes,
        free_slots: class.free_slots,
        free_bytes: class.free_bytes,
        tail_bytes: class.tail_bytes,
        occupancy: share,
        spans_by_fullness: class.by_fullness,
        cached_spans: class.cached,
        unswept_spans: class.unswept,
    }
}

fn others(allocator: &Allocator<'_, '_>) -> Vec<OtherSpansRow> {
    let mut rows: BTreeMap<(SpanUse, u64), OtherSpansRow> = BTreeMap::new();
    for span in allocator.spans() {
        let used_for = match span.used_for {
            SpanUse::Objects => continue,
            SpanUse::Stacks => "stacks",
            SpanUse::Collector => "collector",
        };
        let slot_bytes = span.slot_size;
        let empty = OtherSpansRow { used_for, slot_bytes, spans: 0, bytes: 0, taken: 0, free: 0 };
        let row = rows.entry((span.used_for, slot_bytes)).or_insert(empty);
        let taken = stacks_taken(span);
        let room = span.bytes().checked_div(slot_bytes).unwrap_or(0);
        row.spans += 1;
        row.bytes = row.bytes.saturating_add(span.bytes());
        row.taken += taken;
        row.free += room.saturating_sub(taken);
    }
    rows.into_values().collect()
}

/// A span of one large stack counts nothing.
fn stacks_taken(span: &SpanRecord) -> u64 {
    let is_large = span.slot_size == span.bytes();
    if is_large { 1 } else { u64::from(span.allocated) }
}

fn list(args: &SpansArgs, class: u8) -> Result<u8> {
    let mut answered = ask(&args.about, |inspection| {
        let mut allocator = allocator(inspection)?;
        let owners = owners(&mut allocator, class);
        let of_class = |span: &&SpanRecord| span.used_for == SpanUse::Objects && span.class == class;
        let spans: Vec<SpanRecord> = allocator.spans().iter().filter(of_class).copied().collect();
        let rows = spans.iter().take(args.limit).map(|span| SpanRow {
            base: span.base.to_string(),
            pages: span.pages,
            slot_bytes: span.slot_size,
            pointers: !span.noscan,
            slots: span.slots,
            allocated: span.allocated,
            state: state_word(allocator.sweep_state(span)),
            owner: owners.get(&span.at).cloned().unwrap_or_default(),
        });
        let rows: Vec<SpanRow> = rows.collect();
        let more = spans.len().saturating_sub(rows.len());
        if more > 0 {
            let reason = format!("{more} more spans of class {class}; --limit shows more");
            allocator.gaps.push(Gap::new("rows", reason));
        }
        Ok((rows, allocator.gaps))
    })?;
    answered.gaps.append(&mut answered.answer.1);
    show(&args.about, &answered.map(|(rows, _)| rows))
}

/// Who has each span of a class.
fn owners(allocator: &mut Allocator<'_, '_>, class: u8) -> BTreeMap<Addr, String> {
    let mut owners = BTreeMap::new();
    for central in allocator.central().into_iter().filter(|central| central.class == class) {
        let sets = [
            (central.partial_swept, "partial swept"),
            (central.partial_unswept, "partial unswept"),
            (central.full_swept, "full swept"),
            (central.full_unswept, "full unswept"),
        ];
        for (set, name) in sets {
            owners.extend(allocator.listed_spans(&set).into_iter().map(|at| (at, name.to_owned())));
        }
    }
    for processor in allocator.processors() {
        owners.extend(processor.spans.iter().map(|&at| (at, format!("processor {}", processor.id))));
    }
    owners
}

fn state_word(state: SweepState) -> &'static str {
    match state {
        SweepState::Swept => "swept",
        SweepState::Unswept => "unswept",
        SweepState::Sweeping => "sweeping",
        SweepState::Cached => "cached",
        SweepState::CachedUnswept => "cached unswept",
    }
}
