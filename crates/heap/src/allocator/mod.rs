//! Go's allocator as it stands in memory: its spans, its caches, its arenas, and the figures that
//! `runtime.ReadMemStats` would give.
//!
//! Everything is read by layout, bounded, and what cannot be read is a gap of the answer.

mod arenas;
mod central;
mod flush;
pub(crate) mod heap_goal;
mod idle_pages;
mod mem_stats;
pub mod occupancy;
mod own_memory;
mod processors;
pub mod size_classes;
mod span_records;

use hashbrown::HashMap;
use leakscope_goruntime::Runtime;
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use heap_goal::heap_goal;

pub use arenas::Arena;
pub use central::{Central, SpanSet};
pub use mem_stats::{ClassCounts, Figure, MemStatsFigures};
pub use own_memory::{OwnRange, OwnUse};
pub use processors::{PageCache, Processor, StackCache};
pub use span_records::{SpanRecord, SpanUse};

/// The allocator of one moment of a process.
pub struct Allocator<'a, 'b> {
    memory: &'a dyn TargetMemory,
    runtime: &'a Runtime<'b>,
    mheap: Addr,
    spans: Vec<SpanRecord>,
    /// By the address of its `mspan`: the index in `spans`.
    by_record: HashMap<Addr, u32>,
    sweep_generation: u32,
    /// What could not be read so far.
    pub gaps: Vec<Gap>,
}

/// How far a span is in the cycle of the sweeper (`mspan.sweepgen` in `runtime/mheap.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepState {
    /// Swept since the last collection.
    Swept,
    /// Not swept yet: what the last collection found dead is still counted as allocated.
    Unswept,
    /// Being swept.
    Sweeping,
    /// Swept, and in the cache of a processor.
    Cached,
    /// In the cache of a processor since before the last collection, and not swept since.
    CachedUnswept,
}

impl<'a, 'b> Allocator<'a, 'b> {
    /// Reads the spans. Fails where their list cannot be read.
    pub fn read(memory: &'a dyn TargetMemory, runtime: &'a Runtime<'b>) -> Result<Self, HeapError> {
        let mheap = runtime.variable("mheap_").map_err(HeapError::Runtime)?;
        let mut gaps = Vec::new();
        let spans = span_records::read(memory, &runtime.layout, mheap, &mut gaps)?;
        let by_record = spans.iter().map(|span| span.at).zip(0u32..).collect();
        let generation = crate::fields::read_uint(memory, &runtime.layout, mheap, "mheap.sweepgen")?;
        let sweep_generation = generation as u32;
        Ok(Allocator { memory, runtime, mheap, spans, by_record, sweep_generation, gaps })
    }

    /// The memory that it is read from.
    pub(crate) fn memory(&self) -> &'a dyn TargetMemory {
        self.memory
    }

    /// The program.
    pub(crate) fn runtime(&self) -> &'a Runtime<'b> {
        self.runtime
    }

    /// Every span in use, in order of address.
    pub fn spans(&self) -> &[SpanRecord] {
        &self.spans
    }

    /// The span whose `mspan` stands at `at`.
    pub fn span_of_record(&self, at: Addr) -> Option<&SpanRecord> {
        self.spans.get(*self.by_record.get(&at)? as usize)
    }

    /// The span that holds `addr`.
    pub fn span_at(&self, addr: Addr) -> Option<&SpanRecord> {
        let behind = self.spans.partition_point(|span| span.base <= addr);
        self.spans.get(behind.checked_sub(1)?).filter(|span| addr.get() < span.end())
    }

    /// How far the sweeper is with a span.
    pub fn sweep_state(&self, span: &SpanRecord) -> SweepState {
        match span.sweep_generation.wrapping_sub(self.sweep_generation) {
            0xffff_fffe => SweepState::Unswept,
            0xffff_ffff => SweepState::Sweeping,
            1 => SweepState::CachedUnswept,
            3 => SweepState::Cached,
            _ => SweepState::Swept,
        }
    }
}
