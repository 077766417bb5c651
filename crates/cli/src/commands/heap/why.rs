//! `leakscope heap why`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::{Result, bail};
use leakscope_heap::{Heap, ObjectId};
use leakscope_model::PathStep;
use leakscope_report::tables::{WhyRow, why};

use super::ask;
use super::object_rows::of_type;
use crate::args::{Subject, WhyArgs};
use crate::{NOTHING, output};

/// Objects of a type whose paths are told apart; the rest is counted with what is known of these.
const MOST_ASKED: usize = 200_000;

/// Prints what keeps an object, or those of a type, alive.
pub(super) fn run(args: &WhyArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let ids = subjects(inspection.heap, &args.subject)?;
        let mut rows = paths(inspection.heap, ids);
        rows.truncate(args.limit);
        Ok(rows)
    })?;
    let output = &args.about.output;
    let page = why(&answered.answer, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

fn subjects(heap: &Heap, subject: &Subject) -> Result<Vec<ObjectId>> {
    match subject {
        Subject::Object(addr) => match heap.objects.find(*addr) {
            Some((id, _)) => Ok(vec![id]),
            None => bail!("{addr} lies in no allocated object of this heap"),
        },
        Subject::Type(name) => of_type(heap, name),
    }
}

/// The ways of these objects, those of the most bytes first.
fn paths(heap: &Heap, ids: Vec<ObjectId>) -> Vec<WhyRow> {
    let mut paths: BTreeMap<String, WhyRow> = BTreeMap::new();
    for id in ids.into_iter().take(MOST_ASKED) {
        let steps = heap.path(id);
        if steps.is_empty() {
            continue;
        }
        let key = steps.iter().map(|step| format!("{}\u{0}{}\u{0}", step.name, step.ty)).collect();
        let row = paths.entry(key).or_insert(WhyRow { objects: 0, bytes: 0, steps });
        row.objects += 1;
        row.bytes += heap.objects.size(id);
        if row.objects == 2 {
            row.steps.iter_mut().for_each(|step: &mut PathStep| step.addr = None);
        }
    }
    let mut rows: Vec<WhyRow> = paths.into_values().collect();
    rows.sort_by_key(|row| Reverse(row.bytes));
    rows
}
