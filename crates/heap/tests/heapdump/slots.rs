//! Which slots of a heap dump are none.
//!
//! Authority: `(*mheap).initSpan` and `dumpobjs` of the Go runtime. A span of objects of at most 512 bytes is one page
//! of 8192 bytes. Its last 128 bytes hold its pointer bits, if its objects have pointers (since Go 1.22); with the
//! collector of Go 1.26 another 128 bytes hold mark bits, for objects of at least 16 bytes.

use super::Object;

const PAGE: u64 = 8192;
const LARGEST_WITH_BITS: u64 = 512;
const BITS: u64 = 128;

/// Takes those records of `objects`, sorted by address, away that lie in the end of a span; how many these were.
pub(crate) fn leave_out_the_ends_of_spans(objects: &mut Vec<Object>, go: &str) -> usize {
    let before = objects.len();
    let mut kept = Vec::with_capacity(before);
    let mut rest = std::mem::take(objects).into_iter().peekable();
    while let Some(first) = rest.next() {
        let (page, size) = (first.addr / PAGE, first.size);
        let mut span = vec![first];
        while let Some(next) = rest.next_if(|next| next.addr / PAGE == page && size <= LARGEST_WITH_BITS) {
            span.push(next);
        }
        let slots = slots_of(&span, size, go);
        kept.extend(span.into_iter().filter(|object| size > LARGEST_WITH_BITS || index(object) < slots));
    }
    *objects = kept;
    before - objects.len()
}

/// How many slots the one-page span of `objects` has.
fn slots_of(objects: &[Object], size: u64, go: &str) -> u64 {
    let marks = if size >= 16 && has_inline_marks(go) { BITS } else { 0 };
    let with_bits = (PAGE - marks - BITS) / size.max(1);
    let without_bits = (PAGE - marks) / size.max(1);
    let pointers = objects.iter().any(|object| !object.pointers.is_empty());
    // A span that nothing was allocated from yet: all that the dump lists of it are the false slots at its end.
    let nothing_else = objects.iter().all(|object| index(object) >= with_bits);
    if (pointers || nothing_else) && minor(go) >= 22 { with_bits } else { without_bits }
}

/// The slot of an object of a one-page span.
fn index(object: &Object) -> u64 {
    object.addr % PAGE / object.size.max(1)
}

fn has_inline_marks(go: &str) -> bool {
    if go.contains("nogreenteagc") { false } else { minor(go) >= 26 || go.contains("greenteagc") }
}

/// The `26` of `go1.26.6`.
fn minor(go: &str) -> u32 {
    let number = go.strip_prefix("go1.").and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next());
    number.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no Go version: {go:?}"))
}
