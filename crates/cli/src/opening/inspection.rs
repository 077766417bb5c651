//! One moment with its memory still at hand: what every question about a heap is asked of.

use anyhow::{Result, anyhow};
use leakscope_collect::OsFacts;
use leakscope_goruntime::Runtime;
use leakscope_heap::{Coverage, Heap, ProgramTypes, type_table};
use leakscope_model::{Gap, Target};
use leakscope_report::tables::{Beside, CoverageRow, SnapshotRow};
use leakscope_target::{Mapping, Residency, TargetMemory, ThreadRegisters};

/// What a question is asked of.
pub(crate) struct Inspection<'i, 'b> {
    /// The heap, analysed.
    pub(crate) heap: &'i Heap,
    /// Whose it is.
    #[allow(dead_code, reason = "questions to come ask for it")]
    pub(crate) target: &'i Target,
    /// The memory; `None` for a capture, which holds the shape of a heap and no contents.
    memory: Option<AtHand<'i, 'b>>,
    /// What the system said, where a capture keeps it.
    os: Option<&'i OsFacts>,
    /// The first moment, where there are several.
    earlier: Option<Earlier<'i>>,
}

/// The first of several moments of one process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Earlier<'i> {
    /// Its heap.
    pub(crate) heap: &'i Heap,
    /// How long before the moment that is asked, in seconds.
    pub(crate) seconds_before: f64,
}

/// The memory of that moment, and all that is known of the program in it.
#[derive(Clone, Copy)]
pub(crate) struct AtHand<'i, 'b> {
    /// The bytes.
    pub(crate) memory: &'i dyn TargetMemory,
    /// What is mapped where.
    pub(crate) mappings: &'i [Mapping],
    /// Registers of each thread.
    #[allow(dead_code, reason = "questions to come ask for it")]
    pub(crate) threads: &'i [ThreadRegisters],
    /// The program.
    pub(crate) runtime: &'i Runtime<'b>,
    /// The types of the heap's shapes.
    pub(crate) types: &'i ProgramTypes<'i, 'b>,
    /// The process, where it is alive.
    #[allow(dead_code, reason = "questions to come ask for it")]
    pub(crate) live: Option<u32>,
    /// Which pages are resident, where that was asked for.
    pub(crate) residency: Option<&'i Residency>,
}

/// An answer, and what stands beside every answer: known only when the target has been let go.
#[derive(Debug)]
pub(crate) struct Answered<T> {
    /// What was asked for.
    pub(crate) answer: T,
    /// How the heap was read.
    pub(crate) how: HowRead,
    /// How much of it has a type.
    pub(crate) coverage: Coverage,
    /// What could not be read.
    pub(crate) gaps: Vec<Gap>,
}

/// How and when a heap was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HowRead {
    /// RFC 3339.
    pub(crate) taken_at: String,
    /// `fork`, `stop`, `live`, `core`.
    pub(crate) mode: String,
    /// The stop that had been predicted, in milliseconds.
    pub(crate) predicted_ms: Option<f64>,
    /// How long the process stood still, in milliseconds; `None` for a file.
    pub(crate) pause_ms: Option<f64>,
}

impl<'i, 'b> Inspection<'i, 'b> {
    /// Of a heap and its memory, where that is at hand.
    pub(super) fn new(
        heap: &'i Heap,
        target: &'i Target,
        memory: Option<AtHand<'i, 'b>>,
    ) -> Inspection<'i, 'b> {
        Inspection { heap, target, memory, os: None, earlier: None }
    }

    /// With what the system said, out of a capture.
    pub(super) fn with_os(self, os: Option<&'i OsFacts>) -> Inspection<'i, 'b> {
        Inspection { os, ..self }
    }

    /// What the system said, where a capture keeps it.
    pub(crate) fn os(&self) -> Option<&'i OsFacts> {
        self.os
    }

    /// The same with the first moment beside it.
    pub(super) fn after(self, earlier: Option<Earlier<'i>>) -> Inspection<'i, 'b> {
        Inspection { earlier, ..self }
    }

    /// The first moment, where there are several.
    pub(crate) fn earlier(&self) -> Option<&Earlier<'i>> {
        self.earlier.as_ref()
    }

    /// The memory, for a question about contents; `what` says in the error what was asked for.
    #[allow(dead_code, reason = "questions to come ask for it")]
    pub(crate) fn at_hand(&self, what: &str) -> Result<&AtHand<'i, 'b>> {
        self.memory.as_ref().ok_or_else(|| {
            anyhow!("a capture holds no {what}, only the shape of the heap: ask the process or a core")
        })
    }

    /// The memory, if it is at hand: for what makes an answer richer, but is not asked for alone.
    pub(crate) fn memory(&self) -> Option<&AtHand<'i, 'b>> {
        self.memory.as_ref()
    }
}

impl<T> Answered<T> {
    /// An answer with what is known beside it; `gaps` are those outside the heap.
    pub(super) fn new(answer: T, heap: &Heap, how: HowRead, mut gaps: Vec<Gap>) -> Answered<T> {
        gaps.extend(heap.gaps.iter().cloned());
        Answered { answer, how, coverage: type_table::coverage(heap), gaps }
    }

    /// The same beside another answer.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Answered<U> {
        let Answered { answer, how, coverage, gaps } = self;
        Answered { answer: change(answer), how, coverage, gaps }
    }

    /// What stands beside the answer, for a renderer.
    pub(crate) fn beside(&self) -> Beside {
        let HowRead { taken_at, mode, predicted_ms, pause_ms } = self.how.clone();
        let Coverage { live, typed, by_how: [header, itab, dwarf, pointer, call, _] } = self.coverage;
        Beside {
            snapshot: SnapshotRow {
                taken_at,
                mode,
                predicted_pause_ms: predicted_ms,
                pause_ms: pause_ms.unwrap_or(0.0),
            },
            coverage: CoverageRow {
                reachable_bytes: live.bytes,
                typed_bytes: typed.bytes,
                header_bytes: header.bytes,
                itab_bytes: itab.bytes,
                dwarf_bytes: dwarf.bytes,
                pointer_bytes: pointer.bytes,
                call_bytes: call.bytes,
            },
            gaps: self.gaps.clone(),
        }
    }
}
