//! `leakscope heap`: the debugger's view.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use leakscope_heap::graph::{Heap, How, ObjectId};
use leakscope_heap::type_table;
use leakscope_model::{Gap, PathStep};
use leakscope_report::tables::{ObjectRow, SnapshotRow, Summary, TypeRow, WhyRow, summary, table, why};

use crate::args::{AboutHeap, FindArgs, HeapQuestion, ListArgs, Subject, TypesArgs, WhyArgs};
use crate::opening::{OneMoment, one_moment};
use crate::{NOTHING, output};

/// Objects of a type whose paths are told apart for `why`; the rest is counted with what is known of these.
const MOST_ASKED: usize = 200_000;

/// Answers one question.
pub(crate) fn run(question: &HeapQuestion) -> Result<u8> {
    match question {
        HeapQuestion::Summary(about) => summarise(about),
        HeapQuestion::Types(args) => types(args),
        HeapQuestion::Find(args) => find(args),
        HeapQuestion::List(args) => list(args),
        HeapQuestion::Why(args) => why_alive(args),
        HeapQuestion::Dominators(args) => dominators(args),
    }
}

fn open(about: &AboutHeap) -> Result<(OneMoment, Vec<Gap>)> {
    let one = one_moment(&about.target, &about.access)?;
    let mut gaps = one.gaps.clone();
    gaps.extend(one.moment.heap.gaps.iter().cloned());
    Ok((one, gaps))
}

fn summarise(about: &AboutHeap) -> Result<u8> {
    let (OneMoment { moment, .. }, gaps) = open(about)?;
    let heap = &moment.heap;
    let (live, garbage) = (heap.live(), heap.garbage());
    let answer = Summary {
        objects: live.objects + garbage.objects,
        bytes: live.bytes + garbage.bytes,
        reachable_objects: live.objects,
        reachable_bytes: live.bytes,
        typed_bytes: type_table::coverage(heap).typed.bytes,
        goroutines: heap.goroutines.len() as u64,
        snapshot: SnapshotRow {
            mode: moment.mode.clone(),
            predicted_pause_ms: moment.predicted_ms,
            pause_ms: moment.pause_ms.unwrap_or(0.0),
        },
    };
    output::write(
        &about.output,
        &summary(&answer, &gaps, about.output.format(), output::look(&about.output)),
    )?;
    Ok(NOTHING)
}

fn types(args: &TypesArgs) -> Result<u8> {
    let (OneMoment { moment, .. }, gaps) = open(&args.about)?;
    let rows = type_table::types(&moment.heap).into_iter().take(args.limit);
    let rows: Vec<TypeRow> = rows
        .map(|row| TypeRow {
            ty: row.name.to_string(),
            objects: row.live.objects,
            bytes: row.live.bytes,
            retained_bytes: row.retained,
            how: how_word(row.how),
        })
        .collect();
    show(&args.about, &rows, &gaps)
}

fn find(args: &FindArgs) -> Result<u8> {
    let (OneMoment { moment, .. }, gaps) = open(&args.about)?;
    let heap = &moment.heap;
    let ids = of_type(heap, &args.ty)?;
    let rows = ids.into_iter().filter(|id| heap.objects.size(*id) >= args.min).take(args.limit);
    let rows: Vec<ObjectRow> = rows.map(|id| object_row(heap, id)).collect();
    show(&args.about, &rows, &gaps)
}

/// The largest objects by their own bytes.
fn list(args: &ListArgs) -> Result<u8> {
    let (OneMoment { moment, .. }, gaps) = open(&args.about)?;
    let heap = &moment.heap;
    let large = heap.objects.iter().filter(|object| object.size >= args.min.max(1));
    let mut ids: Vec<ObjectId> = large.map(|object| object.id).collect();
    ids.sort_by_key(|id| (std::cmp::Reverse(heap.objects.size(*id)), *id));
    let rows: Vec<ObjectRow> = ids.into_iter().take(args.limit).map(|id| object_row(heap, id)).collect();
    show(&args.about, &rows, &gaps)
}

fn dominators(args: &ListArgs) -> Result<u8> {
    let (OneMoment { moment, .. }, gaps) = open(&args.about)?;
    let heap = &moment.heap;
    let rows = type_table::list(heap, args.min).into_iter().take(args.limit);
    let rows: Vec<ObjectRow> = rows.map(|id| object_row(heap, id)).collect();
    show(&args.about, &rows, &gaps)
}

fn why_alive(args: &WhyArgs) -> Result<u8> {
    let (OneMoment { moment, .. }, gaps) = open(&args.about)?;
    let heap = &moment.heap;
    let ids = match &args.subject {
        Subject::Object(addr) => match heap.objects.find(*addr) {
            Some((id, _)) => vec![id],
            None => bail!("{addr} lies in no allocated object of this heap"),
        },
        Subject::Type(name) => of_type(heap, name)?,
    };
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
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    rows.truncate(args.limit);
    let output = &args.about.output;
    output::write(output, &why(&rows, &gaps, output.format(), output::look(output)))?;
    Ok(NOTHING)
}

fn show<R: leakscope_report::tables::Row>(about: &AboutHeap, rows: &[R], gaps: &[Gap]) -> Result<u8> {
    output::write(&about.output, &table(rows, gaps, about.output.format(), output::look(&about.output)))?;
    Ok(NOTHING)
}

/// The reachable objects of the type that `pattern` means; having none is said with what to do.
fn of_type(heap: &Heap, pattern: &str) -> Result<Vec<ObjectId>> {
    let ids = type_table::find(heap, pattern);
    if ids.is_empty() {
        bail!("no reachable object is of type {pattern}; `leakscope heap types` lists what there is");
    }
    Ok(ids)
}

fn object_row(heap: &Heap, id: ObjectId) -> ObjectRow {
    ObjectRow {
        addr: heap.objects.addr(id).to_string(),
        ty: type_name(heap, id).to_owned(),
        size: heap.objects.size(id),
        retained_bytes: heap.retained_of(id),
    }
}

fn type_name(heap: &Heap, id: ObjectId) -> &str {
    let shape = heap.shape_of.get(id.0 as usize).and_then(|shape| heap.shapes.get(shape.0 as usize));
    shape.map_or("unknown", |shape| &shape.name)
}

/// As the contract of `heap types` spells it.
fn how_word(how: How) -> &'static str {
    match how {
        How::Header => "header",
        How::Itab => "itab",
        How::Dwarf => "dwarf",
        How::Call => "call",
        How::None => "none",
    }
}
