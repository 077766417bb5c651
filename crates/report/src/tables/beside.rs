//! What stands beside every answer about a heap: how it was read, how much of it has a type, what could not be seen.

use leakscope_model::Gap;
use serde::Serialize;

use crate::json::{GapJson, gap_rows, pretty};
use crate::page::Page;
use crate::{Format, Look};

/// How the snapshot that an answer stands on was taken.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotRow {
    /// When, by RFC 3339; empty where nobody tells.
    pub taken_at: String,
    /// `fork`, `stop`, `live`, `core`, `capture`.
    pub mode: String,
    /// What had been predicted.
    pub predicted_pause_ms: Option<f64>,
    /// How long the process stood still; 0 for a file.
    pub pause_ms: f64,
}

/// How much of what is reachable has a type, in bytes, by the way the type was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct CoverageRow {
    /// All that is reachable.
    pub reachable_bytes: u64,
    /// Objects whose type is known.
    pub typed_bytes: u64,
    /// Of these: the runtime records it with the object.
    pub header_bytes: u64,
    /// By the type word of an interface.
    pub itab_bytes: u64,
    /// By a pointer whose type debug information tells.
    pub dwarf_bytes: u64,
    /// By a pointer whose type the runtime's own descriptors tell.
    pub pointer_bytes: u64,
    /// By the code of a closure or of an allocation.
    pub call_bytes: u64,
}

/// What stands beside an answer.
#[derive(Debug, Clone)]
pub struct Beside {
    /// How the heap was read.
    pub snapshot: SnapshotRow,
    /// How much of it has a type.
    pub coverage: CoverageRow,
    /// What could not be seen.
    pub gaps: Vec<Gap>,
}

/// An answer in JSON with what stands beside it.
#[derive(Serialize)]
struct AnswerJson<'r, A> {
    schema: String,
    #[serde(flatten)]
    answer: &'r A,
    coverage: &'r CoverageRow,
    snapshot: &'r SnapshotRow,
    gaps: Vec<GapJson<'r>>,
}

impl Beside {
    /// `answer`, whose fields stand at the top, as JSON of the schema `leakscope.NAME/1`.
    pub(crate) fn json<A: Serialize>(&self, name: &str, answer: &A) -> String {
        let Beside { snapshot, coverage, gaps } = self;
        let schema = super::schema(name);
        pretty(&AnswerJson { schema, answer, coverage, snapshot, gaps: gap_rows(gaps) })
    }

    /// What stands under an answer that is read by people.
    pub(crate) fn text(&self, look: Look) -> String {
        let Beside { snapshot, coverage, gaps } = self;
        let mut page = Page::new(look);
        page.blank();
        page.wrapped("", &format!("{}; {}", known_types(coverage), read_by(snapshot)));
        page.finish() + &super::gap_text(gaps, look)
    }

    /// A whole answer: `text` for people with what stands beside it, or its JSON.
    pub(crate) fn answer<A: Serialize>(
        &self,
        name: &str,
        answer: &A,
        format: Format,
        look: Look,
        text: impl FnOnce() -> String,
    ) -> String {
        match format {
            Format::Json => self.json(name, answer),
            Format::Text | Format::Markdown => text() + &self.text(look),
        }
    }
}

fn known_types(coverage: &CoverageRow) -> String {
    let CoverageRow { reachable_bytes, typed_bytes, .. } = *coverage;
    let share = if reachable_bytes == 0 { 1.0 } else { typed_bytes as f64 / reachable_bytes as f64 };
    // Rounded down: 99.96 % is not 100.
    format!("types known for {:.1} % of reachable bytes", (share * 1000.0).floor() / 10.0)
}

fn read_by(snapshot: &SnapshotRow) -> String {
    let SnapshotRow { taken_at: _, mode, predicted_pause_ms, pause_ms } = snapshot;
    match predicted_pause_ms {
        Some(predicted) => {
            format!("read by {mode}, the process stood still for {pause_ms:.1} ms ({predicted:.1} predicted)")
        }
        None if *pause_ms > 0.0 => format!("read by {mode}, the process stood still for {pause_ms:.1} ms"),
        None => format!("read from a {mode}"),
    }
}
