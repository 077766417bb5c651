//! The debugger's view: types, objects, paths, and the heap as a whole.

use leakscope_model::{Gap, PathStep};
use serde::Serialize;

use super::{Row, gap_text, schema};
use crate::json::{GapJson, StepRow, gap_rows, pretty};
use crate::page::Page;
use crate::{Format, Look, numbers, sites};

/// All objects of one type.
#[derive(Debug, Serialize)]
pub struct TypeRow {
    /// As Go writes it.
    #[serde(rename = "type")]
    pub ty: String,
    /// How many.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
    /// Bytes that would be freed if all of them went away.
    pub retained_bytes: u64,
    /// How the type was found: `dwarf`, `header`, `itab`, `pointer`, `call` or `none`.
    pub how: &'static str,
}

/// One object.
#[derive(Debug, Serialize)]
pub struct ObjectRow {
    /// In hex.
    pub addr: String,
    /// As Go writes it.
    #[serde(rename = "type")]
    pub ty: String,
    /// Bytes of its slot.
    pub size: u64,
    /// Bytes that only it keeps, itself among them.
    pub retained_bytes: u64,
}

/// Objects that hang on a root in the same way.
#[derive(Debug, Clone)]
pub struct WhyRow {
    /// How many.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
    /// From the root to them.
    pub steps: Vec<PathStep>,
}

/// How the snapshot that a summary stands on was taken.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotRow {
    /// `fork`, `stop`, `live`, `core`, `capture`.
    pub mode: String,
    /// What had been predicted.
    pub predicted_pause_ms: Option<f64>,
    /// How long the process stood still; 0 for a file.
    pub pause_ms: f64,
}

/// The heap as a whole.
#[derive(Debug, Clone)]
pub struct Summary {
    /// Allocated objects.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
    /// Those that a root leads to.
    pub reachable_objects: u64,
    /// Their bytes.
    pub reachable_bytes: u64,
    /// Bytes of objects with a known type.
    pub typed_bytes: u64,
    /// Goroutines that are not dead.
    pub goroutines: u64,
    /// How it was read.
    pub snapshot: SnapshotRow,
}

#[derive(Serialize)]
struct SummaryJson<'r> {
    schema: String,
    objects: u64,
    bytes: u64,
    reachable_objects: u64,
    reachable_bytes: u64,
    typed_bytes: u64,
    goroutines: u64,
    snapshot: &'r SnapshotRow,
    gaps: Vec<GapJson<'r>>,
}

#[derive(Serialize)]
struct WhyJson<'r> {
    schema: String,
    paths: Vec<WhyPathJson>,
    gaps: Vec<GapJson<'r>>,
}

#[derive(Serialize)]
struct WhyPathJson {
    objects: u64,
    bytes: u64,
    steps: Vec<StepRow>,
}

impl Row for TypeRow {
    const NAME: &'static str = "heap-types";
    const HEADS: &'static [&'static str] = &["bytes ", "objects ", "keeps ", "known by", "type"];

    fn cells(&self) -> Vec<String> {
        vec![
            numbers::bytes(self.bytes),
            numbers::count(self.objects),
            numbers::bytes(self.retained_bytes),
            self.how.to_owned(),
            self.ty.clone(),
        ]
    }
}

impl Row for ObjectRow {
    const NAME: &'static str = "heap-objects";
    const HEADS: &'static [&'static str] = &["addr", "size ", "keeps ", "type"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.addr.clone(),
            numbers::bytes(self.size),
            numbers::bytes(self.retained_bytes),
            self.ty.clone(),
        ]
    }
}

/// The heap as a whole, in one of the formats.
pub fn summary(summary: &Summary, gaps: &[Gap], format: Format, look: Look) -> String {
    let Summary { objects, bytes, reachable_objects, reachable_bytes, typed_bytes, goroutines, snapshot } =
        summary;
    if format == Format::Json {
        return pretty(&SummaryJson {
            schema: schema("heap-summary"),
            objects: *objects,
            bytes: *bytes,
            reachable_objects: *reachable_objects,
            reachable_bytes: *reachable_bytes,
            typed_bytes: *typed_bytes,
            goroutines: *goroutines,
            snapshot,
            gaps: gap_rows(gaps),
        });
    }
    let share =
        |part: u64, whole: u64| numbers::percent(if whole == 0 { 0.0 } else { part as f64 / whole as f64 });
    let mut page = Page::new(look);
    page.line(&format!("objects     {:>12}  {}", numbers::count(*objects), numbers::bytes(*bytes)));
    let reachable = numbers::bytes(*reachable_bytes);
    page.line(&format!(
        "reachable   {:>12}  {reachable} ({})",
        numbers::count(*reachable_objects),
        share(*reachable_bytes, *bytes)
    ));
    let typed = numbers::bytes(*typed_bytes);
    page.line(&format!(
        "type known  {:>12}  {typed} ({} of what is reachable)",
        "",
        share(*typed_bytes, *reachable_bytes)
    ));
    page.line(&format!("goroutines  {:>12}", numbers::count(*goroutines)));
    let SnapshotRow { mode, predicted_pause_ms, pause_ms } = snapshot;
    let predicted = predicted_pause_ms.map(|ms| format!(", {ms:.1} ms predicted")).unwrap_or_default();
    page.line(&format!("read by     {mode:>12}  the process stood still for {pause_ms:.1} ms{predicted}"));
    page.finish() + &gap_text(gaps, look)
}

/// What keeps objects alive: each way from a root to them, in one of the formats.
pub fn why(rows: &[WhyRow], gaps: &[Gap], format: Format, look: Look) -> String {
    if format == Format::Json {
        let paths = rows.iter().map(|WhyRow { objects, bytes, steps }| WhyPathJson {
            objects: *objects,
            bytes: *bytes,
            steps: steps.iter().map(StepRow::from).collect(),
        });
        return pretty(&WhyJson { schema: schema("heap-why"), paths: paths.collect(), gaps: gap_rows(gaps) });
    }
    let mut page = Page::new(look);
    for (index, WhyRow { objects, bytes, steps }) in rows.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        page.line(&format!("{}, {}", numbers::counted(*objects, "object"), numbers::bytes(*bytes)));
        for step in steps {
            let addr = step.addr.map(|addr| format!("  at {addr}")).unwrap_or_default();
            page.wrapped(
                &format!("  {}  ", sites::step(step)),
                &format!("{} ({}){addr}", step.ty, sites::via(step.via)),
            );
        }
    }
    if rows.is_empty() {
        page.line("No root leads there: the next collection frees it.");
    }
    page.finish() + &gap_text(gaps, look)
}
