//! What keeps objects alive: each way from a root to them.

use leakscope_model::PathStep;
use serde::Serialize;

use super::Beside;
use crate::json::StepRow;
use crate::page::Page;
use crate::{Format, Look, numbers, sites};

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

#[derive(Serialize)]
struct WhyJson {
    paths: Vec<WhyPathJson>,
}

#[derive(Serialize)]
struct WhyPathJson {
    objects: u64,
    bytes: u64,
    steps: Vec<StepRow>,
}

/// Each way in one of the formats.
pub fn why(rows: &[WhyRow], beside: &Beside, format: Format, look: Look) -> String {
    let paths = rows.iter().map(|WhyRow { objects, bytes, steps }| WhyPathJson {
        objects: *objects,
        bytes: *bytes,
        steps: steps.iter().map(StepRow::from).collect(),
    });
    let answer = WhyJson { paths: paths.collect() };
    beside.answer("heap-why", &answer, format, look, || text(rows, look))
}

fn text(rows: &[WhyRow], look: Look) -> String {
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
    page.finish()
}
