//! The figures that the runtime keeps of its own memory, added up as `runtime/mstats.go` (`readmemstats_m`) does.

use leakscope_goruntime::{Runtime, Slot};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{need, read_slot};
use crate::graph::MemStats;

/// `consistentHeapStats.stats` is a ring of three; their sum is the truth whichever is being written.
const RING: u64 = 3;
/// What the runtime takes for itself, by field of `mstats`.
const METADATA: [&str; 5] =
    ["mstats.mspan_sys", "mstats.mcache_sys", "mstats.buckhash_sys", "mstats.gcMiscSys", "mstats.other_sys"];

/// Reads the figures; one that cannot be read is 0 and leaves a gap. `heap_in_use` is what the spans add up to:
/// the runtime's own figure is the same, but a torn read of it is not noticed.
pub(crate) fn read(
    memory: &dyn TargetMemory,
    runtime: &Runtime<'_>,
    heap_in_use: u64,
    gaps: &mut Vec<Gap>,
) -> MemStats {
    let mut figures = Figures { memory, runtime, gaps };
    let memory_limit = figures.of("gcController", "gcControllerState.memoryLimit").unwrap_or(u64::MAX);
    // `math.MaxInt64` says that there is none (`readGOMEMLIMIT`).
    let memory_limit = if memory_limit >= i64::MAX.cast_unsigned() { u64::MAX } else { memory_limit };
    let goal = figures.of("gcController", "gcControllerState.gcPercentHeapGoal").unwrap_or(0);
    let work_buffers = figures.ring_sum("heapStatsDelta.inWorkBufs").unwrap_or(0);
    let metadata: u64 = METADATA.iter().filter_map(|path| figures.of("memstats", path)).sum();
    MemStats {
        heap_in_use,
        heap_idle: figures.of("gcController", "gcControllerState.heapFree").unwrap_or(0),
        heap_released: figures.of("gcController", "gcControllerState.heapReleased").unwrap_or(0),
        stacks_in_use: figures.ring_sum("heapStatsDelta.inStacks").unwrap_or(0),
        gc_metadata: metadata.saturating_add(work_buffers),
        heap_marked: figures.of("gcController", "gcControllerState.heapMarked").unwrap_or(0),
        heap_goal: goal.min(memory_limit),
        memory_limit,
        collections: figures.of("memstats", "mstats.numgc").unwrap_or(0),
        gc_phase: figures.variable("gcphase").unwrap_or(0),
    }
}

struct Figures<'a, 'b> {
    memory: &'a dyn TargetMemory,
    runtime: &'a Runtime<'b>,
    gaps: &'a mut Vec<Gap>,
}

impl Figures<'_, '_> {
    /// The number in a field of a package variable of the runtime.
    fn of(&mut self, variable: &str, path: &'static str) -> Option<u64> {
        let read = || {
            let at = self.runtime.variable(variable).map_err(HeapError::Runtime)?;
            read_slot(self.memory, at, need(&self.runtime.layout, path)?, path)
        };
        let result = read();
        self.noted(result)
    }

    /// A package variable that is a number of 32 bits.
    fn variable(&mut self, name: &'static str) -> Option<u64> {
        let at = self.runtime.variable(name).map_err(HeapError::Runtime);
        let result = at.and_then(|at| read_slot(self.memory, at, Slot { offset: 0, width: 4 }, name));
        self.noted(result)
    }

    /// One field, summed over the ring of `memstats.heapStats`.
    fn ring_sum(&mut self, path: &'static str) -> Option<u64> {
        let read = || {
            let layout = &self.runtime.layout;
            let start = self.runtime.variable("memstats").map_err(HeapError::Runtime)?;
            let stats =
                need(layout, "mstats.heapStats")?.offset + need(layout, "consistentHeapStats.stats")?.offset;
            let step = layout.size("heapStatsDelta").ok_or_else(|| HeapError::missing("heapStatsDelta"))?;
            let slot = need(layout, path)?;
            let one = |index: u64| {
                let at = start.get().wrapping_add(stats).wrapping_add(index.wrapping_mul(step));
                read_slot(self.memory, Addr::new(at), slot, path)
            };
            // The entries are differences, each of which may be negative: the sum wraps back.
            (0..RING).try_fold(0u64, |sum, index| Ok::<_, HeapError>(sum.wrapping_add(one(index)?)))
        };
        let result = read();
        self.noted(result)
    }

    fn noted(&mut self, result: Result<u64, HeapError>) -> Option<u64> {
        // Many figures stand in one variable: that it is not to be found is said once.
        let mut note = |gap: Gap| (!self.gaps.contains(&gap)).then(|| self.gaps.push(gap));
        result.map_err(|err| note(Gap::new("memory", err.to_string()))).ok()
    }
}
