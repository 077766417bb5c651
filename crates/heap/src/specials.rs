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

/// The records of many spans, given as `(span base, first record)`. A list that cannot be read to its end leaves a
/// gap.
pub(crate) fn list_all(
    memory: &dyn TargetMemory,
    kinds: &SpecialKinds,
    spans: &[(Addr, Addr)],
    gaps: &mut Vec<Gap>,
) -> Vec<SpanSpecial> {
    let cache = PageCache::new(memory);
    let mut all = Vec::new();
    for &(base, first) in spans {
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

/// The records that hang on `first`, which is nil for none. A list that does not end is an error.
pub(crate) fn list(
    memory: &dyn TargetMemory,
    kinds: &SpecialKinds,
    first: Addr,
) -> Result<Vec<Special>, HeapError> {
    let mut records = Vec::new();
    let Some([next, offset, kind]) = kinds.fields else { return Ok(records) };
    let mut at = first;
    while !at.is_nil() {
        if records.len() == MAX_LIST {
            let why = format!("a list of more than {MAX_LIST} records");
            return Err(HeapError::Torn { what: "special", at: first, why });
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
