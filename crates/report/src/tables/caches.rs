//! What Go's allocator keeps ready: the lists of each class, and the caches of each processor.

use serde::Serialize;

use super::Beside;
use crate::columns::{Lean, columns};
use crate::page::Page;
use crate::{Format, Look, numbers};

/// The caches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CachesAnswer {
    /// The lists of each class that has any span (`runtime.mcentral`).
    pub rows: Vec<CentralRow>,
    /// Each processor (`runtime.p`) with its cache.
    pub processors: Vec<ProcessorRow>,
    /// Stacks that lie free in spans, by size (`runtime.stackpool`).
    pub stack_pool: Vec<StackPoolRow>,
}

/// The spans of one class that no processor has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CentralRow {
    /// The size class; 0 for large objects.
    pub class: u8,
    /// Bytes of a slot; 0 for large objects.
    pub slot_bytes: u64,
    /// Whether its objects may hold pointers.
    pub pointers: bool,
    /// Swept spans with a free slot.
    pub partial_swept: u64,
    /// Spans with a free slot, to be swept.
    pub partial_unswept: u64,
    /// Swept spans without a free slot.
    pub full_swept: u64,
    /// Spans without a free slot, to be swept.
    pub full_unswept: u64,
}

/// One processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessorRow {
    /// Its number.
    pub id: u32,
    /// The block that small objects without pointers are packed into, in hex; `None` where there is none.
    pub tiny: Option<String>,
    /// Bytes of it that are taken.
    pub tiny_offset: u64,
    /// Such objects since the figures were last brought together.
    pub tiny_allocs: u64,
    /// The sweeper's generation when the cache was last emptied.
    pub flush_generation: u64,
    /// The spans that it allocates from.
    pub spans: Vec<CachedSpanRow>,
    /// Free stacks, by size.
    pub stacks: Vec<StackCacheRow>,
    /// Pages; `None` where it keeps none.
    pub pages: Option<PageCacheRow>,
}

/// A span in the cache of a processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CachedSpanRow {
    /// The size class.
    pub class: u8,
    /// Bytes of a slot.
    pub slot_bytes: u64,
    /// Whether its objects may hold pointers.
    pub pointers: bool,
    /// First address, in hex.
    pub base: String,
    /// Slots.
    pub slots: u32,
    /// Slots that are taken.
    pub allocated: u32,
    /// Slots taken since the span came into the cache.
    pub taken_since_cached: u32,
    /// The next free slot; `None` where the 64 that the runtime looks ahead are taken.
    pub next_free: Option<u32>,
    /// Whether it was not swept since the last collection.
    pub unswept: bool,
}

/// Free stacks of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackCacheRow {
    /// Bytes of each.
    pub stack_bytes: u64,
    /// How many.
    pub stacks: u64,
}

/// Pages that a processor keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PageCacheRow {
    /// Address of the 64 pages that they are part of, in hex.
    pub base: String,
    /// Free pages.
    pub free: u64,
    /// Of those, pages that were returned to the system.
    pub returned: u64,
}

/// Spans of stacks of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StackPoolRow {
    /// Bytes of each stack.
    pub stack_bytes: u64,
    /// Spans.
    pub spans: u64,
    /// Free stacks in them.
    pub free: u64,
}

/// The caches, in one of the formats.
pub fn caches(answer: &CachesAnswer, beside: &Beside, format: Format, look: Look) -> String {
    beside.answer("heap-caches", answer, format, look, || text(answer, look))
}

fn text(answer: &CachesAnswer, look: Look) -> String {
    let CachesAnswer { rows, processors, stack_pool } = answer;
    let mut page = Page::new(look);
    let heads = [
        ("class", Lean::Right),
        ("slot", Lean::Right),
        ("pointers", Lean::Left),
        ("partial", Lean::Right),
        ("unswept", Lean::Right),
        ("full", Lean::Right),
        ("unswept", Lean::Right),
    ];
    let cells: Vec<Vec<String>> = rows.iter().map(central_cells).collect();
    page.lines(&columns(&heads, &cells));
    processors.iter().for_each(|processor| processor_text(&mut page, processor));
    page.heading("Spans of stacks");
    let heads = ["stack", "spans", "free"].map(|head| (head, Lean::Right));
    let cells: Vec<Vec<String>> = stack_pool
        .iter()
        .map(|row| vec![numbers::bytes(row.stack_bytes), numbers::count(row.spans), numbers::count(row.free)])
        .collect();
    page.lines(&columns(&heads, &cells));
    page.finish()
}

fn central_cells(row: &CentralRow) -> Vec<String> {
    vec![
        if row.class == 0 { "large".to_owned() } else { row.class.to_string() },
        if row.class == 0 { String::new() } else { numbers::count(row.slot_bytes) },
        if row.pointers { "yes" } else { "no" }.to_owned(),
        numbers::count(row.partial_swept),
        numbers::count(row.partial_unswept),
        numbers::count(row.full_swept),
        numbers::count(row.full_unswept),
    ]
}

fn processor_text(page: &mut Page, processor: &ProcessorRow) {
    page.heading(&format!("Processor {}", processor.id));
    let tiny = match &processor.tiny {
        Some(at) => format!("block at {at}, {} of 16 bytes taken", processor.tiny_offset),
        None => "no block".to_owned(),
    };
    page.line(&format!("tiny objects: {tiny}; {} since last counted", numbers::count(processor.tiny_allocs)));
    let kept: Vec<String> = processor
        .stacks
        .iter()
        .filter(|row| row.stacks > 0)
        .map(|row| format!("{} of {}", numbers::count(row.stacks), numbers::bytes(row.stack_bytes)))
        .collect();
    if !kept.is_empty() {
        page.wrapped("free stacks: ", &kept.join(", "));
    }
    if let Some(PageCacheRow { base, free, returned }) = &processor.pages {
        page.line(&format!("pages: {free} free at {base}, {returned} of them returned to the system"));
    }
    if processor.spans.is_empty() {
        page.line("spans: none");
        return;
    }
    let heads = [
        ("class", Lean::Right),
        ("slot", Lean::Right),
        ("pointers", Lean::Left),
        ("span", Lean::Left),
        ("slots", Lean::Right),
        ("taken", Lean::Right),
        ("since", Lean::Right),
        ("next free", Lean::Right),
        ("", Lean::Left),
    ];
    let cells: Vec<Vec<String>> = processor.spans.iter().map(span_cells).collect();
    page.lines(&columns(&heads, &cells));
}

fn span_cells(span: &CachedSpanRow) -> Vec<String> {
    vec![
        span.class.to_string(),
        numbers::count(span.slot_bytes),
        if span.pointers { "yes" } else { "no" }.to_owned(),
        span.base.clone(),
        numbers::count(u64::from(span.slots)),
        numbers::count(u64::from(span.allocated)),
        numbers::count(u64::from(span.taken_since_cached)),
        span.next_free.map(|slot| slot.to_string()).unwrap_or_default(),
        if span.unswept { "unswept" } else { "" }.to_owned(),
    ]
}
