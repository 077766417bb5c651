//! The file as generations of batches. A trace that was cut off keeps what lies before the cut.

use std::collections::BTreeMap;

use leakscope_model::Gap;

use crate::batch::{Batch, BatchKind};
use crate::error::TraceError;
use crate::header::{Family, HEADER_LEN, TraceVersion};
use crate::versions::{END_OF_GENERATION, END_OF_GENERATION_SINCE};
use crate::wire::Cursor;

/// One generation: about a second of the run, with its own tables of strings and stacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation<'b> {
    /// Its number, from 1.
    pub number: u64,
    /// Its batches in the order of the file.
    pub batches: Vec<Batch<'b>>,
    /// Whether its end was seen. The tables stand at the end: without it nothing in it can be named.
    pub complete: bool,
}

/// A trace of the format since Go 1.22; borrows its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace<'b> {
    /// Its format.
    pub version: TraceVersion,
    /// Its generations in the order of the file.
    pub generations: Vec<Generation<'b>>,
    /// What was lost.
    pub gaps: Vec<Gap>,
    /// Whether the runtime said so at the end of each generation.
    ends_marked: u64,
}

impl<'b> Trace<'b> {
    /// Reads the container: headers of batches only, so the cost is that of counting them.
    ///
    /// # Errors
    /// [`TraceError::NotATrace`], [`TraceError::UnknownVersion`], [`TraceError::OldFormat`]. Anything wrong behind
    /// the header is a gap.
    pub fn open(bytes: &'b [u8]) -> Result<Trace<'b>, TraceError> {
        let version = TraceVersion::of(bytes)?;
        if version.family() == Family::V1 {
            return Err(TraceError::OldFormat { minor: version.minor });
        }
        let mut trace = Trace { version, generations: Vec::new(), gaps: Vec::new(), ends_marked: 0 };
        let mut cursor = Cursor::new(bytes.get(HEADER_LEN..).unwrap_or_default(), HEADER_LEN as u64);
        while !cursor.is_empty() {
            if let Err(err) = trace.step(&mut cursor) {
                trace.gaps.push(Gap::new("trace", err.to_string()));
                return Ok(trace.ended_early());
            }
        }
        Ok(trace.ended())
    }

    /// How many events of each name there are, with the names and the counting of `go tool trace -d=wire`; batches
    /// and ends of generations count as events too. Batches that cannot be read to their end are in the gaps.
    pub fn event_counts(&self) -> (BTreeMap<&'static str, u64>, Vec<Gap>) {
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        let mut gaps = Vec::new();
        let mut count = |name| *counts.entry(name).or_default() += 1;
        for batch in self.generations.iter().flat_map(|generation| &generation.batches) {
            match batch.kind {
                BatchKind::Experimental { .. } => count("ExperimentalBatch"),
                _ => count("EventBatch"),
            }
            for event in batch.events() {
                match event {
                    Ok(event) => count(event.spec.name),
                    Err(err) => gaps.push(Gap::new("trace", err.to_string())),
                }
            }
        }
        if 0 < self.ends_marked {
            counts.insert("EndOfGeneration", self.ends_marked);
        }
        (counts, gaps)
    }

    fn step(&mut self, cursor: &mut Cursor<'b>) -> Result<(), TraceError> {
        let marked = END_OF_GENERATION_SINCE <= self.version.minor;
        if marked && cursor.peek() == Some(END_OF_GENERATION) {
            let offset = cursor.offset();
            cursor.byte("reading the end of a generation")?;
            return self.close(offset);
        }
        let batch = Batch::read(cursor, self.version)?;
        match self.generations.last_mut() {
            Some(open) if !open.complete && open.number == batch.generation => open.batches.push(batch),
            Some(open) if !open.complete && marked => return Err(out_of_order(&batch, open.number)),
            Some(last) if last.number.checked_add(1) != Some(batch.generation) => {
                return Err(out_of_order(&batch, last.number));
            }
            last => {
                if let Some(last) = last {
                    last.complete = true;
                }
                self.generations.push(Generation {
                    number: batch.generation,
                    batches: vec![batch],
                    complete: false,
                });
            }
        }
        Ok(())
    }

    fn close(&mut self, offset: u64) -> Result<(), TraceError> {
        self.ends_marked += 1;
        match self.generations.last_mut() {
            Some(open) if !open.complete => {
                open.complete = true;
                Ok(())
            }
            _ => Err(TraceError::Malformed {
                offset,
                what: "the end of a generation that never began".to_owned(),
            }),
        }
    }

    /// At the end of the file: before Go 1.26 only the end of the file ends the last generation.
    fn ended(mut self) -> Trace<'b> {
        let marked = END_OF_GENERATION_SINCE <= self.version.minor;
        match self.generations.last_mut() {
            None => self.gaps.push(Gap::new("trace", "the trace is empty: it ends behind its header")),
            Some(last) if !last.complete && marked => return self.ended_early(),
            Some(last) => last.complete = true,
        }
        self
    }

    fn ended_early(mut self) -> Trace<'b> {
        if let Some(last) = self.generations.last().filter(|last| !last.complete) {
            let (number, batches) = (last.number, last.batches.len());
            let reason = format!(
                "generation {number} (about the last second) is incomplete after {batches} batches: its strings and stacks may be missing"
            );
            self.gaps.push(Gap::new("trace", reason));
        }
        self
    }
}

fn out_of_order(batch: &Batch<'_>, open: u64) -> TraceError {
    let what = format!("a batch of generation {} in generation {open}", batch.generation);
    TraceError::Malformed { offset: batch.offset, what }
}
