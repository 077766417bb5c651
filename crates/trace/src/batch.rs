//! A batch: what one thread wrote at a time, or a table of its generation.

use crate::error::TraceError;
use crate::event::{RawEvent, read};
use crate::header::TraceVersion;
use crate::versions::{
    CLOCK_SNAPSHOT, CPU_SAMPLE, CPU_SAMPLES, EVENT_BATCH, EXPERIMENTAL_BATCH, FREQUENCY, STACK, STACKS,
    STRING, STRINGS, SYNC, SYNC_BATCH_SINCE,
};
use crate::wire::Cursor;

/// Most bytes of one event batch (internal/trace/tracev2: MaxBatchSize).
pub(crate) const MOST_BYTES: u64 = 64 << 10;
/// The thread id that means: no thread.
const NO_THREAD: u64 = u64::MAX;

/// What a batch holds; its first byte tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum BatchKind {
    /// Events with times, of one thread.
    Events,
    /// The stacks of the generation.
    Stacks,
    /// The strings of the generation.
    Strings,
    /// Samples of the CPU profiler.
    CpuSamples,
    /// The clock's frequency, and since Go 1.25 a snapshot of the clocks.
    Sync,
    /// Data of an experiment, in a format of its own.
    Experimental {
        /// Which: 1 is `AllocFree`.
        experiment: u8,
    },
}

impl BatchKind {
    /// Refuses an event that does not belong into a batch of this kind.
    fn check(self, event: RawEvent<'_>) -> Result<RawEvent<'_>, TraceError> {
        let id = event.spec.id;
        let belongs = match self {
            BatchKind::Events => event.spec.is_timed() && id != CLOCK_SNAPSHOT,
            BatchKind::Stacks => matches!(id, STACKS | STACK),
            BatchKind::Strings => matches!(id, STRINGS | STRING),
            BatchKind::CpuSamples => matches!(id, CPU_SAMPLES | CPU_SAMPLE),
            BatchKind::Sync => matches!(id, SYNC | FREQUENCY | CLOCK_SNAPSHOT),
            BatchKind::Experimental { .. } => false,
        };
        let what = || format!("{} in a batch of {self:?}", event.spec.name);
        match belongs {
            true => Ok(event),
            false => Err(TraceError::Malformed { offset: event.offset, what: what() }),
        }
    }
}

/// One batch; borrows from the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch<'b> {
    /// What it holds.
    pub kind: BatchKind,
    /// The number of its generation, from 1.
    pub generation: u64,
    /// The thread that wrote it; `None` for tables, and for the statuses of goroutines that did nothing in this
    /// generation.
    pub thread: Option<u64>,
    /// The time that its first event counts from, in units of the trace's clock.
    pub time: u64,
    /// Where its header starts in the file.
    pub offset: u64,
    /// Its contents.
    pub bytes: &'b [u8],
    contents_at: u64,
    minor: u16,
}

impl<'b> Batch<'b> {
    /// Reads the batch at `cursor`.
    pub(crate) fn read(cursor: &mut Cursor<'b>, version: TraceVersion) -> Result<Batch<'b>, TraceError> {
        let offset = cursor.offset();
        let doing = "reading the header of a batch";
        let head = |err| match err {
            TraceError::CutOff { doing, .. } => TraceError::CutOff { offset, doing },
            other => other,
        };
        let first = cursor.byte(doing)?;
        let experiment = match first {
            EVENT_BATCH => None,
            EXPERIMENTAL_BATCH if 23 <= version.minor => Some(cursor.byte(doing).map_err(head)?),
            other => {
                return Err(TraceError::Malformed { offset, what: format!("{other} in place of a batch") });
            }
        };
        let mut number = || cursor.number(doing).map_err(head);
        let (generation, thread, time, size) = (number()?, number()?, number()?, number()?);
        if MOST_BYTES < size && experiment.is_none() {
            return Err(TraceError::Malformed { offset, what: format!("a batch of {size} bytes") });
        }
        let contents_at = cursor.offset();
        let bytes = cursor.take(size, "in the middle of a batch").map_err(head)?;
        let thread = Some(thread).filter(|&thread| thread != NO_THREAD);
        let kind = kind(experiment, bytes.first().copied(), version);
        Ok(Batch { kind, generation, thread, time, offset, bytes, contents_at, minor: version.minor })
    }

    /// Its events in the order of the file, the heading of a table among them; ends after the first that cannot
    /// be read. None for the data of an experiment.
    pub fn events(&self) -> impl Iterator<Item = Result<RawEvent<'b>, TraceError>> + use<'b> {
        let bytes = match self.kind {
            BatchKind::Experimental { .. } => &[],
            _ => self.bytes,
        };
        let (kind, minor) = (self.kind, self.minor);
        let mut cursor = Cursor::new(bytes, self.contents_at);
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended || cursor.is_empty() {
                return None;
            }
            let event = read(&mut cursor, minor).and_then(|event| kind.check(event));
            ended = event.is_err();
            Some(event)
        })
    }
}

fn kind(experiment: Option<u8>, first: Option<u8>, version: TraceVersion) -> BatchKind {
    match (experiment, first) {
        (Some(experiment), _) => BatchKind::Experimental { experiment },
        (None, Some(STACKS)) => BatchKind::Stacks,
        (None, Some(STRINGS)) => BatchKind::Strings,
        (None, Some(CPU_SAMPLES)) => BatchKind::CpuSamples,
        (None, Some(SYNC)) => BatchKind::Sync,
        (None, Some(FREQUENCY)) if version.minor < SYNC_BATCH_SINCE => BatchKind::Sync,
        (None, _) => BatchKind::Events,
    }
}
