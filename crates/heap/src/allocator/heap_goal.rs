//! The heap size at which the next collection should be done, as `heapGoalInternal` and `memoryLimitHeapGoal` in
//! `runtime/mgcpacer.go` compute it: `MemStats.NextGC`.

use super::flush::Flush;
use crate::counters::Counters;

/// The least distance of the goal from where a cycle was triggered, in bytes (`minRunway`).
const RUNWAY: u64 = 64 << 10;
/// How much of the room under a memory limit is left free, in percent (`memoryLimitHeapGoalHeadroomPercent`).
const HEADROOM_PERCENT: u64 = 3;
/// And at least so many bytes (`memoryLimitMinHeapGoalHeadroom`).
const LEAST_HEADROOM: u64 = 1 << 20;

/// What decides the goal, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pacer {
    by_percent: u64,
    sweep_distance: u64,
    triggered: u64,
    marked: u64,
    limit: u64,
    free: u64,
    allocated: u64,
    ready: u64,
}

/// A goal, and what sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) bytes: u64,
    /// The memory limit, not the percentage.
    pub(crate) by_limit: bool,
}

/// The goal as it stands.
pub(crate) fn goal_now(counters: &mut Counters<'_, '_, '_>) -> Option<Goal> {
    let pacer = pacer(counters)?;
    Some(Goal { bytes: pacer.goal(), by_limit: pacer.by_limit() < pacer.by_percent })
}

/// The goal after the caches have been emptied.
pub(super) fn heap_goal(counters: &mut Counters<'_, '_, '_>, flush: &Flush) -> Option<u64> {
    let pacer = pacer(counters)?;
    let free = pacer.free.wrapping_add(flush.stack_bytes);
    let allocated = pacer.allocated.wrapping_add(flush.bytes);
    Some(Pacer { free, allocated, ..pacer }.goal())
}

fn pacer(counters: &mut Counters<'_, '_, '_>) -> Option<Pacer> {
    let fields = [
        "gcControllerState.gcPercentHeapGoal",
        "gcControllerState.sweepDistMinTrigger",
        "gcControllerState.triggered",
        "gcControllerState.heapMarked",
        "gcControllerState.memoryLimit",
        "gcControllerState.heapFree",
        "gcControllerState.totalAlloc",
        "gcControllerState.totalFree",
        "gcControllerState.mappedReady",
    ];
    let read = fields.map(|path| counters.of("gcController", path));
    let [by_percent, sweep_distance, triggered, marked, limit, free, alloc, freed, ready] = read;
    Some(Pacer {
        by_percent: by_percent?,
        sweep_distance: sweep_distance?,
        triggered: triggered?,
        marked: marked?,
        limit: limit?,
        free: free?,
        allocated: alloc?.wrapping_sub(freed?),
        ready: ready?,
    })
}

impl Pacer {
    fn goal(&self) -> u64 {
        let by_limit = self.by_limit();
        if by_limit < self.by_percent {
            return by_limit;
        }
        let goal = self.by_percent.max(self.sweep_distance);
        match self.triggered {
            u64::MAX => goal,
            triggered => goal.max(triggered.saturating_add(RUNWAY)),
        }
    }

    fn by_limit(&self) -> u64 {
        let beside = self.ready.saturating_sub(self.free).saturating_sub(self.allocated);
        let over = self.ready.saturating_sub(self.limit);
        let Some(room) = self.limit.checked_sub(beside.saturating_add(over)).filter(|room| *room > 0) else {
            return self.marked;
        };
        let headroom = (room / 100 * HEADROOM_PERCENT).max(LEAST_HEADROOM);
        let goal = room.checked_sub(headroom).filter(|goal| *goal >= headroom).unwrap_or(headroom);
        goal.max(self.marked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn pacer() -> Pacer {
        Pacer {
            by_percent: 100 * MIB,
            sweep_distance: 4 * MIB,
            triggered: u64::MAX,
            marked: 50 * MIB,
            limit: i64::MAX.cast_unsigned(),
            free: 10 * MIB,
            allocated: 60 * MIB,
            ready: 80 * MIB,
        }
    }

    #[test]
    fn without_a_limit_it_is_that_of_the_percentage_and_above_where_the_cycle_began() {
        assert_eq!(pacer().goal(), 100 * MIB);
        assert_eq!(Pacer { triggered: 100 * MIB, ..pacer() }.goal(), 100 * MIB + RUNWAY);
        assert_eq!(Pacer { sweep_distance: 101 * MIB, ..pacer() }.goal(), 101 * MIB);
    }

    #[test]
    fn a_limit_takes_what_is_not_heap_and_some_headroom() {
        let limit = 90 * MIB;
        let room = limit - 10 * MIB;
        assert_eq!(Pacer { limit, ..pacer() }.goal(), room - room / 100 * 3);
        assert_eq!(Pacer { limit: 5 * MIB, ..pacer() }.goal(), 50 * MIB, "no room: what was marked");
    }
}
