//! Goroutines, one by one or by stack.

use leakscope_model::{Frame, Goroutine};
use serde::Serialize;

use super::Row;
use crate::json::FrameRow;
use crate::{numbers, sites};

/// One goroutine.
#[derive(Debug, Serialize)]
pub struct GoroutineRow {
    /// `goid`.
    pub id: u64,
    /// The runtime's word.
    pub status: String,
    /// Why it waits.
    pub wait: Option<String>,
    /// Since when, in seconds.
    pub wait_seconds: Option<f64>,
    /// Its first frame outside the runtime.
    pub function: String,
    /// That frame's file.
    pub file: String,
    /// That frame's line.
    pub line: u32,
    /// Innermost first.
    pub stack: Vec<FrameRow>,
    /// Where its `go` statement stands.
    pub created_by: Option<FrameRow>,
    /// Bytes that it alone keeps, with its stack.
    pub retained_bytes: u64,
    /// Whether it is proven to wait for ever; `None` where nobody can tell.
    pub leaked: Option<bool>,
}

/// Goroutines with one stack and one wait.
#[derive(Debug, Serialize)]
pub struct GoroutineGroupRow {
    /// How many.
    pub count: u64,
    /// What they wait for; empty where they do not.
    pub wait: String,
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

impl GoroutineRow {
    /// The row of `goroutine`, which alone keeps `retained_bytes`.
    pub fn new(goroutine: &Goroutine, retained_bytes: u64, leaked: Option<bool>) -> GoroutineRow {
        let shown = first_own_frame(&goroutine.stack);
        GoroutineRow {
            id: goroutine.id,
            status: goroutine.status.clone(),
            wait: goroutine.wait.clone(),
            wait_seconds: goroutine.wait_seconds,
            function: shown.map(|frame| frame.function.to_string()).unwrap_or_default(),
            file: shown.map(|frame| frame.file.to_string()).unwrap_or_default(),
            line: shown.map(|frame| frame.line).unwrap_or_default(),
            stack: goroutine.stack.iter().map(FrameRow::from).collect(),
            created_by: goroutine.created_by.as_ref().map(FrameRow::from),
            retained_bytes,
            leaked,
        }
    }
}

impl GoroutineGroupRow {
    /// The row of `count` goroutines like `first`, which alone keep `retained_bytes`.
    pub fn new(first: &Goroutine, ids: Vec<u64>, count: u64, retained_bytes: u64) -> GoroutineGroupRow {
        let GoroutineRow { wait, function, file, line, stack, created_by, .. } =
            GoroutineRow::new(first, retained_bytes, None);
        let wait = wait.unwrap_or_default();
        GoroutineGroupRow { count, wait, function, file, line, created_by, retained_bytes, ids, stack }
    }
}

/// The innermost frame outside the runtime, else the innermost.
fn first_own_frame(stack: &[Frame]) -> Option<&Frame> {
    stack.iter().find(|frame| !frame.is_runtime()).or(stack.first())
}

impl Row for GoroutineRow {
    const NAME: &'static str = "goroutines";
    const HEADS: &'static [&'static str] = &["id ", "status", "wait", "for ", "keeps ", "at", "function"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.status.clone(),
            self.wait.clone().unwrap_or_default(),
            self.wait_seconds.map(numbers::seconds).unwrap_or_default(),
            numbers::bytes(self.retained_bytes),
            sites::position(&self.file, self.line),
            self.function.clone(),
        ]
    }
}

impl Row for GoroutineGroupRow {
    const NAME: &'static str = "goroutine-groups";
    const HEADS: &'static [&'static str] = &["count ", "keeps ", "wait", "at", "function"];

    fn cells(&self) -> Vec<String> {
        vec![
            numbers::count(self.count),
            numbers::bytes(self.retained_bytes),
            self.wait.clone(),
            sites::position(&self.file, self.line),
            self.function.clone(),
        ]
    }
}
