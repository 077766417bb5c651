//! `leakscope goroutines`.

use std::collections::BTreeMap;

use anyhow::Result;
use leakscope_heap::Heap;
use leakscope_model::{Frame, Gap, Goroutine};
use leakscope_report::tables::{GoroutineGroupRow, GoroutineRow, table};

use crate::args::{GoroutinesArgs, Grouping};
use crate::opening::{OneMoment, one_moment};
use crate::{NOTHING, output};

/// Ids shown for a group; the count says how many there are.
const MOST_IDS: usize = 100;

/// Lists goroutines, one a row or one group a row.
pub(crate) fn run(args: &GoroutinesArgs) -> Result<u8> {
    let OneMoment { moment, target: _, mut gaps } = one_moment(&args.target, &args.access)?;
    let heap = moment.heap;
    gaps.extend(heap.gaps.iter().cloned());
    let chosen: Vec<&Goroutine> =
        heap.goroutines.iter().filter(|goroutine| is_asked_for(goroutine, args)).collect();
    let answer = match args.group {
        None => one_by_one(&heap, &chosen, &gaps, args),
        Some(grouping) => by_group(&heap, &chosen, grouping, &gaps, args),
    };
    output::write(&args.output, &answer)?;
    Ok(NOTHING)
}

fn is_asked_for(goroutine: &Goroutine, args: &GoroutinesArgs) -> bool {
    args.state.as_ref().is_none_or(|state| goroutine.status.eq_ignore_ascii_case(state))
        && args.wait.as_ref().is_none_or(|wait| goroutine.wait.as_deref() == Some(wait))
}

fn one_by_one(heap: &Heap, chosen: &[&Goroutine], gaps: &[Gap], args: &GoroutinesArgs) -> String {
    let rows: Vec<GoroutineRow> = chosen
        .iter()
        .map(|goroutine| GoroutineRow::new(goroutine, retained_by_each(heap, goroutine, chosen.len()), None))
        .collect();
    table(&rows, gaps, args.output.format(), output::look(&args.output))
}

/// What one goroutine keeps costs a walk over the heap each; for many, its stack alone is told.
fn retained_by_each(heap: &Heap, goroutine: &Goroutine, rows: usize) -> u64 {
    const WALKED: usize = 64;
    let held = if rows <= WALKED { heap.retained_by(&[], &[goroutine.id]).bytes } else { 0 };
    held.saturating_add(goroutine.stack_bytes)
}

/// Wait, stack, `go` statement; the parts that are not asked for are left empty.
type GroupKey<'g> = (&'g str, &'g [Frame], Option<&'g Frame>);

fn by_group(heap: &Heap, chosen: &[&Goroutine], by: Grouping, gaps: &[Gap], args: &GoroutinesArgs) -> String {
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
    table(&rows, gaps, args.output.format(), output::look(&args.output))
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
