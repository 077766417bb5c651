//! Which stopped thread may make a system call for us.

use leakscope_model::Addr;

use crate::remote::RemoteMemory;
use crate::snapshot::Gadgets;
use crate::snapshot::arch::{self, IdleCall};
use crate::snapshot::seccomp;
use crate::snapshot::stop::StoppedThread;
use crate::snapshot::wait::Stop;

/// A stack larger than this is no stack: what looked like its bounds was something else.
const MAX_STACK: u64 = 1 << 30;

/// The stopped thread that is fit, or why none is.
pub(super) fn choose<'t>(
    pid: u32,
    threads: &'t [StoppedThread],
    gadgets: &Gadgets,
) -> Result<&'t StoppedThread, String> {
    let mut idle: Vec<(IdleCall, &StoppedThread)> = threads
        .iter()
        .filter(|thread| thread.stop == Stop::Interrupted)
        .filter_map(|thread| Some((arch::idle_call(&thread.registers)?, thread)))
        .collect();
    idle.sort_by_key(|(call, thread)| (*call, thread.tid));
    let mut reason = format!("none of its {} threads waits in the kernel for something to do", threads.len());
    for (_, thread) in idle {
        match fitness(pid, thread, gadgets) {
            Ok(()) => return Ok(thread),
            Err(why) => reason = why,
        }
    }
    Err(reason)
}

/// Whether `thread`, which is idle, has room on its stack and no filter against our calls.
fn fitness(pid: u32, thread: &StoppedThread, gadgets: &Gadgets) -> Result<(), String> {
    let room = room_below(thread, gadgets.stack_word).unwrap_or(0);
    if room < arch::ROOM {
        return Err("no idle thread has room on its stack, or its stack's bounds cannot be read".to_owned());
    }
    seccomp::allows_fork(pid, thread.tid, gadgets)
}

/// Bytes between the stack pointer and the low end of the stack that the thread says it is on.
///
/// A goroutine's stack may end a few hundred bytes below: a frame there would run over into the stack of
/// another goroutine. Only the bounds tell it from the large stack of the thread's own scheduler.
fn room_below(thread: &StoppedThread, stack_word: i64) -> Option<u64> {
    let memory = RemoteMemory::of(thread.tid);
    let slot = arch::thread_pointer(&thread.registers).checked_add_signed(stack_word)?;
    let bounds = memory.read_word(Addr::new(slot))?;
    let low = memory.read_word(Addr::new(bounds))?;
    let high = memory.read_word(Addr::new(bounds.checked_add(8)?))?;
    let sp = arch::stack_pointer(&thread.registers);
    let plausible = low < sp && sp <= high && high - low <= MAX_STACK;
    plausible.then(|| sp - low)
}
