//! `leakscope heap roots`.

use std::cmp::Reverse;

use anyhow::Result;
use leakscope_heap::holders::Goroutines;
use leakscope_heap::{Heap, Holder, HolderName, Holders, Tally, timers};
use leakscope_report::tables::RootRow;

use super::object_rows::type_name;
use super::{ask, show};
use crate::args::{RootKind, RootsArgs};

/// Handles for code in C are the values of this variable (`runtime/cgo/handle.go`).
const CGO_HANDLES: &str = "runtime/cgo.handles";

/// Prints the roots, those that alone keep most first.
pub(super) fn run(args: &RootsArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let mut rows = rows(inspection.heap);
        rows.retain(|row| args.kind.is_none_or(|kind| kind.word() == row.kind));
        rows.truncate(args.limit);
        Ok(rows)
    })?;
    show(&args.about, &answered)
}

fn rows(heap: &Heap) -> Vec<RootRow> {
    let holders = Holders::of(heap, Goroutines::ByVariable);
    let mut rows: Vec<RootRow> =
        holders.nodes.iter().filter_map(|holder| root_row(heap, &holders, holder)).collect();
    rows.extend(timers::by_callback(heap).into_iter().map(timer_row));
    rows.sort_by_key(|row| (Reverse(row.retained_bytes), Reverse(row.bytes), row.kind));
    rows
}

/// A row for each variable, each local variable of a goroutine group, each kind of record and what it holds.
fn root_row(heap: &Heap, holders: &Holders, holder: &Holder) -> Option<RootRow> {
    let Holder { parent, name, words, example, first, alone } = holder;
    let kind = |kind: RootKind| kind.word();
    let mut row = RootRow {
        kind: kind(RootKind::Other),
        name: String::new(),
        function: None,
        file: None,
        line: None,
        wait: None,
        goroutines: 0,
        ty: example.map_or_else(String::new, |id| type_name(heap, id).to_owned()),
        words: *words,
        objects: first.objects,
        bytes: first.bytes,
        retained_objects: alone.objects,
        retained_bytes: alone.bytes,
    };
    let above = holders.nodes.get(*parent as usize).map(|above| &above.name);
    match (name, above) {
        (HolderName::Variable(variable), _) => {
            row.kind = kind(if &**variable == CGO_HANDLES { RootKind::CgoHandle } else { RootKind::Global });
            row.name = variable.to_string();
        }
        (HolderName::Data(at), _) => row.name = format!("data {at}"),
        (HolderName::RecordOf(ty), Some(HolderName::Record(record))) => {
            row.kind = match &**record {
                "finalizer" => kind(RootKind::Finalizer),
                "cleanup" => kind(RootKind::Cleanup),
                "weak handle" => kind(RootKind::WeakHandle),
                _ => kind(RootKind::Other),
            };
            row.name = ty.to_string();
        }
        (HolderName::Local { function, file, line, name }, Some(HolderName::Group(group))) => {
            let members = holders.groups.get(*group as usize)?;
            let first = members.first().and_then(|first| heap.goroutines.get(*first));
            row.kind = kind(RootKind::Goroutine);
            row.name = name.as_ref().map_or_else(|| "stack".to_owned(), |name| name.to_string());
            (row.function, row.file, row.line) =
                (Some(function.to_string()), Some(file.to_string()), Some(*line));
            row.wait = first.and_then(|first| first.wait.clone());
            row.goroutines = members.len() as u64;
        }
        _ => return None,
    }
    Some(row)
}

fn timer_row(timer: timers::TimerGroup) -> RootRow {
    let Tally { objects, bytes } = timer.alone;
    RootRow {
        kind: RootKind::Timer.word(),
        name: timer.holds.to_string(),
        function: None,
        file: None,
        line: None,
        wait: None,
        goroutines: 0,
        ty: timer.ty.to_string(),
        words: timer.timers,
        objects,
        bytes,
        retained_objects: objects,
        retained_bytes: bytes,
    }
}
