//! `leakscope goroutines`.

use std::collections::BTreeMap;

use anyhow::Result;
use leakscope_heap::Heap;
use leakscope_model::{Frame, Goroutine};
use leakscope_report::tables::{GoroutineGroupRow, GoroutineRow, Row, table};

use crate::args::{GoroutinesArgs, Grouping};
use crate::opening::Answered;
use crate::{NOTHING, output};

/// Ids shown for a group; the count says how many there are.
const MOST_IDS: usize = 100;

/// Lists goroutines, one a row or one group a row.
pub(crate) fn run(args: &GoroutinesArgs) -> Result<u8> {
    let page = match args.group {
        None => render(args, &ask(args, one_by_one)?),
        Some(grouping) => render(args, &ask(args, |heap, chosen| by_group(heap, chosen, grouping))?),
    };
    output::write(&args.output, &page)?;
    Ok(NOTHING)
}

/// Asks about the goroutines that the arguments mean.
fn ask<T>(args: &GoroutinesArgs, question: impl FnOnce(&Heap, &[&Goroutine]) -> T) -> Result<Answered<T>> {
    crate::opening::ask(&args.target, &args.access, |inspection| {
        let all = inspection.heap.goroutines.iter();
        let chosen: Vec<&Goroutine> = all.filter(|goroutine| is_asked_for(goroutine, args)).collect();
        Ok(question(inspection.heap, &chosen))
    })
}

fn render<R: Row>(args: &GoroutinesArgs, answered: &Answered<Vec<R>>) -> String {
    table(&answered.answer, &answered.beside(), args.output.format(), output::look(&args.output))
}

fn is_asked_for(goroutine: &Goroutine, args: &GoroutinesArgs) -> bool {
    args.state.as_ref().is_none_or(|state| goroutine.status.eq_ignore_ascii_case(state))
        && args.wait.as_ref().is_none_or(|wait| goroutine.wait.as_deref() == Some(wait))
}

fn one_by_one(heap: &Heap, chosen: &[&Goroutine]) -> Vec<GoroutineRow> {
    let row = |goroutine: &&Goroutine| {
        GoroutineRow::new(goroutine, retained_by_each(heap, goroutine, chosen.len()), None)
    };
    chosen.iter().map(row).collect()
}

/// What one goroutine keeps costs a walk over the heap each; for many, its stack alone is told.
fn retained_by_each(heap: &Heap, goroutine: &Goroutine, rows: usize) -> u64 {
    const WALKED: usize = 64;
    let held = if rows <= WALKED { heap.retained_by(&[], &[goroutine.id]).bytes } else { 0 };
    held.saturating_add(goroutine.stack_bytes)
}

/// Wait, stack, `go` statement; the parts that are not asked for are left empty.
type GroupKey<'g> = (&'g str, &'g [Frame], Option<&'g Frame>);

fn by_group(heap: &Heap, chosen: &[&Goroutine], by: Grouping) -> Vec<GoroutineGroupRow> {
    let mut groups: BTreeMap<GroupKey<'_>, Vec<&Goroutine>> = BTreeMap::new();
    for goroutine in chosen {
        let key: GroupKey<'_> = match by {
            Grouping::Stack => (goroutine.wait.as_deref().unwrap_or_default(), &goroutine.stack, None),
            Grouping::Creator => ("", &[], goroutine.created_by.as_ref()),
        };
        groups.entry(key).or_default().push(goroutine);
    }
    let mut rows: Vec<GoroutineGroupRow> =
        groups.values().filter_map(|members| group_row(heap, members)).collect();
    rows.sort_by(|a, b| b.count.cmp(&a.count).then(a.function.cmp(&b.function)));
    rows
}

fn group_row(heap: &Heap, members: &[&Goroutine]) -> Option<GoroutineGroupRow> {
    let first = members.first()?;
    let ids: Vec<u64> = members.iter().map(|goroutine| goroutine.id).collect();
    let stacks: u64 = members.iter().map(|goroutine| goroutine.stack_bytes).sum();
    let retained = heap.retained_by(&[], &ids).bytes.saturating_add(stacks);
    Some(GoroutineGroupRow::new(
        first,
        ids.into_iter().take(MOST_IDS).collect(),
        members.len() as u64,
        retained,
    ))
}
