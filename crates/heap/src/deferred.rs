//! Deferred calls of a goroutine (`runtime._defer`), which weave between its stack and the heap.

use leakscope_goruntime::{Layout, Slot};
use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::read_slot;
use crate::stacks::StackBytes;

/// More deferred calls than any goroutine is believed to have.
const MAX_DEFERRED: usize = 1 << 20;

/// `(place, word)` of the pointers that keep deferred calls and their functions (`scanstack` in
/// `runtime/mgcmark.go`): of each record its function, the record after it and itself.
pub(crate) fn deferred_words(
    memory: &dyn TargetMemory,
    layout: &Layout,
    first: Addr,
    stack: StackBytes<'_>,
) -> Result<Vec<(u64, u64)>, HeapError> {
    let mut words = Vec::new();
    let pointer = |path| layout.slot(path).map(|slot| Slot { width: 8, ..slot });
    let Some((function, link)) = pointer("_defer.fn").zip(pointer("_defer.link")) else { return Ok(words) };
    let read = |at: Addr, slot: Slot, path| {
        let place = at.get().wrapping_add(slot.offset);
        match stack.word(place) {
            Some(word) => Ok((place, word)),
            None => read_slot(memory, at, slot, path).map(|word| (place, word)),
        }
    };
    let mut at = first;
    let mut slot = at.get();
    while !at.is_nil() && words.len() < MAX_DEFERRED {
        words.push((slot, at.get()));
        words.push(read(at, function, "_defer.fn")?);
        let (place, next) = read(at, link, "_defer.link")?;
        (slot, at) = (place, Addr::new(next));
    }
    Ok(words)
}
