//! The spans of the heap: by size class, and one by one.

use serde::Serialize;

use super::{Beside, Row};
use crate::columns::{Lean, columns};
use crate::page::Page;
use crate::{Format, Look, numbers};

/// The spans of one size class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanClassRow {
    /// The size class; 0 for large objects.
    pub class: u8,
    /// Bytes of a slot; 0 for large objects.
    pub slot_bytes: u64,
    /// Whether its objects may hold pointers.
    pub pointers: bool,
    /// Spans.
    pub spans: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Allocated objects.
    pub objects: u64,
    /// Bytes of their slots.
    pub object_bytes: u64,
    /// Free slots.
    pub free_slots: u64,
    /// Bytes of them.
    pub free_bytes: u64,
    /// Bytes that are no slot.
    pub tail_bytes: u64,
    /// The share of the bytes that holds objects, from 0 to 1.
    pub occupancy: f64,
    /// Spans by eighths of fullness, from empty to full.
    pub spans_by_fullness: [u64; 8],
    /// Spans in caches of processors; `None` in a capture.
    pub cached_spans: Option<u64>,
    /// Spans still to be swept; `None` in a capture.
    pub unswept_spans: Option<u64>,
}

/// Spans that hold no objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OtherSpansRow {
    /// `stacks` or `collector`.
    #[serde(rename = "use")]
    pub used_for: &'static str,
    /// Bytes of one stack; 0 for the collector.
    pub slot_bytes: u64,
    /// Spans.
    pub spans: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Stacks that are in use or in caches of processors.
    pub taken: u64,
    /// Free ones in the spans.
    pub free: u64,
}

/// All spans by class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpansAnswer {
    /// By class, those with pointers before those without.
    pub rows: Vec<SpanClassRow>,
    /// What is no object; empty in a capture.
    pub others: Vec<OtherSpansRow>,
}

/// All spans by class, in one of the formats.
pub fn spans(answer: &SpansAnswer, beside: &Beside, format: Format, look: Look) -> String {
    beside.answer("heap-spans", answer, format, look, || text(answer, look))
}

fn text(answer: &SpansAnswer, look: Look) -> String {
    let right = |head| (head, Lean::Right);
    let heads = [
        right("class"),
        right("slot"),
        ("pointers", Lean::Left),
        right("spans"),
        right("bytes"),
        right("objects"),
        right("in use"),
        right("free slots"),
        right("free"),
        right("tail"),
        ("fullness", Lean::Left),
    ];
    let rows: Vec<Vec<String>> = answer.rows.iter().map(|row| cells(row, look)).collect();
    let mut page = Page::new(look);
    page.lines(&columns(&heads, &rows));
    let total = |of: fn(&SpanClassRow) -> u64| answer.rows.iter().map(of).fold(0, u64::saturating_add);
    let (bytes, used) = (total(|row| row.bytes), total(|row| row.object_bytes));
    page.blank();
    page.wrapped(
        "",
        &format!(
            "{} in {}: {} in objects ({}), {} in free slots, {} at the ends of spans",
            numbers::bytes(bytes),
            numbers::counted(total(|row| row.spans), "span"),
            numbers::bytes(used),
            numbers::percent(if bytes == 0 { 0.0 } else { used as f64 / bytes as f64 }),
            numbers::bytes(total(|row| row.free_bytes)),
            numbers::bytes(total(|row| row.tail_bytes)),
        ),
    );
    for other in &answer.others {
        page.line(&other_line(other));
    }
    page.finish()
}

fn other_line(row: &OtherSpansRow) -> String {
    let OtherSpansRow { used_for, slot_bytes, spans, bytes, taken, free } = row;
    let size = if *slot_bytes == 0 { String::new() } else { format!(" of {}", numbers::bytes(*slot_bytes)) };
    let taken = match used_for {
        &"stacks" => format!(": {} taken, {} free", numbers::count(*taken), numbers::count(*free)),
        _ => String::new(),
    };
    format!("{used_for}{size}: {} in {}{taken}", numbers::bytes(*bytes), numbers::counted(*spans, "span"))
}

fn cells(row: &SpanClassRow, look: Look) -> Vec<String> {
    vec![
        if row.class == 0 { "large".to_owned() } else { row.class.to_string() },
        if row.class == 0 { String::new() } else { numbers::count(row.slot_bytes) },
        if row.pointers { "yes" } else { "no" }.to_owned(),
        numbers::count(row.spans),
        numbers::bytes(row.bytes),
        numbers::count(row.objects),
        numbers::percent(row.occupancy),
        numbers::count(row.free_slots),
        numbers::bytes(row.free_bytes),
        numbers::bytes(row.tail_bytes),
        if row.class == 0 { String::new() } else { heat(&row.spans_by_fullness, look.blocks) },
    ]
}

/// A bar for each count: how many of the spans are as full as that.
fn heat(counts: &[u64; 8], blocks: bool) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    const ASCII: [char; 8] = ['.', ':', '-', '=', '+', '*', '#', '@'];
    let signs = if blocks { BLOCKS } else { ASCII };
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let sign = |&count: &u64| {
        let height = count.saturating_mul(7).div_ceil(most);
        let sign = usize::try_from(height).ok().and_then(|height| signs.get(height));
        if count == 0 { ' ' } else { *sign.unwrap_or(&'?') }
    };
    format!("|{}|", counts.iter().map(sign).collect::<String>())
}

/// One span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpanRow {
    /// First address, in hex.
    pub base: String,
    /// Pages of 8 KB.
    pub pages: u64,
    /// Bytes of a slot.
    pub slot_bytes: u64,
    /// Whether its objects may hold pointers.
    pub pointers: bool,
    /// Slots.
    pub slots: u32,
    /// Slots that are taken, garbage that was not swept among them.
    pub allocated: u32,
    /// `swept`, `unswept`, `sweeping`, `cached` or `cached unswept`.
    pub state: &'static str,
    /// `processor 3`, `partial swept`, `partial unswept`, `full swept`, `full unswept`; empty where none has it.
    pub owner: String,
}

impl Row for SpanRow {
    const NAME: &'static str = "heap-span-list";
    const HEADS: &'static [&'static str] =
        &["base", "pages ", "slot ", "pointers", "slots ", "allocated ", "state", "kept by"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.base.clone(),
            numbers::count(self.pages),
            numbers::count(self.slot_bytes),
            if self.pointers { "yes" } else { "no" }.to_owned(),
            numbers::count(u64::from(self.slots)),
            numbers::count(u64::from(self.allocated)),
            self.state.to_owned(),
            self.owner.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heat_line_has_a_sign_for_each_eighth_and_none_for_nothing() {
        assert_eq!(heat(&[1, 0, 0, 0, 0, 0, 0, 100], true), "|▂      █|");
        assert_eq!(heat(&[1, 0, 50, 0, 0, 0, 0, 100], false), "|: +    @|");
        assert_eq!(heat(&[0; 8], true), "|        |");
    }
}
