//! The collector as it stands: what it does, when it will begin next, and why then.

use leakscope_goruntime::{Runtime, Slot};
use leakscope_model::Gap;
use leakscope_target::TargetMemory;

use crate::allocator::heap_goal::{Goal, goal_now};
use crate::counters::Counters;

/// What makes the next collection begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextBy {
    /// The growth that GOGC allows.
    Percentage,
    /// GOMEMLIMIT, which is nearer.
    MemoryLimit,
    /// Nothing but a call of `runtime.GC`: GOGC is off and there is no limit.
    Nothing,
}

/// The collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Collector {
    /// 0 off, 1 marking, 2 ending the marking (`gcphase`).
    pub phase: u64,
    /// Completed collections.
    pub cycles: u64,
    /// Of those, collections that the program asked for.
    pub forced_cycles: u64,
    /// Whether the last one was asked for; `None` where that could not be read.
    pub last_was_forced: Option<bool>,
    /// Bytes that the last one marked.
    pub heap_marked: u64,
    /// Bytes that the collector counts as live: marked, and allocated since.
    pub heap_live: u64,
    /// The heap size that the next one aims at, in bytes; `None` where nothing sets one.
    pub goal: Option<u64>,
    /// What makes it begin.
    pub next_by: NextBy,
    /// GOGC in percent; `None` where it is off.
    pub gogc: Option<u64>,
    /// GOMEMLIMIT in bytes; `None` where there is none.
    pub memory_limit: Option<u64>,
}

/// Reads it; a figure that cannot be read leaves a gap, and the answer is `None` where the goal cannot be told.
pub fn read(memory: &dyn TargetMemory, runtime: &Runtime<'_>, gaps: &mut Vec<Gap>) -> Option<Collector> {
    let mut counters = Counters { memory, runtime, gaps };
    let goal = goal_now(&mut counters)?;
    // A signed number of 32 bits, below zero where collections by growth are off (`readGOGC`).
    let percent = counters.of("gcController", "gcControllerState.gcPercent")? as u32;
    let gogc = i32::try_from(i64::from(percent.cast_signed())).ok().and_then(|n| u64::try_from(n).ok());
    let limit = counters.of("gcController", "gcControllerState.memoryLimit")?;
    let memory_limit = Some(limit).filter(|limit| *limit < i64::MAX.cast_unsigned());
    let (goal, next_by) = match goal {
        Goal { by_limit: true, .. } if memory_limit.is_none() => (None, NextBy::Nothing),
        Goal { bytes, by_limit: true } => (Some(bytes), NextBy::MemoryLimit),
        Goal { bytes, by_limit: false } => (Some(bytes), NextBy::Percentage),
    };
    Some(Collector {
        phase: counters.variable("gcphase").unwrap_or(0),
        cycles: counters.of("memstats", "mstats.numgc").unwrap_or(0),
        forced_cycles: counters.of("memstats", "mstats.numforcedgc").unwrap_or(0),
        last_was_forced: last_was_forced(&mut counters),
        heap_marked: counters.of("gcController", "gcControllerState.heapMarked").unwrap_or(0),
        heap_live: counters.of("gcController", "gcControllerState.heapLive").unwrap_or(0),
        goal,
        next_by,
        gogc,
        memory_limit,
    })
}

fn last_was_forced(counters: &mut Counters<'_, '_, '_>) -> Option<bool> {
    let slot = counters.runtime.layout.slot("workType.userForced")?;
    let at = counters.runtime.variables.find("work")?.at;
    let forced =
        crate::fields::read_slot(counters.memory, at, Slot { width: 1, ..slot }, "workType.userForced");
    forced.ok().map(|word| word != 0)
}
