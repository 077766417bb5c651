//! `leakscope heap referrers`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use leakscope_heap::referrers::{Reference, Referrer, referrers};
use leakscope_heap::{Heap, ObjectId};
use leakscope_model::PathStep;
use leakscope_report::json::via_word;
use leakscope_report::tables::ReferrerRow;

use super::object_rows::{subjects, type_name};
use super::{ask, show};
use crate::args::{ReferrersArgs, Subject};

/// Prints who points at an object, or at those of a type.
pub(super) fn run(args: &ReferrersArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let heap = inspection.heap;
        let targets = subjects(inspection, &args.subject)?;
        let mut found = referrers(heap, &targets);
        let mut rows = match args.subject {
            Subject::Object(_) => {
                in_order(heap, &mut found);
                found.truncate(args.limit);
                found.iter().map(|reference| referrer_row(heap, reference)).collect()
            }
            Subject::Type(_) => grouped(heap, &found),
        };
        rows.truncate(args.limit);
        Ok(rows)
    })?;
    show(&args.about, &answered)
}

/// Roots first, what nothing reaches last, and by name, not by where the allocator put the holder.
pub(super) fn in_order(heap: &Heap, found: &mut [Reference]) {
    found.sort_by_cached_key(|reference| place(heap, reference));
}

/// Whether the holder is garbage, its type, and the word that points.
fn place(heap: &Heap, reference: &Reference) -> (bool, String, String) {
    match reference.from {
        Referrer::Root(index) => {
            let root = heap.roots.get(index as usize);
            (false, String::new(), root.map(|root| heap.root_step(root).name).unwrap_or_default())
        }
        Referrer::Object(from, edge) => {
            let holder = type_name(heap, heap.container_of(from)).to_owned();
            (!heap.is_reachable(from), holder, heap.label(from, edge).0.to_string())
        }
    }
}

/// One pointer.
pub(super) fn referrer_row(heap: &Heap, reference: &Reference) -> ReferrerRow {
    let one = ReferrerRow {
        addr: None,
        ty: String::new(),
        name: String::new(),
        via: "",
        reachable: true,
        references: 1,
        objects: 1,
        path: String::new(),
    };
    match reference.from {
        Referrer::Root(index) => match heap.roots.get(index as usize) {
            Some(root) => {
                let PathStep { name, via, .. } = heap.root_step(root);
                ReferrerRow { name, via: via_word(via), ..one }
            }
            None => one,
        },
        Referrer::Object(from, edge) => {
            let (name, via) = heap.label(from, edge);
            // What a person calls the holder is the map, not its table.
            let from = heap.container_of(from);
            ReferrerRow {
                addr: Some(heap.objects.addr(from).to_string()),
                ty: type_name(heap, from).to_owned(),
                name: name.to_string(),
                via: via_word(via),
                reachable: heap.is_reachable(from),
                path: leakscope_report::path_line(&heap.path(from)),
                ..one
            }
        }
    }
}

/// Holder's type, field, how it hangs, whether the holder is reachable.
type Key = (String, String, &'static str, bool);

fn grouped(heap: &Heap, found: &[Reference]) -> Vec<ReferrerRow> {
    let mut groups: BTreeMap<Key, (u64, BTreeSet<ObjectId>)> = BTreeMap::new();
    for reference in found {
        let key = match reference.from {
            Referrer::Root(index) => {
                let Some(root) = heap.roots.get(index as usize) else { continue };
                let PathStep { name, via, .. } = heap.root_step(root);
                (String::new(), name, via_word(via), true)
            }
            Referrer::Object(from, edge) => {
                let (name, via) = heap.label(from, edge);
                let ty = type_name(heap, heap.container_of(from)).to_owned();
                (ty, name.to_string(), via_word(via), heap.is_reachable(from))
            }
        };
        let group = groups.entry(key).or_default();
        group.0 += 1;
        group.1.insert(reference.target);
    }
    let mut rows: Vec<ReferrerRow> = groups
        .into_iter()
        .map(|((ty, name, via, reachable), (references, objects))| ReferrerRow {
            addr: None,
            ty,
            name,
            via,
            reachable,
            references,
            objects: objects.len() as u64,
            path: String::new(),
        })
        .collect();
    rows.sort_by_key(|row| (Reverse(row.references), !row.reachable));
    rows
}
