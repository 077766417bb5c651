//! The runtime's records of goroutines (`runtime.g` in `runtime/runtime2.go`) and of the threads that run them
//! (`runtime.m`).

use leakscope_goruntime::{Layout, Runtime, Slot};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{need, read_slice, read_slot, read_words, uint};
use crate::gather::{Want, gather};

/// More goroutines than any process has had.
const MAX_GOROUTINES: u64 = 1 << 28;
/// The longest record that is believed, in bytes.
const MAX_RECORD: u64 = 1 << 16;

/// One `runtime.g`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GoroutineRecord {
    /// Where it lies.
    pub(crate) at: Addr,
    /// `goid`.
    pub(crate) id: u64,
    /// `atomicstatus`, the scan bit included.
    pub(crate) status: u64,
    /// `waitreason`.
    pub(crate) wait_reason: u64,
    /// `waitsince`: nanoseconds of the monotonic clock; 0 where the runtime did not look.
    pub(crate) wait_since: u64,
    /// `stack.lo` and `stack.hi`.
    pub(crate) stack: (u64, u64),
    /// `sched.pc` and `sched.sp`: where it goes on.
    pub(crate) saved: (u64, u64),
    /// `sched.lr`: the caller of a function without a frame, on machines with a link register.
    pub(crate) saved_link: u64,
    /// `syscallpc` and `syscallsp`: where it entered a system call; 0 outside of one.
    pub(crate) syscall: (u64, u64),
    /// `gopc`: behind the `go` statement.
    pub(crate) created_at: u64,
    /// `startpc`: the function that the statement started.
    pub(crate) start: u64,
    /// `sched.ctxt`: the closure that it runs when it goes on.
    pub(crate) context: u64,
    /// `_defer`: its innermost deferred call.
    pub(crate) deferred: Addr,
    /// `m`: the thread that runs it.
    pub(crate) thread: Addr,
    /// `waiting`: the first `sudog` of what it waits for; nil where the runtime keeps it elsewhere.
    pub(crate) waiting: Addr,
    /// `runningCleanups`: whether it calls a cleanup of the program at this moment.
    pub(crate) runs_cleanup: bool,
}

/// Every record that `runtime.allgs` lists, in order of goroutine id.
pub(crate) fn read_all(
    memory: &dyn TargetMemory,
    runtime: &Runtime<'_>,
    gaps: &mut Vec<Gap>,
) -> Result<Vec<GoroutineRecord>, HeapError> {
    let fields = GLayout::of(&runtime.layout)?;
    let head = runtime.variable("allgs").map_err(HeapError::Runtime)?;
    let listed = read_slice(memory, head, MAX_GOROUTINES, "allgs")?;
    let mut places = read_words(memory, listed, "allgs")?;
    places.sort_unstable();
    places.dedup();
    let wants: Vec<Want> = places.iter().map(|&at| (Addr::new(at), fields.bytes)).collect();
    let mut records = Vec::with_capacity(wants.len());
    gather(memory, &wants, |index, bytes| {
        let Some(&(at, _)) = wants.get(index) else { return };
        match bytes.map(|bytes| fields.decode(at, bytes)) {
            Ok(Some(record)) => records.push(record),
            Ok(None) => gaps.push(Gap::new("goroutines", format!("g at {at}: no room for its fields"))),
            Err(err) => gaps.push(Gap::new("goroutines", format!("g at {at}: {err}"))),
        }
    });
    records.sort_by_key(|record| (record.id, record.at));
    Ok(records)
}

/// The fields of `runtime.g` that are asked for.
struct GLayout {
    bytes: u64,
    id: Slot,
    status: Slot,
    wait_reason: Slot,
    wait_since: Slot,
    stack: [Slot; 2],
    saved: [Slot; 2],
    saved_link: Option<Slot>,
    syscall: [Slot; 2],
    created_at: Slot,
    start: Slot,
    context: Slot,
    deferred: Slot,
    thread: Slot,
    waiting: Slot,
    runs_cleanup: Option<Slot>,
}

