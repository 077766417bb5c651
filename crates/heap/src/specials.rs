//! The lists of records that the runtime hangs on heap objects (`runtime/mheap.go`, `special`): finalizers,
//! cleanups, weak handles, profile samples.

use leakscope_goruntime::{Layout, Slot};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::read_slot;
use crate::page_cache::PageCache;

/// More records than one span's list is believed to hold.
const MAX_LIST: usize = 1 << 20;
/// Records that all lists together may hold beyond those for which there are objects.
const SPARE: usize = 1 << 20;
/// Records that an object is believed to have on average.
const MOST_PER_OBJECT: usize = 4;

/// Where the fields of `special` lie, and what its kinds are called in this runtime.
#[derive(Debug, Clone)]
pub(crate) struct SpecialKinds {
    fields: Option<[Slot; 3]>,
    /// `(number, name)`, as in `_KindSpecialFinalizer`.
    kinds: Vec<(u64, &'static str)>,
}

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Special {
    /// Where it lies: the head of `specialfinalizer`, `specialprofile`, …
    pub(crate) at: Addr,
    /// Offset of its object in the span.
    pub(crate) offset: u64,
    /// Its kind's number.
    pub(crate) kind: u64,
}

impl SpecialKinds {
    pub(crate) fn of(layout: &Layout) -> SpecialKinds {
        let named = [
            ("_KindSpecialFinalizer", "finalizer"),
            ("_KindSpecialCleanup", "cleanup"),
            ("_KindSpecialWeakHandle", "weak handle"),
            ("_KindSpecialProfile", "profile"),
            ("_KindSpecialPinCounter", "pin counter"),
            ("_KindSpecialReachable", "reachability test"),
            ("_KindSpecialBubble", "synctest bubble"),
            ("_KindSpecialCheckFinalizer", "finalizer check"),
            ("_KindSpecialTinyBlock", "tiny block"),
            ("_KindSpecialSecret", "secret"),
        ];
        let number = |name| layout.constant(name).and_then(|n| u64::try_from(n).ok());
        let kinds = named.iter().filter_map(|&(constant, name)| Some((number(constant)?, name))).collect();
        let slots = [layout.slot("special.next"), layout.slot("special.offset"), layout.slot("special.kind")];
        let fields = match slots {
            [Some(next), Some(offset), Some(kind)] => {
                Some([Slot { width: 8, ..next }, offset, Slot { width: 1, ..kind }])
            }
            _ => None,
        };
        SpecialKinds { fields, kinds }
    }

    /// What the runtime calls a kind; `None` for a number that this runtime does not have.
    pub(crate) fn name(&self, kind: u64) -> Option<&'static str> {
        self.kinds.iter().find(|&&(number, _)| number == kind).map(|&(_, name)| name)
    }

    /// The number of `finalizer`.
    pub(crate) fn finalizer(&self) -> Option<u64> {
        self.number("finalizer")
    }

    /// The number of the kind that is called `name`.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.kinds.iter().find(|&&(_, known)| known == name).map(|&(number, _)| number)
    }
}

/// A record of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SpanSpecial {
    /// Where the record lies.
    pub(crate) at: Addr,
    /// The address it hangs on: an object or a byte in it.
    pub(crate) inside: Addr,
    /// What the runtime calls its kind; `None` for one that we do not know.
    pub(crate) kind: Option<&'static str>,
}

/// The records of many spans of `objects` objects, given as `(span base, first record)`. A list that cannot be read
/// to its end leaves a gap.
pub(crate) fn list_all(
    memory: &dyn TargetMemory,
    kinds: &SpecialKinds,
    spans: &[(Addr, Addr)],
    objects: u32,
    gaps: &mut Vec<Gap>,
) -> Vec<SpanSpecial> {
    let cache = PageCache::new(memory);
    let most = MOST_PER_OBJECT.saturating_mul(objects as usize).saturating_add(SPARE);
    let mut all = Vec::new();
    for &(base, first) in spans {
        if all.len() > most {
            let reason =
                format!("the specials of the spans from {base} on: {} for {objects} objects", all.len());
            gaps.push(Gap::new("heap", reason));
            return all;
        }
        match list(&cache, kinds, first) {
            Ok(found) => all.extend(found.iter().map(|special| SpanSpecial {
                at: special.at,
                inside: Addr::new(base.get().wrapping_add(special.offset)),
                kind: kinds.name(special.kind),
            })),
            Err(err) => gaps.push(Gap::new("heap", format!("specials of the span at {base}: {err}"))),
        }
    }
    all
}

/// The records that hang on `first`, which is nil for none. A list that comes back to itself or does not end is an
/// error.
pub(crate) fn list(
    memory: &dyn TargetMemory,
    kinds: &SpecialKinds,
    first: Addr,
) -> Result<Vec<Special>, HeapError> {
    let mut records = Vec::new();
    let Some([next, offset, kind]) = kinds.fields else { return Ok(records) };
    let torn = |why| Err(HeapError::Torn { what: "special", at: first, why });
    // One record is kept to see whether the list comes back to it: the last whose number is a power of two.
    let (mut at, mut kept) = (first, Addr::new(0));
    while !at.is_nil() {
        if at == kept {
            return torn(format!("a list that comes back to {at}"));
        }
        if records.len() == MAX_LIST {
            return torn(format!("a list of more than {MAX_LIST} records"));
        }
        if records.len().is_power_of_two() {
            kept = at;
        }
        records.push(Special {
            at,
            offset: read_slot(memory, at, offset, "special.offset")?,
            kind: read_slot(memory, at, kind, "special.kind")?,
        });
        at = Addr::new(read_slot(memory, at, next, "special.next")?);
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_target::Image;

    const BASE: u64 = 0x1000;

    /// Records of 24 bytes, each of which leads to the one of that index.
    fn read(next: &[u64]) -> Result<usize, String> {
        let mut bytes = Vec::new();
        for &index in next {
            bytes.extend((BASE + index * 24).to_le_bytes());
            bytes.extend([0; 16]);
        }
        let slot = |offset, width| Slot { offset, width };
        let kinds = SpecialKinds { fields: Some([slot(0, 8), slot(8, 8), slot(16, 1)]), kinds: Vec::new() };
        let image = Image::new(Addr::new(BASE), bytes);
        list(&image, &kinds, Addr::new(BASE)).map(|found| found.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_list_that_comes_back_to_itself_is_torn() {
        for next in [&[0][..], &[1, 0], &[1, 2, 1], &[1, 2, 3, 4, 5, 6, 4]] {
            assert!(read(next).unwrap_err().contains("a list that comes back"), "{next:?}");
        }
        assert!(read(&[1, 2, 3]).unwrap_err().contains("special.offset"), "it ends where nothing is mapped");
    }
}
