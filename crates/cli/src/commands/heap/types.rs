//! `leakscope heap types`.

use std::cmp::Reverse;

use anyhow::Result;
use leakscope_heap::census::{self, Census, Estimate};
use leakscope_heap::{Heap, type_table};
use leakscope_model::Gap;
use leakscope_report::tables::{GroupRow, TypeRow, table};
use leakscope_target::read_u64;

use super::object_rows::how_word;
use super::{ask, show};
use crate::args::{TypeGrouping, TypeSort, TypesArgs};
use crate::opening::Inspection;
use crate::{NOTHING, output};

/// The rate of the memory profile where nobody changed it (`runtime.MemProfileRate`).
const DEFAULT_RATE: u64 = 512 * 1024;

/// Prints the heap by type, or by what else is asked for.
pub(super) fn run(args: &TypesArgs) -> Result<u8> {
    match args.by {
        TypeGrouping::Type => {
            let answered = ask(&args.about, |inspection| Ok(types(inspection.heap, args)))?;
            show(&args.about, &answered)
        }
        by => groups(args, by),
    }
}

fn types(heap: &Heap, args: &TypesArgs) -> Vec<TypeRow> {
    let mut rows: Vec<TypeRow> = type_table::types(heap)
        .into_iter()
        .map(|row| TypeRow {
            ty: row.name.to_string(),
            objects: row.live.objects,
            bytes: row.live.bytes,
            retained_bytes: row.retained,
            how: how_word(row.how),
        })
        .collect();
    match args.sort {
        TypeSort::Bytes => rows.sort_by_key(|row| Reverse((row.bytes, row.objects))),
        TypeSort::Objects => rows.sort_by_key(|row| Reverse((row.objects, row.bytes))),
        TypeSort::Retained => rows.sort_by_key(|row| Reverse((row.retained_bytes, row.bytes))),
        TypeSort::Name => rows.sort_by(|a, b| a.ty.cmp(&b.ty)),
    }
    rows.truncate(args.limit);
    rows
}

fn groups(args: &TypesArgs, by: TypeGrouping) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let heap = inspection.heap;
        let mut gap = None;
        let rows = match by {
            TypeGrouping::Type | TypeGrouping::Package => census::by_package(heap),
            TypeGrouping::SizeClass => census::by_size_class(heap),
            TypeGrouping::Root => census::by_root(heap),
            TypeGrouping::Goroutine => census::by_goroutine(heap),
            TypeGrouping::AllocStack => {
                let rate = rate(inspection);
                gap = allocation_gap(heap, rate);
                census::by_allocation(heap, rate.unwrap_or(DEFAULT_RATE))
            }
        };
        Ok((in_order(rows, args, by), gap))
    })?;
    let mut beside = answered.beside();
    beside.gaps.extend(answered.answer.1.clone());
    let output = &args.about.output;
    let page = table(&answered.answer.0, &beside, output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

/// `runtime.MemProfileRate`; `None` where it cannot be read: a capture does not keep it.
fn rate(inspection: &Inspection<'_, '_>) -> Option<u64> {
    let at_hand = inspection.memory()?;
    let variable = at_hand.runtime.variables.find("MemProfileRate")?;
    read_u64(at_hand.memory, variable.at).ok()
}

fn allocation_gap(heap: &Heap, rate: Option<u64>) -> Option<Gap> {
    match rate {
        _ if heap.samples.is_empty() => Some(Gap::new(
            "alloc-stack",
            "no allocation was sampled: the memory profile of the program is off, or its code is not linked in",
        )),
        Some(_) => None,
        None => Some(Gap::new(
            "alloc-stack",
            "runtime.MemProfileRate is not at hand: the estimates hold if it is Go's default of 512 KiB",
        )),
    }
}

fn in_order(mut rows: Vec<Census>, args: &TypesArgs, by: TypeGrouping) -> Vec<GroupRow> {
    match args.sort {
        TypeSort::Bytes => {}
        TypeSort::Objects => rows.sort_by_key(|row| Reverse(row.live.objects)),
        TypeSort::Retained => rows.sort_by_key(|row| Reverse(row.retained)),
        TypeSort::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
    }
    rows.truncate(args.limit);
    rows.into_iter().map(|row| group_row(row, by)).collect()
}

fn group_row(row: Census, by: TypeGrouping) -> GroupRow {
    let Census { name, live, retained, estimate } = row;
    let mut group = GroupRow {
        by: by.word(),
        group: name,
        objects: live.objects,
        bytes: live.bytes,
        retained_bytes: retained,
        samples: None,
        error_objects: None,
        error_bytes: None,
        stack: None,
    };
    if let Some(Estimate { samples, error_objects, error_bytes, stack }) = estimate {
        group.samples = Some(samples);
        group.error_objects = Some(error_objects);
        group.error_bytes = Some(error_bytes);
        group.stack = Some(stack.iter().map(Into::into).collect());
    }
    group
}
