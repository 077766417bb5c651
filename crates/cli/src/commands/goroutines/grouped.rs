//! Goroutines that have something in common, one row for all of them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_heap::holders::Goroutines;
use leakscope_heap::{Heap, HolderName, Holders};
use leakscope_model::{Frame, Goroutine};
use leakscope_report::tables::{GoroutineGroupRow, GoroutineVariableRow};

use super::Asked;
use crate::args::{Grouping, SortKey};

/// Ids shown for a group; the count says how many there are.
const MOST_IDS: usize = 100;

/// Wait, stack, `go` statement; the parts that are not asked for are left empty.
type GroupKey<'g> = (&'g str, &'g [Frame], Option<&'g Frame>);

/// One row for each stack, or for each `go` statement.
pub(super) fn by_group(asked: &Asked<'_>, by: Grouping) -> Vec<GoroutineGroupRow> {
    let mut groups: BTreeMap<GroupKey<'_>, Vec<&Goroutine>> = BTreeMap::new();
    for (_, goroutine) in asked.chosen() {
        let key: GroupKey<'_> = match by {
            Grouping::Creator => ("", &[], goroutine.created_by.as_ref()),
            Grouping::Stack | Grouping::Variable => {
                (goroutine.wait.as_deref().unwrap_or_default(), &goroutine.stack, None)
            }
        };
        groups.entry(key).or_default().push(goroutine);
    }
    let kept = asked.heap.retained_by_goroutine_sets(
        &groups
            .values()
            .map(|members| members.iter().map(|member| member.id).collect())
            .collect::<Vec<Vec<u64>>>(),
    );
    let mut rows: Vec<(GoroutineGroupRow, f64)> = groups
        .values()
        .zip(kept)
        .filter_map(|(members, kept)| {
            let wait = members.iter().filter_map(|member| member.wait_seconds).fold(-1.0, f64::max);
            Some((group_row(members, kept.bytes)?, wait))
        })
        .collect();
    let first_id = |row: &GoroutineGroupRow| row.ids.first().copied().unwrap_or(0);
    rows.sort_by(|a, b| b.0.count.cmp(&a.0.count).then(a.0.function.cmp(&b.0.function)));
    match asked.args.sort {
        None | Some(SortKey::Count) => {}
        Some(SortKey::Id) => rows.sort_by_key(|row| first_id(&row.0)),
        Some(SortKey::Retained) => rows.sort_by_key(|row| Reverse(row.0.retained_bytes)),
        Some(SortKey::Wait) => rows.sort_by(|a, b| b.1.total_cmp(&a.1)),
    }
    rows.into_iter().map(|(row, _)| row).collect()
}

fn group_row(members: &[&Goroutine], kept: u64) -> Option<GoroutineGroupRow> {
    let first = members.first()?;
    let ids = members.iter().map(|goroutine| goroutine.id).take(MOST_IDS).collect();
    let stacks: u64 = members.iter().map(|goroutine| goroutine.stack_bytes).sum();
    Some(GoroutineGroupRow::new(first, ids, members.len() as u64, kept.saturating_add(stacks)))
}

/// One row for each variable in the frames of goroutines with one stack.
pub(super) fn by_variable(asked: &Asked<'_>) -> Vec<GoroutineVariableRow> {
    let heap = asked.heap;
    let holders = Holders::of(heap, Goroutines::ByVariable);
    let mut rows: Vec<GoroutineVariableRow> = holders
        .nodes
        .iter()
        .filter_map(|node| {
            let HolderName::Local { function, file, line, name } = &node.name else { return None };
            let HolderName::Group(group) = holders.nodes.get(node.parent as usize)?.name else { return None };
            let members = holders.groups.get(group as usize)?.iter();
            let members: Vec<&Goroutine> = members
                .filter(|index| asked.means(**index))
                .filter_map(|index| heap.goroutines.get(*index))
                .collect();
            let first = members.first()?;
            Some(GoroutineVariableRow {
                count: members.len() as u64,
                wait: first.wait.clone().unwrap_or_default(),
                variable: name.as_ref().map_or_else(|| "stack".to_owned(), |name| name.to_string()),
                function: function.to_string(),
                file: file.to_string(),
                line: *line,
                ty: node.example.map_or_else(String::new, |held| type_name(heap, held)),
                objects: node.alone.objects,
                retained_bytes: node.alone.bytes,
                ids: members.iter().map(|member| member.id).take(MOST_IDS).collect(),
            })
        })
        .collect();
    match asked.args.sort {
        Some(SortKey::Count) => rows.sort_by_key(|row| (Reverse(row.count), Reverse(row.retained_bytes))),
        Some(SortKey::Id) => rows.sort_by_key(|row| row.ids.first().copied()),
        None | Some(SortKey::Retained | SortKey::Wait) => {
            rows.sort_by_key(|row| (Reverse(row.retained_bytes), row.ids.first().copied()));
        }
    }
    rows
}

fn type_name(heap: &Heap, object: leakscope_heap::ObjectId) -> String {
    heap.shape(object).map_or_else(String::new, |shape| shape.name.to_string())
}
