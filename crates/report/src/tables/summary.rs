//! The heap as a whole.

use serde::Serialize;

use super::Beside;
use crate::page::Page;
use crate::{Format, Look, numbers};

/// The heap as a whole.
#[derive(Debug, Clone, Serialize)]
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
}

/// The heap as a whole, in one of the formats.
pub fn summary(summary: &Summary, beside: &Beside, format: Format, look: Look) -> String {
    beside.answer("heap-summary", summary, format, look, || text(summary, look))
}

fn text(summary: &Summary, look: Look) -> String {
    let Summary { objects, bytes, reachable_objects, reachable_bytes, typed_bytes, goroutines } = summary;
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
    page.finish()
}
