//! Objects in groups: packages, size classes, places of allocation, roots, goroutines.

use serde::Serialize;

use super::Row;
use crate::json::FrameRow;
use crate::numbers;

/// Objects that have something in common.
#[derive(Debug, Serialize)]
pub struct GroupRow {
    /// By what they are grouped: `package`, `size-class`, `alloc-stack`, `root`, `goroutine`.
    pub by: &'static str,
    /// What they have in common.
    pub group: String,
    /// How many; for `alloc-stack` an estimate.
    pub objects: u64,
    /// Bytes of their slots; for `alloc-stack` an estimate.
    pub bytes: u64,
    /// Bytes that would be freed without all of them; `None` where that has no answer.
    pub retained_bytes: Option<u64>,
    /// On how many sampled objects an estimate stands.
    pub samples: Option<u64>,
    /// One standard deviation of `objects`.
    pub error_objects: Option<f64>,
    /// One standard deviation of `bytes`.
    pub error_bytes: Option<f64>,
    /// The place of allocation, innermost frame first.
    pub stack: Option<Vec<FrameRow>>,
}

impl Row for GroupRow {
    const NAME: &'static str = "heap-groups";
    const HEADS: &'static [&'static str] = &["bytes ", "objects ", "keeps ", "samples ", "group"];

    fn cells(&self) -> Vec<String> {
        let error = |error: Option<f64>, text: &dyn Fn(u64) -> String| match error {
            Some(error) if error >= 1.0 => format!(" ± {}", text(error.round() as u64)),
            _ => String::new(),
        };
        vec![
            format!("{}{}", numbers::bytes(self.bytes), error(self.error_bytes, &numbers::bytes)),
            format!("{}{}", numbers::count(self.objects), error(self.error_objects, &numbers::count)),
            self.retained_bytes.map_or_else(String::new, numbers::bytes),
            self.samples.map_or_else(String::new, numbers::count),
            self.group.clone(),
        ]
    }
}
