//! What holds the heap from outside, one root a row.

use serde::Serialize;

use super::Row;
use crate::{numbers, sites};

/// One root, or all that are alike.
#[derive(Debug, Clone, Serialize)]
pub struct RootRow {
    /// `global`, `goroutine`, `finalizer`, `cleanup`, `cgo handle`, `timer`, `weak handle`, `data`.
    pub kind: &'static str,
    /// The variable: `main.server`, `buffer`; for a record of the runtime the type that it holds.
    pub name: String,
    /// The function of a local variable.
    pub function: Option<String>,
    /// The file of its frame.
    pub file: Option<String>,
    /// The line at which the frame stands.
    pub line: Option<u32>,
    /// What the goroutines wait for that have it.
    pub wait: Option<String>,
    /// How many goroutines those are.
    pub goroutines: u64,
    /// The type of what it holds; of one of them, if there are more.
    #[serde(rename = "type")]
    pub ty: String,
    /// Words from which it holds something.
    pub words: u64,
    /// Objects that are reached through it first.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects that are reached through it alone.
    pub retained_objects: u64,
    /// Their bytes: what would be freed without it.
    pub retained_bytes: u64,
}

impl Row for RootRow {
    const NAME: &'static str = "heap-roots";
    const HEADS: &'static [&'static str] = &["keeps ", "objects ", "kind", "name", "at", "type"];

    fn cells(&self) -> Vec<String> {
        let at = match (&self.function, &self.file, self.line) {
            (Some(function), Some(file), Some(line)) => format!("{function} {}", sites::position(file, line)),
            _ => String::new(),
        };
        let many = if self.goroutines > 1 {
            format!(" × {}", numbers::count(self.goroutines))
        } else {
            String::new()
        };
        vec![
            numbers::bytes(self.retained_bytes),
            numbers::count(self.retained_objects),
            self.kind.to_owned(),
            self.name.clone(),
            format!("{at}{many}"),
            self.ty.clone(),
        ]
    }
}
