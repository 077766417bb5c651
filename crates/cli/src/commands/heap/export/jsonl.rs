//! The heap as lines of JSON, each an object with one key that says what it is.

use std::io::Write;

use anyhow::{Context, Result};
use leakscope_heap::{Heap, Verdict, leaks};
use leakscope_report::tables::GoroutineRow;
use serde::Serialize;

use super::super::object_rows::type_name;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'h> {
    Heap {
        schema: &'static str,
        objects: u32,
        edges: u32,
        roots: usize,
        goroutines: usize,
    },
    Object {
        addr: String,
        #[serde(rename = "type")]
        ty: &'h str,
        size: u64,
        reachable: bool,
        retained_bytes: u64,
    },
    Edge {
        from: String,
        offset: u64,
        to: String,
        to_offset: u64,
        name: &'h str,
    },
    Root {
        name: &'h str,
        slot: String,
        to: String,
        to_offset: u64,
    },
    Goroutine(Box<GoroutineRow>),
}

/// Writes what there is of a kind after the other: objects, edges, roots, goroutines.
pub(super) fn write(heap: &Heap, out: &mut dyn Write) -> Result<()> {
    let schema = "leakscope.heap-export/1";
    let (objects, edges) = (heap.objects.len(), heap.edges.len());
    let (roots, goroutines) = (heap.roots.len(), heap.goroutines.len());
    put(out, &Line::Heap { schema, objects, edges, roots, goroutines })?;
    let addr = |id| heap.objects.addr(id).to_string();
    for object in heap.objects.iter() {
        let reachable = heap.reached_by.get(object.id.0 as usize).is_some_and(|by| by.is_reached());
        let (ty, retained_bytes) = (type_name(heap, object.id), heap.retained_of(object.id));
        put(
            out,
            &Line::Object { addr: object.addr.to_string(), ty, size: object.size, reachable, retained_bytes },
        )?;
    }
    for object in heap.objects.iter() {
        for edge in heap.edges.of(object.id) {
            let (name, _) = heap.label(object.id, edge.index);
            let line = Line::Edge {
                from: object.addr.to_string(),
                offset: u64::from(edge.word) * 8,
                to: addr(edge.target),
                to_offset: heap.edges.offset_in_target(edge.index),
                name: &name,
            };
            put(out, &line)?;
        }
    }
    for root in &heap.roots {
        let step = heap.root_step(root);
        let (slot, to, to_offset) = (root.slot.to_string(), addr(root.target), root.offset);
        put(out, &Line::Root { name: &step.name, slot, to, to_offset })?;
    }
    let found = leaks::find(heap);
    for (goroutine, verdict) in heap.goroutines.iter().zip(found.of) {
        let row = GoroutineRow::new(goroutine, goroutine.stack_bytes, Verdict::leaked(verdict));
        put(out, &Line::Goroutine(Box::new(row)))?;
    }
    Ok(())
}

fn put(out: &mut dyn Write, line: &Line<'_>) -> Result<()> {
    serde_json::to_writer(&mut *out, line)
        .map_err(std::io::Error::from)
        .and_then(|()| out.write_all(b"\n"))
        .context("writing a line")
}
