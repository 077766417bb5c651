//! What is resident, joined with what Go has there.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use leakscope_heap::allocator::Allocator;
use leakscope_heap::breakdown::{Area, Breakdown, Owner, PARTS, Part, break_down};
use leakscope_model::{Gap, Memory};

use super::{AtHand, Inspection};

/// Resident memory by part, where it was asked for with the snapshot.
pub(crate) fn broken_down(inspection: &Inspection<'_, '_>) -> Result<(Breakdown, Vec<Gap>)> {
    let at_hand = inspection.at_hand("account of resident memory")?;
    let allocator = Allocator::read(at_hand.memory, at_hand.runtime);
    let mut allocator = allocator.context("cannot read Go's allocator")?;
    let residency = at_hand.residency.context("nothing tells what is resident")?;
    let executable = executable(at_hand);
    let owner = Owner { executable: &executable, threads: at_hand.threads };
    let found = break_down(inspection.heap, &mut allocator, residency, owner);
    let mut gaps = allocator.gaps;
    gaps.extend(residency.gaps.iter().cloned());
    Ok((found, gaps))
}

/// The executable as mappings name it: the file whose code the program runs.
fn executable(at_hand: &AtHand<'_, '_>) -> String {
    let text = at_hand.runtime.modules.first().map(|module| module.text.start);
    let mapping = text.and_then(|text| at_hand.mappings.iter().find(|mapping| mapping.contains(text)));
    let path = mapping.map(|mapping| mapping.path.as_str()).unwrap_or_default();
    path.strip_suffix(" (deleted)").unwrap_or(path).to_owned()
}

/// The parts by name, to be kept in a capture.
pub(crate) fn by_name(found: &Breakdown) -> BTreeMap<String, u64> {
    found.parts.iter().map(|(part, bytes)| (part.name().to_owned(), *bytes)).collect()
}

/// The figures of a report out of parts by name; `None` where there are none.
pub(crate) fn memory(parts: &BTreeMap<String, u64>, rss: u64) -> Option<Memory> {
    let of = |part: Part| parts.get(part.name()).copied().unwrap_or(0);
    let of_area = |area| PARTS.iter().filter(|part| part.area() == area).map(|part| of(*part)).sum::<u64>();
    (!parts.is_empty()).then(|| Memory {
        rss,
        heap_live: of(Part::HeapLive),
        heap_garbage: of(Part::HeapGarbage),
        heap_idle: of(Part::HeapIdle) + of(Part::HeapReturned),
        fragmentation: of(Part::HeapFreeSlots) + of(Part::HeapTails) + of(Part::HeapUnread),
        stacks: of_area(Area::Stacks),
        gc_metadata: of_area(Area::Runtime),
        native: of_area(Area::Native),
        mapped_files: of_area(Area::Files) + of_area(Area::Binary),
    })
}