impl GLayout {
    fn of(layout: &Layout) -> Result<GLayout, HeapError> {
        let word = |path| Ok::<_, HeapError>(Slot { width: 8, ..need(layout, path)? });
        let inside = |outer, inner| nested(layout, outer, inner);
        Ok(GLayout {
            bytes: layout.size("g").ok_or_else(|| HeapError::missing("g"))?.min(MAX_RECORD),
            id: word("g.goid")?,
            status: Slot { width: 4, ..need(layout, "g.atomicstatus")? },
            wait_reason: Slot { width: 1, ..need(layout, "g.waitreason")? },
            wait_since: word("g.waitsince")?,
            stack: [inside("g.stack", "stack.lo")?, inside("g.stack", "stack.hi")?],
            saved: [inside("g.sched", "gobuf.pc")?, inside("g.sched", "gobuf.sp")?],
            saved_link: inside("g.sched", "gobuf.lr").ok(),
            syscall: [word("g.syscallpc")?, word("g.syscallsp")?],
            created_at: word("g.gopc")?,
            start: word("g.startpc")?,
            context: inside("g.sched", "gobuf.ctxt")?,
            deferred: word("g._defer")?,
            thread: word("g.m")?,
            waiting: word("g.waiting")?,
            runs_cleanup: layout.slot("g.runningCleanups").map(|slot| Slot { width: 1, ..slot }),
        })
    }

    fn decode(&self, at: Addr, bytes: &[u8]) -> Option<GoroutineRecord> {
        let pair = |slots: [Slot; 2]| Some((uint(bytes, slots[0])?, uint(bytes, slots[1])?));
        let optional = |slot: Option<Slot>| slot.map_or(Some(0), |slot| uint(bytes, slot));
        Some(GoroutineRecord {
            at,
            id: uint(bytes, self.id)?,
            status: uint(bytes, self.status)?,
            wait_reason: uint(bytes, self.wait_reason)?,
            wait_since: uint(bytes, self.wait_since)?,
            stack: pair(self.stack)?,
            saved: pair(self.saved)?,
            saved_link: optional(self.saved_link)?,
            syscall: pair(self.syscall)?,
            created_at: uint(bytes, self.created_at)?,
            start: uint(bytes, self.start)?,
            context: uint(bytes, self.context)?,
            deferred: Addr::new(uint(bytes, self.deferred)?),
            thread: Addr::new(uint(bytes, self.thread)?),
            waiting: Addr::new(uint(bytes, self.waiting)?),
            runs_cleanup: optional(self.runs_cleanup)? != 0,
        })
    }
}

/// A word of a structure inside another: `nested(layout, "g.sched", "gobuf.pc")`.
pub(crate) fn nested(layout: &Layout, outer: &'static str, inner: &'static str) -> Result<Slot, HeapError> {
    let offset = need(layout, outer)?.offset.saturating_add(need(layout, inner)?.offset);
    Ok(Slot { offset, width: 8 })
}

/// Where a thread stands that calls the kernel's clock on the stack of its scheduler, and left the goroutine's own
/// registers behind: `m.vdsoPC` and `m.vdsoSP`, those of the caller (`nanotime1`, `walltime`).
pub(crate) fn clock_call(memory: &dyn TargetMemory, layout: &Layout, m: Addr) -> Option<(u64, u64)> {
    let word = |path: &'static str| {
        let slot = layout.slot(path).filter(|_| !m.is_nil())?;
        read_slot(memory, m, Slot { width: 8, ..slot }, path).ok().filter(|&word| word != 0)
    };
    Some((word("m.vdsoPC")?, word("m.vdsoSP")?))
}

/// The signal stack of the thread `m`: `m.gsignal.stack`.
pub(crate) fn signal_stack(memory: &dyn TargetMemory, layout: &Layout, m: Addr) -> Option<(u64, u64)> {
    let slot = layout.slot("m.gsignal").filter(|_| !m.is_nil())?;
    let gsignal = read_slot(memory, m, Slot { width: 8, ..slot }, "m.gsignal").ok()?;
    let bound = |inner| {
        let slot = nested(layout, "g.stack", inner).ok()?;
        read_slot(memory, Addr::new(gsignal), slot, inner).ok()
    };
    Some((bound("stack.lo")?, bound("stack.hi")?))
}

/// The kernel's id of the thread `m` (`m.procid`); `None` where it has none yet.
pub(crate) fn thread_id(memory: &dyn TargetMemory, layout: &Layout, m: Addr) -> Option<u32> {
    let slot = layout.slot("m.procid").filter(|_| !m.is_nil())?;
    let id = read_slot(memory, m, Slot { width: 8, ..slot }, "m.procid").ok()?;
    u32::try_from(id).ok().filter(|&id| id != 0)
}
