//! The objects that retain most, for Graphviz.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, Result};
use leakscope_heap::{DominatedBy, Heap, ObjectId, type_table};

use super::super::object_rows::type_name;

/// Writes the `limit` objects that retain most as a tree of dominators.
pub(super) fn write(heap: &Heap, limit: usize, out: &mut dyn Write) -> Result<()> {
    let shown: BTreeSet<ObjectId> = type_table::list(heap, 1).into_iter().take(limit).collect();
    let mut text = String::from(
        "digraph heap {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n  roots [shape=ellipse];\n",
    );
    for &id in &shown {
        let (addr, bytes) = (heap.objects.addr(id), heap.retained_of(id));
        let label = quoted(&format!("{}\n{addr}\nkeeps {bytes} bytes", type_name(heap, id)));
        text.push_str(&format!("  o{} [label={label}];\n", id.0));
        match nearest(heap, id, &shown) {
            Some(above) => text.push_str(&format!("  o{} -> o{};\n", above.0, id.0)),
            None => {
                let root = heap.path(id).into_iter().next().map(|step| step.name).unwrap_or_default();
                text.push_str(&format!("  roots -> o{} [label={}];\n", id.0, quoted(&root)));
            }
        }
    }
    text.push_str("}\n");
    out.write_all(text.as_bytes()).context("writing the graph")
}

/// The nearest dominator that is shown. Dominators of one that is shown retain more, so all of them are, unless
/// they retain equally much.
fn nearest(heap: &Heap, id: ObjectId, shown: &BTreeSet<ObjectId>) -> Option<ObjectId> {
    let mut at = id;
    for _ in 0..=heap.dominator.len() {
        match heap.dominator.get(at.0 as usize)?.unpack() {
            DominatedBy::Object(above) if shown.contains(&above) => return Some(above),
            DominatedBy::Object(above) => at = above,
            DominatedBy::Roots | DominatedBy::Unreachable => return None,
        }
    }
    None
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}
