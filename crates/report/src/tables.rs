//! Answers that are tables: the same rows as text and as `{ "schema": "leakscope.NAME/1", "rows": [ … ], "gaps": [ … ] }`.

mod arenas;
mod beside;
mod breakdown;
mod caches;
mod diff;
mod dominators;
mod goroutines;
mod groups;
mod leaked;
mod memstats;
mod object;
mod objects;
mod referrers;
mod roots;
mod spans;
mod summary;
mod types;
mod waste;
mod why;

use leakscope_model::Gap;
use serde::Serialize;

use crate::columns::{Lean, columns};
use crate::{Format, Look};

pub use arenas::ArenaRow;
pub use beside::{Beside, CoverageRow, SnapshotRow};
pub use breakdown::{BreakdownAnswer, CgroupRow, FileRow, PartRow, breakdown};
pub use caches::{
    CachedSpanRow, CachesAnswer, CentralRow, PageCacheRow, ProcessorRow, StackCacheRow, StackPoolRow, caches,
};
pub use diff::{Diff, DiffKey, DiffRow, FiguresRow, MomentRow, ReuseRow, diff};
pub use dominators::{DominatorRow, dominators};
pub use goroutines::{GoroutineGroupRow, GoroutineRow, GoroutineVariableRow, HoldRow, HoldingRow};
pub use groups::GroupRow;
pub use leaked::{LeakedRow, WaitedRow, leaked};
pub use memstats::{MemStatsAnswer, MemStatsClass, MemStatsRow, memstats};
pub use object::{Age, ObjectFacts, ReferrerRow, SpanFacts, object};
pub use objects::ObjectRow;
pub use roots::RootRow;
pub use spans::{OtherSpansRow, SpanClassRow, SpanRow, SpansAnswer, spans};
pub use summary::{CollectorRow, Summary, summary};
pub use types::TypeRow;
pub use waste::WasteRow;
pub use why::{WhyAnswer, WhyNode, WhyRow, why};

/// A row of a table: how its cells are headed, and how they read.
pub trait Row: Serialize {
    /// The name in the schema: `leakscope.NAME/1`.
    const NAME: &'static str;
    /// The heads; those of numbers end in a blank that is not shown.
    const HEADS: &'static [&'static str];

    /// One cell for each head, for people.
    fn cells(&self) -> Vec<String>;
}

#[derive(Serialize)]
struct TableJson<'r, R> {
    rows: &'r [R],
}

/// A whole table in one of the formats.
pub fn table<R: Row>(rows: &[R], beside: &Beside, format: Format, look: Look) -> String {
    match format {
        Format::Json => beside.json(R::NAME, &TableJson { rows }),
        Format::Text => {
            let cells: Vec<Vec<String>> = rows.iter().map(Row::cells).collect();
            let heads: Vec<(&str, Lean)> = R::HEADS.iter().map(|head| leaning(head)).collect();
            columns(&heads, &cells) + &beside.text(look)
        }
        Format::Markdown => markdown_table(rows) + &beside.text(look),
    }
}

/// `leakscope.NAME/1`.
fn schema(name: &str) -> String {
    format!("leakscope.{name}/1")
}

/// A head that ends in a blank is one of numbers.
fn leaning(head: &'static str) -> (&'static str, Lean) {
    match head.strip_suffix(' ') {
        Some(number) => (number, Lean::Right),
        None => (head, Lean::Left),
    }
}

fn markdown_table<R: Row>(rows: &[R]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | ").replace('\n', " "));
    let heads = R::HEADS.iter().map(|head| head.trim().to_owned()).collect();
    let rule =
        R::HEADS.iter().map(|head| if head.ends_with(' ') { "---:" } else { "---" }.to_owned()).collect();
    let body = rows.iter().map(|row| line(row.cells().iter().map(|cell| cell.replace('|', "\\|")).collect()));
    line(heads) + &line(rule) + &body.collect::<String>()
}

/// What could not be seen, under a table.
pub(crate) fn gap_text(gaps: &[Gap], look: Look) -> String {
    let mut page = crate::page::Page::new(look);
    if !gaps.is_empty() {
        page.heading("Not seen");
    }
    for Gap { part, reason } in gaps {
        page.wrapped("  ", &format!("{part}: {reason}"));
    }
    page.finish()
}
