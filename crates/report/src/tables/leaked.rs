//! Goroutines that can never run again, by stack.

use leakscope_model::Goroutine;
use serde::Serialize;

use super::{Beside, GoroutineGroupRow, Row, table};
use crate::json::FrameRow;
use crate::page::Page;
use crate::{Format, Look, numbers, sites};

/// Goroutines with one stack and one wait, none of which can ever run again.
#[derive(Debug, Serialize)]
pub struct LeakedRow {
    /// How many.
    pub count: u64,
    /// What they wait for, in the runtime's words.
    pub wait: String,
    /// The channels, or the objects that hold the lock, group or condition: at most a hundred of them; empty for
    /// nil channels and a select without cases.
    pub waits_for: Vec<WaitedRow>,
    /// Their first frame outside the runtime.
    pub function: String,
    /// That frame's file.
    pub file: String,
    /// That frame's line.
    pub line: u32,
    /// Where the `go` statement stands.
    pub created_by: Option<FrameRow>,
    /// Bytes that they alone keep, with their stacks.
    pub retained_bytes: u64,
    /// Their ids, at most a hundred of them.
    pub ids: Vec<u64>,
    /// Innermost first.
    pub stack: Vec<FrameRow>,
}

/// What somebody waits for.
#[derive(Debug, Serialize)]
pub struct WaitedRow {
    /// In hex.
    pub addr: String,
    /// As Go writes it.
    #[serde(rename = "type")]
    pub ty: String,
}

impl LeakedRow {
    /// The row of `count` goroutines like `first`, which alone keep `retained_bytes`.
    pub fn new(
        first: &Goroutine,
        ids: Vec<u64>,
        count: u64,
        retained_bytes: u64,
        waits_for: Vec<WaitedRow>,
    ) -> LeakedRow {
        let GoroutineGroupRow { count, wait, function, file, line, created_by, retained_bytes, ids, stack } =
            GoroutineGroupRow::new(first, ids, count, retained_bytes);
        LeakedRow { count, wait, waits_for, function, file, line, created_by, retained_bytes, ids, stack }
    }
}

impl Row for LeakedRow {
    const NAME: &'static str = "heap-leaked";
    const HEADS: &'static [&'static str] = &["count ", "keeps ", "wait", "for", "at", "function"];

    fn cells(&self) -> Vec<String> {
        vec![
            numbers::count(self.count),
            numbers::bytes(self.retained_bytes),
            self.wait.clone(),
            self.waits_for.first().map(|waited| waited.ty.clone()).unwrap_or_default(),
            sites::position(&self.file, self.line),
            self.function.clone(),
        ]
    }
}

/// The rows in one of the formats; for people, none is said in words.
pub fn leaked(rows: &[LeakedRow], beside: &Beside, format: Format, look: Look) -> String {
    if rows.is_empty() && format != Format::Json {
        let mut page = Page::new(look);
        page.line("No goroutine is proven to be leaked.");
        return page.finish() + &beside.text(look);
    }
    table(rows, beside, format, look)
}
