//! The figures that the runtime keeps of its own memory, added up as `runtime/mstats.go` (`readmemstats_m`) does.

use leakscope_goruntime::Runtime;
use leakscope_model::Gap;
use leakscope_target::TargetMemory;

use crate::counters::Counters;
use crate::graph::MemStats;

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
    let mut figures = Counters { memory, runtime, gaps };
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
