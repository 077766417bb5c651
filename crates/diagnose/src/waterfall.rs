//! Where the resident memory is.

use leakscope_heap::Heap;
use leakscope_model::Memory;

use crate::readings::OsFacts;

/// The parts: page by page where that was found out (the figures of `heap breakdown`), else from the runtime's own
/// figures, the heap and the system's. What the system did not tell is 0.
///
/// The runtime's figures are of memory that it has mapped and uses; pages of it that were never touched are not
/// resident, so the parts may add up to somewhat more than the resident set.
pub(crate) fn memory(heap: Option<&Heap>, os: OsFacts) -> Memory {
    if let Some(resident) = os.resident {
        return resident;
    }
    let Some(heap) = heap else {
        return Memory {
            rss: os.rss.unwrap_or(0),
            mapped_files: os.mapped_files.unwrap_or(0),
            ..Memory::default()
        };
    };
    let stats = heap.memstats;
    let (live, garbage) = (heap.live().bytes, heap.garbage().bytes);
    let of_runtime = stats
        .heap_in_use
        .saturating_add(stats.heap_idle)
        .saturating_add(stats.stacks_in_use)
        .saturating_add(stats.gc_metadata);
    Memory {
        rss: os.rss.unwrap_or(0),
        heap_live: live,
        heap_garbage: garbage,
        heap_idle: stats.heap_idle,
        fragmentation: stats.heap_in_use.saturating_sub(live).saturating_sub(garbage),
        stacks: stats.stacks_in_use,
        gc_metadata: stats.gc_metadata,
        native: os.anonymous.unwrap_or(0).saturating_sub(of_runtime),
        mapped_files: os.mapped_files.unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_heap::graph::MemStats;

    #[test]
    fn what_the_runtime_does_not_own_is_native() {
        let memstats = MemStats {
            heap_in_use: 60,
            heap_idle: 10,
            stacks_in_use: 5,
            gc_metadata: 5,
            ..MemStats::default()
        };
        let heap = Heap { memstats, ..Heap::default() };
        let os =
            OsFacts { rss: Some(150), anonymous: Some(100), mapped_files: Some(50), ..OsFacts::default() };
        let found = memory(Some(&heap), os);
        assert_eq!((found.native, found.fragmentation, found.stacks, found.mapped_files), (20, 60, 5, 50));
        let less = memory(Some(&heap), OsFacts { anonymous: Some(70), ..os });
        assert_eq!(less.native, 0, "never below nothing");
        let resident = Memory { rss: 9, heap_live: 7, ..Memory::default() };
        let by_page = memory(Some(&heap), OsFacts { resident: Some(resident), ..os });
        assert_eq!(by_page, resident, "pages tell more than figures");
    }
}
