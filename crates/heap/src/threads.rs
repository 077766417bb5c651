//! The runtime's records of threads (`runtime.m`): the stacks that it has for its own work and for signals.

use hashbrown::HashSet;
use leakscope_goruntime::Slot;
use leakscope_model::Addr;

use crate::allocator::Allocator;
use crate::counters::note;
use crate::error::HeapError;
use crate::fields::{WORD, need, read_slot};

/// More threads than the kernel allows in a process.
const MAX_THREADS: u32 = 1 << 17;

/// One stack of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadStack {
    /// Its lowest address.
    pub(crate) low: u64,
    /// Behind its highest.
    pub(crate) high: u64,
}

/// The stacks of `m.g0` and `m.gsignal` of every thread that `runtime.allm` lists.
pub(crate) fn stacks(allocator: &mut Allocator<'_, '_>) -> Vec<ThreadStack> {
    let mut stacks = Vec::new();
    if let Err(err) = read(allocator, &mut stacks) {
        note(&mut allocator.gaps, "threads", &err);
    }
    stacks
}

fn read(allocator: &Allocator<'_, '_>, stacks: &mut Vec<ThreadStack>) -> Result<(), HeapError> {
    let (memory, runtime) = (allocator.memory(), allocator.runtime());
    let pointer = |path: &'static str| need(&runtime.layout, path).map(|slot| Slot { width: WORD, ..slot });
    let at = runtime.variable("allm").map_err(HeapError::Runtime)?;
    let (g0, signal, next) = (pointer("m.g0")?, pointer("m.gsignal")?, pointer("m.alllink")?);
    let low = need(&runtime.layout, "g.stack")?.offset;
    let mut thread = Addr::new(read_slot(memory, at, Slot { offset: 0, width: WORD }, "allm")?);
    let mut seen = HashSet::new();
    for _ in 0..MAX_THREADS {
        if thread.is_nil() || !seen.insert(thread) {
            break;
        }
        for (slot, path) in [(g0, "m.g0"), (signal, "m.gsignal")] {
            let goroutine = Addr::new(read_slot(memory, thread, slot, path)?);
            if goroutine.is_nil() {
                continue;
            }
            let bound = |offset| read_slot(memory, goroutine, Slot { offset, width: WORD }, "g.stack");
            stacks.push(ThreadStack { low: bound(low)?, high: bound(low + WORD)? });
        }
        thread = Addr::new(read_slot(memory, thread, next, "m.alllink")?);
    }
    Ok(())
}
