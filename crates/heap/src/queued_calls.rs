//! Finalizers and cleanups that are due but have not run yet: the runtime keeps them in blocks of its own
//! (`runtime/mfinal.go`, `allfin`; `runtime/mcleanup.go`, `gcCleanups`), which are roots (`markroot`).

use std::sync::Arc;

use leakscope_goruntime::{Layout, Runtime, Slot};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{SliceHead, WORD, read_slot, read_words};
use crate::graph::RootOrigin;
use crate::roots::{Roots, Word};

/// More blocks than any program has.
const MAX_BLOCKS: usize = 1 << 20;
/// More calls than one block of 4 KB holds.
const MAX_CALLS: u64 = 512;

/// One kind of queue.
struct Queue {
    /// What a person calls it.
    name: &'static str,
    /// Where the address of the first block stands.
    head: Addr,
    /// The next block, in a block.
    next: Slot,
    /// How many calls a block holds.
    count: Slot,
    /// Where they begin.
    calls: u64,
    /// Bytes of one.
    step: u64,
}

/// Adds what the queued calls keep.
pub(crate) fn add(
    roots: &mut Roots<'_>,
    memory: &dyn TargetMemory,
    runtime: &Runtime<'_>,
    gaps: &mut Vec<Gap>,
) {
    for queue in [finalizers(runtime), cleanups(runtime)].into_iter().flatten() {
        if let Err(err) = add_queue(roots, memory, &queue) {
            gaps.push(Gap::new("heap", format!("queue of {}s: {err}", queue.name)));
        }
    }
}

/// `None` in a program without such a queue: the linker leaves out what is never called.
fn finalizers(runtime: &Runtime<'_>) -> Option<Queue> {
    let layout = &runtime.layout;
    let slot = |new, old| layout.slot(new).or_else(|| layout.slot(old));
    Some(Queue {
        name: "finalizer",
        head: runtime.variables.find("allfin")?.at,
        next: pointer(slot("finBlock.alllink", "finblock.alllink")?),
        count: slot("finBlock.cnt", "finblock.cnt")?,
        calls: slot("finBlock.fin", "finblock.fin")?.offset,
        step: layout.size("finalizer")?,
    })
}

fn cleanups(runtime: &Runtime<'_>) -> Option<Queue> {
    let layout: &Layout = &runtime.layout;
    let header = layout.slot("cleanupBlock.cleanupBlockHeader")?.offset;
    let inside = |slot: Slot| Slot { offset: header + slot.offset, ..slot };
    let variable = runtime.variables.find("gcCleanups")?.at;
    Some(Queue {
        name: "cleanup",
        head: variable.checked_add(layout.slot("cleanupQueue.all")?.offset)?,
        next: pointer(inside(layout.slot("cleanupBlockHeader.alllink")?)),
        count: inside(layout.slot("cleanupBlockHeader.n")?),
        calls: layout.slot("cleanupBlock.cleanups")?.offset,
        step: layout.size("cleanupFn").unwrap_or(WORD),
    })
}

fn pointer(slot: Slot) -> Slot {
    Slot { width: WORD, ..slot }
}

fn add_queue(roots: &mut Roots<'_>, memory: &dyn TargetMemory, queue: &Queue) -> Result<(), HeapError> {
    let torn = |at, why: String| HeapError::Torn { what: queue.name, at, why };
    let mut at = Addr::new(read_slot(memory, queue.head, Slot { offset: 0, width: WORD }, queue.name)?);
    let name = roots.names.index(&Arc::from(queue.name));
    for _ in 0..MAX_BLOCKS {
        if at.is_nil() {
            return Ok(());
        }
        let count = read_slot(memory, at, queue.count, queue.name)?;
        if count > MAX_CALLS || queue.step > MAX_CALLS {
            return Err(torn(at, format!("a block of {count} calls")));
        }
        let data = at.checked_add(queue.calls).unwrap_or_default();
        let words = read_words(memory, SliceHead { data, len: count * queue.step / WORD }, queue.name)?;
        for (value, offset) in words.into_iter().zip((0u64..).step_by(8)) {
            let slot = data.checked_add(offset).unwrap_or_default();
            let word = Word { slot, value, before: 0 };
            roots.add(word, false, |_| (RootOrigin::Special { name }, None));
        }
        at = Addr::new(read_slot(memory, at, queue.next, queue.name)?);
    }
    Err(torn(at, format!("more than {MAX_BLOCKS} blocks")))
}
