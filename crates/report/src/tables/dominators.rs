//! The dominator tree.

use serde::Serialize;

use super::Beside;
use crate::page::Page;
use crate::{Format, Look, numbers};

/// One row of the tree.
#[derive(Debug, Clone, Serialize)]
pub struct DominatorRow {
    /// 0 on top.
    pub depth: u32,
    /// The row above it, by index; `None` on top.
    pub parent: Option<usize>,
    /// `global`, `goroutine`, `record`, `data`, `shared` (what several roots hold together), `object`.
    pub kind: &'static str,
    /// Of what holds objects: the variable, the goroutines.
    pub name: String,
    /// Of objects: their type.
    #[serde(rename = "type")]
    pub ty: String,
    /// Of one object, in hex.
    pub addr: Option<String>,
    /// How many objects the row stands for.
    pub objects: u64,
    /// Bytes of their slots.
    pub size: u64,
    /// Bytes that would be freed without them.
    pub retained_bytes: u64,
}

#[derive(Serialize)]
struct TreeJson<'r> {
    rows: &'r [DominatorRow],
}

/// The tree in one of the formats.
pub fn dominators(rows: &[DominatorRow], beside: &Beside, format: Format, look: Look) -> String {
    beside.answer("heap-dominators", &TreeJson { rows }, format, look, || text(rows, look))
}

fn text(rows: &[DominatorRow], look: Look) -> String {
    let mut page = Page::new(look);
    page.line(&format!("{:>10}  {:>10}  {}", "keeps", "own", "what"));
    for DominatorRow { depth, name, ty, addr, objects, size, retained_bytes, .. } in rows {
        let own = if *objects == 0 { String::new() } else { numbers::bytes(*size) };
        let what = match (objects, addr) {
            (0, _) => name.clone(),
            (_, Some(addr)) if !name.is_empty() => format!("{name}  {ty}  {addr}"),
            (_, Some(addr)) => format!("{ty}  {addr}"),
            (objects, None) => format!("{} × {ty}", numbers::count(*objects)),
        };
        let indent = "  ".repeat(*depth as usize);
        page.line(&format!("{:>10}  {own:>10}  {indent}{what}", numbers::bytes(*retained_bytes)));
    }
    page.finish()
}
