//! Maps with more room than entries: Go's maps never shrink.

use super::{Found, Looked, WasteKind};
use crate::fields::read_slot;
use crate::graph::{Heap, ObjectId};
use leakscope_goruntime::{Role, Slot};

/// Entries of a group (`internal/runtime/maps`, `abi.SwissMapGroupSlots`) and of a bucket (`abi.OldMapBucketCount`).
const ENTRIES: u64 = 8;
/// A smaller map is not worth a word, in bytes of groups or buckets.
const LEAST: u64 = 1024;
/// Pieces of one map that are looked at: a map of a thousand million entries has fewer tables.
const MOST_PIECES: usize = 1 << 20;

/// Judges every map: bytes of its groups or buckets by the share of their slots that is not used.
pub(super) fn judge(looked: &Looked<'_>, found: &mut Found) {
    let heap = looked.heap;
    let layout = looked.layout;
    let Some(used) = layout.slot("maps.Map.used").or_else(|| layout.slot("hmap.count")) else { return };
    let used = Slot { width: 8, ..used };
    for object in heap.objects.iter() {
        let reached = heap.reached_by.get(object.id.0 as usize).is_some_and(|by| by.is_reached());
        let Some(shape) = heap.shape(object.id).filter(|shape| reached && shape.role == Role::MapHeader)
        else {
            continue;
        };
        let (bytes, slots) = pieces(heap, object.id);
        if bytes < LEAST || slots == 0 {
            continue;
        }
        let Ok(used) = read_slot(looked.memory, object.addr, used, "map.used") else { continue };
        if used.saturating_mul(2) < slots {
            let wasted = u128::from(bytes) * u128::from(slots - used) / u128::from(slots);
            found.add(WasteKind::EmptiedMap, &shape.name, u64::try_from(wasted).unwrap_or(bytes), false);
        }
    }
}

/// Bytes and slots of the groups or buckets that a header leads to.
fn pieces(heap: &Heap, header: ObjectId) -> (u64, u64) {
    let (mut open, mut bytes, mut slots) = (vec![header], 0u64, 0u64);
    let mut seen: hashbrown::HashSet<ObjectId> = [header].into();
    while let Some(at) = open.pop() {
        for target in heap.edges.targets(at) {
            let inside = heap.shape(target).filter(|shape| shape.role == Role::MapInside);
            let Some(shape) = inside.filter(|_| seen.len() < MOST_PIECES && seen.insert(target)) else {
                continue;
            };
            let room = heap.objects.value_size(target);
            if is_of_entries(&shape.name) && shape.size > 0 {
                bytes += room;
                slots += room / shape.size * ENTRIES;
            }
            open.push(target);
        }
    }
    (bytes, slots)
}

/// Whether objects of this name hold entries: groups and buckets do, tables and directories do not. Debug information
/// writes `group<int,int>`, the runtime's own descriptors `map.group[int]int`.
fn is_of_entries(name: &str) -> bool {
    let plain = name.trim_start_matches("[]").trim_start_matches("noalg.").trim_start_matches("map.");
    ["group", "bucket"]
        .iter()
        .any(|kind| plain.strip_prefix(kind).is_some_and(|rest| rest.starts_with(['<', '['])))
}

#[cfg(test)]
mod tests {
    use super::is_of_entries;

    #[test]
    fn names_of_both_sources_are_known() {
        let holds =
            ["[]group<int,int>", "[]map.group[int]int", "bucket<string,int>", "[]noalg.map.bucket[int]int"];
        assert!(holds.iter().all(|name| is_of_entries(name)));
        let others = ["table<int,int>", "[]*table<int,int>", "main.group", "grouped<int>", "[]uint8"];
        assert!(!others.iter().any(|name| is_of_entries(name)));
    }
}
