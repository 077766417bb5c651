//! `leakscope heap waste`.

use anyhow::Result;
use leakscope_heap::waste::{self, WasteKind};
use leakscope_report::tables::WasteRow;

use super::{ask, show};
use crate::args::{Contents, WasteArgs};

/// Prints what is kept and not used.
pub(super) fn run(args: &WasteArgs) -> Result<u8> {
    let mut gaps = Vec::new();
    let mut answered = ask(&args.about, |inspection| {
        let at_hand = inspection.at_hand("lengths and texts")?;
        let texts = args.contents == Contents::Short;
        let found = waste::find(at_hand.memory, at_hand.types, inspection.heap, texts);
        gaps = found.gaps;
        Ok(found.rows.into_iter().take(args.limit).map(row).collect())
    })?;
    answered.gaps.extend(gaps);
    show(&args.about, &answered)
}

fn row(found: waste::WasteRow) -> WasteRow {
    let waste::WasteRow { kind, place, objects, bytes, estimate, text } = found;
    let (kind, advice) = words(kind);
    WasteRow { kind, place: place.to_string(), objects, bytes, exact: !estimate, text, advice }
}

fn words(kind: WasteKind) -> (&'static str, &'static str) {
    match kind {
        WasteKind::Capacity => {
            ("capacity", "make them as long as they get, or clip them with slices.Clip when they are full")
        }
        WasteKind::HeldByPart => ("held by a part", "copy the part: strings.Clone, slices.Clone"),
        WasteKind::EmptiedMap => {
            ("emptied map", "make the map anew when it has been emptied: it never shrinks")
        }
        WasteKind::EqualStrings => {
            ("equal strings", "keep one of each: unique.Make, or a map from string to string")
        }
        WasteKind::ZeroPages => ("zero pages", "make it when it is needed, and as large as it is needed"),
        WasteKind::IdleBuffer => {
            ("idle buffer", "take it from a sync.Pool while it is needed, or make it smaller")
        }
    }
}
