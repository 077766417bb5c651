//! The fields of `runtime.MemStats`.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Beside;
use crate::columns::{Lean, columns};
use crate::page::Page;
use crate::{Format, Look, numbers};

/// What `runtime.ReadMemStats` would say.
#[derive(Debug, Clone, PartialEq)]
pub struct MemStatsAnswer {
    /// The fields that are whole numbers, in Go's order.
    pub rows: Vec<MemStatsRow>,
    /// `GCCPUFraction`.
    pub gc_cpu_fraction: Option<f64>,
    /// `PauseNs`.
    pub pause_ns: Option<Vec<u64>>,
    /// `PauseEnd`.
    pub pause_end: Option<Vec<u64>>,
    /// `BySize`.
    pub by_size: Option<Vec<MemStatsClass>>,
    /// Why a figure may differ from the program's own.
    pub may_differ: Vec<String>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemStatsRow {
    /// As Go calls it.
    pub field: &'static str,
    /// Its number: bytes, a count, or nanoseconds; `None` where it could not be read.
    pub value: Option<u64>,
    /// By how much the program's own figure may be lower.
    pub lower: u64,
    /// By how much it may be higher.
    pub higher: u64,
}

/// One entry of `BySize`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct MemStatsClass {
    /// Bytes of a slot.
    pub size: u64,
    /// Objects ever allocated.
    pub mallocs: u64,
    /// Objects freed.
    pub frees: u64,
}

/// `runtime.MemStats` as `encoding/json` writes it.
struct AsGoWrites<'r>(&'r MemStatsAnswer);

impl Serialize for AsGoWrites<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let MemStatsAnswer { rows, gc_cpu_fraction, pause_ns, pause_end, by_size, may_differ: _ } = self.0;
        let mut map = to.serialize_map(None)?;
        for row in rows {
            map.serialize_entry(row.field, &row.value)?;
        }
        map.serialize_entry("PauseNs", pause_ns)?;
        map.serialize_entry("PauseEnd", pause_end)?;
        map.serialize_entry("GCCPUFraction", gc_cpu_fraction)?;
        map.serialize_entry("EnableGC", &true)?;
        map.serialize_entry("DebugGC", &false)?;
        map.serialize_entry("BySize", by_size)?;
        map.end()
    }
}

#[derive(Serialize)]
struct MemStatsJson<'r> {
    memstats: AsGoWrites<'r>,
    rows: &'r [MemStatsRow],
    may_differ: &'r [String],
}

/// The fields, in one of the formats.
pub fn memstats(answer: &MemStatsAnswer, beside: &Beside, format: Format, look: Look) -> String {
    let MemStatsAnswer { rows, may_differ, .. } = answer;
    let json = MemStatsJson { memstats: AsGoWrites(answer), rows, may_differ };
    beside.answer("heap-memstats", &json, format, look, || text(answer, look))
}

fn text(answer: &MemStatsAnswer, look: Look) -> String {
    let heads =
        [("field", Lean::Left), ("value", Lean::Right), ("", Lean::Right), ("may differ by", Lean::Left)];
    let mut rows: Vec<Vec<String>> = answer.rows.iter().map(cells).collect();
    let fraction = answer.gc_cpu_fraction.map_or_else(unknown, |share| format!("{share:.6}"));
    rows.push(vec!["GCCPUFraction".to_owned(), fraction, String::new(), String::new()]);
    let mut page = Page::new(look);
    page.lines(&columns(&heads, &rows));
    let used: Vec<Vec<String>> =
        answer.by_size.iter().flatten().filter(|class| class.mallocs > 0).map(class_cells).collect();
    if !used.is_empty() {
        page.heading("BySize");
        let heads = ["size", "mallocs", "frees", "objects", "bytes"].map(|head| (head, Lean::Right));
        page.lines(&columns(&heads, &used));
    }
    if !answer.may_differ.is_empty() {
        page.blank();
    }
    for reason in &answer.may_differ {
        page.wrapped("", reason);
    }
    page.finish()
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn cells(row: &MemStatsRow) -> Vec<String> {
    let MemStatsRow { field, value, lower, higher } = row;
    let Some(value) = *value else {
        return vec![(*field).to_owned(), unknown(), String::new(), String::new()];
    };
    let is_bytes = !matches!(
        *field,
        "Lookups" | "Mallocs" | "Frees" | "HeapObjects" | "NumGC" | "NumForcedGC" | "LastGC" | "PauseTotalNs"
    );
    let differs = match (lower, higher) {
        (0, 0) => String::new(),
        (lower, 0) => format!("-{}", numbers::count(*lower)),
        (0, higher) => format!("+{}", numbers::count(*higher)),
        (lower, higher) => format!("-{} +{}", numbers::count(*lower), numbers::count(*higher)),
    };
    let people = if is_bytes { numbers::bytes(value) } else { String::new() };
    vec![(*field).to_owned(), numbers::count(value), people, differs]
}

fn class_cells(class: &MemStatsClass) -> Vec<String> {
    let MemStatsClass { size, mallocs, frees } = *class;
    let objects = mallocs.saturating_sub(frees);
    vec![
        numbers::count(size),
        numbers::count(mallocs),
        numbers::count(frees),
        numbers::count(objects),
        numbers::bytes(objects.saturating_mul(size)),
    ]
}
