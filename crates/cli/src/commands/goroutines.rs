//! `leakscope goroutines`.

use std::collections::BTreeMap;

use anyhow::Result;
use leakscope_heap::{Heap, Verdict};
use leakscope_model::{Frame, Goroutine};
use leakscope_report::tables::{GoroutineGroupRow, GoroutineRow, Row, table};

use crate::args::{GoroutinesArgs, Grouping};
use crate::leak_proof::LeakProof;
use crate::opening::Answered;
use crate::{NOTHING, output};

/// Ids shown for a group; the count says how many there are.
const MOST_IDS: usize = 100;

/// Lists goroutines, one a row or one group a row.
pub(crate) fn run(args: &GoroutinesArgs) -> Result<u8> {
    let page = match args.group {
        None => {
            let mut answered = ask(args, one_by_one)?;
            if !proven(&mut answered) {
                answered.answer.0.iter_mut().for_each(|row| row.leaked = row.leaked.filter(|leaked| !leaked));
                answered.answer.0.retain(|_| !args.leaked);
            }
            render(args, &answered)
        }
        Some(grouping) => {
            let mut answered = ask(args, |heap, chosen, _| by_group(heap, chosen, grouping))?;
            if args.leaked && !proven(&mut answered) {
                answered.answer.0.clear();
            }
            render(args, &answered)
        }
    };
    output::write(&args.output, &page)?;
    Ok(NOTHING)
}

/// Rows, and what is known of leaks.
type Rows<R> = (Vec<R>, LeakProof);

/// A goroutine, and whether it can run again.
type Chosen<'g> = (&'g Goroutine, Verdict);

/// Asks about the goroutines that the arguments mean.
fn ask<R>(
    args: &GoroutinesArgs,
    question: impl FnOnce(&Heap, &[Chosen<'_>], usize) -> Vec<R>,
) -> Result<Answered<Rows<R>>> {
    crate::opening::ask(&args.target, &args.access, |inspection| {
        let heap = inspection.heap;
        let proof = LeakProof::of_heap(heap);
        let all = heap.goroutines.iter().enumerate().map(|(index, goroutine)| (goroutine, proof.of(index)));
        let chosen: Vec<Chosen<'_>> = all.filter(|chosen| is_asked_for(*chosen, args)).collect();
        let rows = question(heap, &chosen, chosen.len());
        Ok((rows, proof))
    })
}

fn proven<R>(answered: &mut Answered<Rows<R>>) -> bool {
    answered.answer.1.tell(&answered.how, &mut answered.gaps)
}

fn render<R: Row>(args: &GoroutinesArgs, answered: &Answered<Rows<R>>) -> String {
    table(&answered.answer.0, &answered.beside(), args.output.format(), output::look(&args.output))
}

fn is_asked_for((goroutine, verdict): Chosen<'_>, args: &GoroutinesArgs) -> bool {
    args.state.as_ref().is_none_or(|state| goroutine.status.eq_ignore_ascii_case(state))
        && args.wait.as_ref().is_none_or(|wait| goroutine.wait.as_deref() == Some(wait))
        && (!args.leaked || verdict == Verdict::Leaked)
}

fn one_by_one(heap: &Heap, chosen: &[Chosen<'_>], rows: usize) -> Vec<GoroutineRow> {
    let row = |&(goroutine, verdict): &Chosen<'_>| {
        GoroutineRow::new(goroutine, retained_by_each(heap, goroutine, rows), verdict.leaked())
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

fn by_group(heap: &Heap, chosen: &[Chosen<'_>], by: Grouping) -> Vec<GoroutineGroupRow> {
    let mut groups: BTreeMap<GroupKey<'_>, Vec<&Goroutine>> = BTreeMap::new();
    for (goroutine, _) in chosen {
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
