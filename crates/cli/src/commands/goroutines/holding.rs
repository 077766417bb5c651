//! Which goroutines reach an object, and by which of their variables.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use leakscope_heap::graph::RootOrigin;
use leakscope_heap::ways::{Way, every_root};
use leakscope_model::Addr;
use leakscope_report::tables::{GoroutineRow, HoldRow, HoldingRow};

use super::{Asked, sort};
use crate::args::SortKey;

/// Variables shown for each goroutine.
const MOST_HOLDS: usize = 20;

/// One row for each goroutine that holds the object at `addr`.
pub(super) fn rows(asked: &Asked<'_>, addr: Addr) -> Result<Vec<HoldingRow>> {
    let heap = asked.heap;
    let Some((object, _)) = heap.objects.find(addr) else {
        bail!("{addr} lies in no allocated object of this heap");
    };
    let mut holds: BTreeMap<u64, Vec<HoldRow>> = BTreeMap::new();
    for way in every_root(heap, object) {
        if let Some((id, hold)) = hold_row(asked, &way) {
            holds.entry(id).or_default().push(hold);
        }
    }
    // The rows of all goroutines that are meant, of which those that hold something are kept.
    let mut rows: Vec<HoldingRow> = asked
        .rows()
        .into_iter()
        .filter_map(|goroutine: GoroutineRow| {
            let mut holds = holds.remove(&goroutine.id)?;
            holds.sort_by_key(|hold| hold.path.len());
            holds.truncate(MOST_HOLDS);
            Some(HoldingRow { goroutine, holds })
        })
        .collect();
    sort(&mut rows, asked.args.sort.unwrap_or(SortKey::Id), |row| &row.goroutine);
    Ok(rows)
}

/// The goroutine whose frame the way begins in, and the variable; `None` for a way from elsewhere.
fn hold_row(asked: &Asked<'_>, way: &Way) -> Option<(u64, HoldRow)> {
    let heap = asked.heap;
    let root = heap.roots.get(way.root as usize)?;
    let RootOrigin::Frame { goroutine, frame, name } = root.origin else { return None };
    let goroutine = heap.goroutines.get(goroutine as usize)?;
    let frame = goroutine.stack.get(frame as usize);
    let variable = name.and_then(|name| heap.names.get(name as usize));
    let steps = heap.steps(way);
    Some((
        goroutine.id,
        HoldRow {
            function: frame.map_or_else(String::new, |frame| frame.function.to_string()),
            file: frame.map_or_else(String::new, |frame| frame.file.to_string()),
            line: frame.map_or(0, |frame| frame.line),
            variable: variable.map_or_else(|| "stack".to_owned(), |variable| variable.to_string()),
            direct: way.hops.is_empty(),
            path: steps.iter().map(Into::into).collect(),
        },
    ))
}
