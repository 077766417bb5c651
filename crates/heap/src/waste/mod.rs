//! Memory that is kept and not used: capacity beyond length, arrays that small slices hold, maps that were emptied,
//! equal strings, pages of zeros, buffers at rest.
//!
//! Asked while the memory is at hand, since lengths stand in the contents. What was looked at is bounded; what was
//! left out is said.

mod buffers;
mod contents;
mod maps;
mod slices;

use std::cmp::Reverse;
use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_goruntime::{Layout, Types};
use leakscope_model::Gap;
use leakscope_target::TargetMemory;

use crate::graph::Heap;
use crate::typing::{ProgramTypes, TypeSource};

/// Bytes of contents that one kind of waste is looked for in.
const MOST_READ: u64 = 2 << 30;

/// A way to waste memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WasteKind {
    /// A slice's array beyond its length.
    Capacity,
    /// An array or text of which slices or strings use less than half.
    HeldByPart,
    /// A map with room for more than twice as many entries as it has.
    EmptiedMap,
    /// Texts that are there more than once.
    EqualStrings,
    /// Pages of zeros in large objects.
    ZeroPages,
    /// Buffers of package bufio with nothing in them.
    IdleBuffer,
}

/// One kind of waste at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WasteRow {
    /// Of what kind.
    pub kind: WasteKind,
    /// Type and field of the owner, or the type itself.
    pub place: Arc<str>,
    /// Objects that waste.
    pub objects: u64,
    /// Bytes that they waste.
    pub bytes: u64,
    /// Whether the bytes are an estimate: some of the objects may be reached in ways that were not looked at.
    pub estimate: bool,
    /// The text, for equal strings.
    pub text: Option<String>,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Waste {
    /// The most bytes first.
    pub rows: Vec<WasteRow>,
    /// What was not looked at.
    pub gaps: Vec<Gap>,
}

/// What waste is looked for in.
struct Looked<'h> {
    memory: &'h dyn TargetMemory,
    layout: &'h Layout,
    types: &'h Types,
    heap: &'h Heap,
}

/// Looks for waste in a heap whose memory is at hand. `texts` says whether the texts of equal strings are told.
pub fn find(memory: &dyn TargetMemory, types: &ProgramTypes<'_, '_>, heap: &Heap, texts: bool) -> Waste {
    let layout = &types.runtime().layout;
    let looked = Looked { memory, layout, types: types.types(), heap };
    let mut found = Found::default();
    let slots = slices::Slots::of(&looked);
    let arrays = slices::arrays(&looked, &slots, &mut found);
    slices::judge(&looked, &slots, &arrays, &mut found);
    maps::judge(&looked, &mut found);
    contents::equal_strings(&looked, &slots, &arrays, texts, &mut found);
    contents::zero_pages(&looked, &mut found);
    buffers::judge(&looked, &mut found);
    found.finish()
}

/// Waste by kind and place.
#[derive(Debug, Default)]
struct Found {
    rows: HashMap<(WasteKind, Arc<str>), WasteRow>,
    texts: Vec<WasteRow>,
    gaps: Vec<Gap>,
}

impl Found {
    fn add(&mut self, kind: WasteKind, place: &Arc<str>, bytes: u64, estimate: bool) {
        if bytes == 0 {
            return;
        }
        let row = self.rows.entry((kind, place.clone())).or_insert_with(|| WasteRow {
            kind,
            place: place.clone(),
            objects: 0,
            bytes: 0,
            estimate: false,
            text: None,
        });
        row.objects += 1;
        row.bytes = row.bytes.saturating_add(bytes);
        row.estimate |= estimate;
    }

    fn gap(&mut self, reason: String) {
        self.gaps.push(Gap::new("waste", reason));
    }

    fn finish(self) -> Waste {
        let mut rows: Vec<WasteRow> = self.rows.into_values().chain(self.texts).collect();
        rows.sort_by(|a, b| {
            (Reverse(a.bytes), a.kind, &a.place, &a.text).cmp(&(Reverse(b.bytes), b.kind, &b.place, &b.text))
        });
        Waste { rows, gaps: self.gaps }
    }
}
