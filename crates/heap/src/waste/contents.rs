//! Waste that only contents show: equal strings, pages of zeros.

use std::cmp::Reverse;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use hashbrown::HashMap;

use super::slices::{Arrays, Slots};
use super::{Found, Looked, WasteKind, WasteRow};
use crate::gather::{Want, gather};
use crate::graph::ObjectId;

/// Bytes of strings that are compared.
const MOST_TEXT: u64 = 256 << 20;
/// Longer strings are compared by their first bytes and their length.
const MOST_OF_ONE: u64 = 1 << 16;
/// Equal strings that are told.
const MOST_TOLD: usize = 20;
/// Characters that are told of one.
const TOLD: usize = 40;
/// Bytes of a page.
const PAGE: u64 = 4096;
/// Objects of which pages are looked at, in bytes.
const LARGE: u64 = 64 << 10;
/// Bytes of such objects that are looked at.
const MOST_LARGE: u64 = 512 << 20;

/// Texts that are there more than once, those that waste most.
pub(super) fn equal_strings(
    looked: &Looked<'_>,
    slots: &Slots,
    arrays: &Arrays,
    texts: bool,
    found: &mut Found,
) {
    let heap = looked.heap;
    let of_strings =
        arrays.iter().filter(|(_, extent)| slots.owner(extent).is_some_and(|slot| slot.is_string));
    let mut strings: Vec<(ObjectId, u64, u64)> =
        of_strings.map(|(&object, extent)| (object, extent.low, extent.used - extent.low)).collect();
    strings.sort_unstable();
    let (mut wants, mut bytes): (Vec<Want>, u64) = (Vec::new(), 0);
    for &(object, low, len) in &strings {
        let len = len.min(MOST_OF_ONE);
        bytes = bytes.saturating_add(len);
        let Some(at) = heap.objects.addr(object).checked_add(low).filter(|_| bytes <= MOST_TEXT) else {
            break;
        };
        wants.push((at, len));
    }
    if wants.len() < strings.len() {
        found.gap(format!(
            "{} strings were not compared: only the first 256 MiB are",
            strings.len() - wants.len()
        ));
    }
    let hasher = RandomState::new();
    let mut known: HashMap<(u64, u64), Same> = HashMap::new();
    gather(looked.memory, &wants, |index, bytes| {
        let (Some(&(object, _, len)), Ok(bytes)) = (strings.get(index), bytes) else { return };
        let same = known.entry((hasher.hash_one(bytes), len)).or_insert_with(|| Same {
            count: 0,
            bytes: 0,
            first: index,
        });
        same.count += 1;
        // The first is needed.
        same.bytes += if same.count > 1 { heap.objects.size(object) } else { 0 };
    });
    let mut same: Vec<Same> = known.into_values().filter(|same| same.count > 1).collect();
    same.sort_by_key(|same| (Reverse(same.bytes), same.first));
    for Same { count, bytes, first } in same.into_iter().take(MOST_TOLD) {
        let place = wants.get(first).and_then(|want| text(looked, *want)).filter(|_| texts);
        found.texts.push(WasteRow {
            kind: WasteKind::EqualStrings,
            place: strings
                .get(first)
                .and_then(|(object, ..)| Some(slots.owner(arrays.get(object)?)?.place.clone()))
                .unwrap_or_else(|| Arc::from("string")),
            objects: count - 1,
            bytes,
            estimate: false,
            text: place,
        });
    }
}

/// Equal strings.
struct Same {
    count: u64,
    bytes: u64,
    first: usize,
}

/// The begin of a string, in one line.
fn text(looked: &Looked<'_>, (at, len): Want) -> Option<String> {
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0).min(TOLD * 4)];
    looked.memory.read_exact(at, &mut bytes).ok()?;
    let whole = String::from_utf8_lossy(&bytes);
    let shown: String = whole.chars().take(TOLD).flat_map(char::escape_debug).collect();
    Some(if whole.chars().count() > TOLD || len as usize > bytes.len() {
        format!("{shown}…")
    } else {
        shown
    })
}

/// Pages of zeros in large objects, by type.
pub(super) fn zero_pages(looked: &Looked<'_>, found: &mut Found) {
    let heap = looked.heap;
    let (mut objects, mut wants, mut bytes): (Vec<ObjectId>, Vec<Want>, u64) = (Vec::new(), Vec::new(), 0);
    let mut left = 0u64;
    for object in heap.objects.iter().filter(|object| object.size >= LARGE) {
        if !heap.reached_by.get(object.id.0 as usize).is_some_and(|by| by.is_reached()) {
            continue;
        }
        let mut at = object.addr;
        let mut rest = heap.objects.value_size(object.id);
        while rest >= PAGE {
            let len = rest.min(1 << 20);
            bytes = bytes.saturating_add(len);
            if bytes > MOST_LARGE {
                left += 1;
                break;
            }
            objects.push(object.id);
            wants.push((at, len));
            rest -= len;
            let Some(next) = at.checked_add(len) else { break };
            at = next;
        }
    }
    if left > 0 {
        found
            .gap(format!("the pages of {left} large objects were not looked at: only the first 512 MiB are"));
    }
    let mut zeros: HashMap<ObjectId, u64> = HashMap::new();
    gather(looked.memory, &wants, |index, bytes| {
        let (Some(&object), Ok(bytes)) = (objects.get(index), bytes) else { return };
        let empty =
            bytes.chunks_exact(PAGE as usize).filter(|page| page.iter().all(|&byte| byte == 0)).count();
        *zeros.entry(object).or_default() += empty as u64 * PAGE;
    });
    for (object, bytes) in zeros {
        if let Some(shape) = heap.shape(object) {
            found.add(WasteKind::ZeroPages, &shape.name, bytes, false);
        }
    }
}
