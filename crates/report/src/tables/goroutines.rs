//! Goroutines, one by one or by stack.

use leakscope_model::{Frame, Goroutine};
use serde::Serialize;

use super::Row;
use crate::json::{FrameRow, StepRow};
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

/// One goroutine, and by which of its variables it reaches the object that was asked for.
#[derive(Debug, Serialize)]
pub struct HoldingRow {
    /// The goroutine.
    #[serde(flatten)]
    pub goroutine: GoroutineRow,
    /// Its variables, those with the shortest way first.
    pub holds: Vec<HoldRow>,
}

/// A way from a goroutine's stack to an object.
#[derive(Debug, Serialize)]
pub struct HoldRow {
    /// The function of the frame.
    pub function: String,
    /// Its file.
    pub file: String,
    /// The line at which it stands.
    pub line: u32,
    /// The variable; `stack` where it has no name.
    pub variable: String,
    /// Whether it points straight at the object.
    pub direct: bool,
    /// From the variable to the object.
    pub path: Vec<StepRow>,
}

/// What one variable of goroutines with one stack keeps.
#[derive(Debug, Serialize)]
pub struct GoroutineVariableRow {
    /// How many goroutines there are.
    pub count: u64,
    /// What they wait for; empty where they do not.
    pub wait: String,
    /// The variable; `stack` for spill slots and registers.
    pub variable: String,
    /// The function of its frame.
    pub function: String,
    /// Its file.
    pub file: String,
    /// The line at which the frame stands.
    pub line: u32,
    /// The type of what it points at.
    #[serde(rename = "type")]
    pub ty: String,
    /// Objects that these variables keep and nothing else does.
    pub objects: u64,
    /// Their bytes.
    pub retained_bytes: u64,
    /// The goroutines.
    pub ids: Vec<u64>,
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

impl Row for HoldingRow {
    const NAME: &'static str = "goroutines";
    const HEADS: &'static [&'static str] = &["id ", "status", "wait", "by variable", "at", "way"];

    fn cells(&self) -> Vec<String> {
        let first = self.holds.first();
        let way =
            first.map(|hold| hold.path.iter().skip(1).map(StepRow::name).collect::<Vec<_>>().join(" → "));
        let more = match self.holds.len() {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        vec![
            self.goroutine.id.to_string(),
            self.goroutine.status.clone(),
            self.goroutine.wait.clone().unwrap_or_default(),
            first.map_or_else(String::new, |hold| format!("{}: {}{more}", hold.function, hold.variable)),
            first.map_or_else(String::new, |hold| sites::position(&hold.file, hold.line)),
            way.filter(|way| !way.is_empty()).unwrap_or_else(|| "directly".to_owned()),
        ]
    }
}

impl Row for GoroutineVariableRow {
    const NAME: &'static str = "goroutine-variables";
    const HEADS: &'static [&'static str] =
        &["keeps ", "objects ", "goroutines ", "wait", "variable", "at", "type"];

    fn cells(&self) -> Vec<String> {
        vec![
            numbers::bytes(self.retained_bytes),
            numbers::count(self.objects),
            numbers::count(self.count),
            self.wait.clone(),
            format!("{}: {}", self.function, self.variable),
            sites::position(&self.file, self.line),
            self.ty.clone(),
        ]
    }
}
