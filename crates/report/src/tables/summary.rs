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
    /// The collector; `None` where it could not be read.
    pub collector: Option<CollectorRow>,
}

/// Go's collector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CollectorRow {
    /// `off`, `marking` or `ending the marking`.
    pub phase: &'static str,
    /// Completed collections.
    pub cycles: u64,
    /// Of those, collections that the program asked for; `None` in a capture, as are those below that say so.
    pub forced_cycles: Option<u64>,
    /// Whether the program asked for the last one, or for the one under way; `None` in a capture.
    pub last_was_forced: Option<bool>,
    /// Bytes that the last one marked.
    pub heap_marked_bytes: u64,
    /// Bytes marked, and allocated since; `None` in a capture.
    pub heap_live_bytes: Option<u64>,
    /// The heap size that the next one aims at; `None` where nothing sets one.
    pub goal_bytes: Option<u64>,
    /// What makes the next one begin: `GOGC`, `GOMEMLIMIT`, or `nothing`; `None` in a capture.
    pub next_by: Option<&'static str>,
    /// GOGC; `None` where it is off, and in a capture.
    pub gogc_percent: Option<u64>,
    /// GOMEMLIMIT; `None` where there is none.
    pub memory_limit_bytes: Option<u64>,
}

/// The heap as a whole, in one of the formats.
pub fn summary(summary: &Summary, beside: &Beside, format: Format, look: Look) -> String {
    beside.answer("heap-summary", summary, format, look, || text(summary, look))
}

fn text(summary: &Summary, look: Look) -> String {
    let Summary { objects, bytes, reachable_objects, reachable_bytes, typed_bytes, goroutines, collector } =
        summary;
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
    if let Some(collector) = collector {
        collector_text(&mut page, collector);
    }
    page.finish()
}

fn collector_text(page: &mut Page, row: &CollectorRow) {
    let forced = match row.forced_cycles {
        Some(forced) => format!(", {} of them asked for", numbers::count(forced)),
        None => String::new(),
    };
    let last = match row.last_was_forced {
        Some(true) => ", the last too",
        _ => "",
    };
    page.line(&format!("collections {:>12}  {}{forced}{last}", numbers::count(row.cycles), row.phase));
    let live = match row.heap_live_bytes {
        Some(live) => format!(", {} with what came since", numbers::bytes(live)),
        None => String::new(),
    };
    page.line(&format!("marked      {:>12}  by the last one{live}", numbers::bytes(row.heap_marked_bytes)));
    let goal = row.goal_bytes.map_or_else(|| "none".to_owned(), numbers::bytes);
    let by = match row.next_by {
        Some("nothing") => "only when the program asks for one".to_owned(),
        Some(by) => format!("set by {by}"),
        None => String::new(),
    };
    page.line(&format!("next goal   {goal:>12}  {by}"));
    let gogc = match (row.gogc_percent, row.next_by) {
        (Some(percent), _) => format!("GOGC={percent}, "),
        (None, Some(_)) => "GOGC=off, ".to_owned(),
        (None, None) => String::new(),
    };
    let limit = match row.memory_limit_bytes {
        Some(limit) => format!("GOMEMLIMIT={}", numbers::bytes(limit)),
        None => "no GOMEMLIMIT".to_owned(),
    };
    page.line(&format!("limits      {:>12}  {gogc}{limit}", ""));
}
