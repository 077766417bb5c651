//! `leakscope goroutines`.

mod grouped;
mod holding;

use std::cmp::Reverse;

use anyhow::Result;
use leakscope_heap::holders::Goroutines;
use leakscope_heap::{Heap, Holders, Verdict};
use leakscope_model::Goroutine;
use leakscope_report::tables::{GoroutineRow, Row, table};

use crate::args::{GoroutinesArgs, Grouping, SortKey};
use crate::leak_proof::LeakProof;
use crate::opening::Answered;
use crate::{NOTHING, output};

/// Lists goroutines, one a row or one group a row.
pub(crate) fn run(args: &GoroutinesArgs) -> Result<u8> {
    let page = match (args.holds, args.group) {
        (Some(addr), _) => {
            let mut answered = ask(args, |asked| holding::rows(asked, addr))?;
            only_proven(args, &mut answered, |row| &mut row.goroutine);
            render(args, &answered)
        }
        (None, None) => {
            let mut answered = ask(args, |asked| Ok(one_by_one(asked)))?;
            only_proven(args, &mut answered, |row| row);
            render(args, &answered)
        }
        (None, Some(Grouping::Variable)) => grouped(args, |asked| Ok(grouped::by_variable(asked)))?,
        (None, Some(by @ (Grouping::Stack | Grouping::Creator))) => {
            grouped(args, |asked| Ok(grouped::by_group(asked, by)))?
        }
    };
    output::write(&args.output, &page)?;
    Ok(NOTHING)
}

fn grouped<R: Row>(
    args: &GoroutinesArgs,
    question: impl FnOnce(&Asked<'_>) -> Result<Vec<R>>,
) -> Result<String> {
    let mut answered = ask(args, question)?;
    if args.leaked && !proven(&mut answered) {
        answered.answer.0.clear();
    }
    Ok(render(args, &answered))
}

/// Takes back what is said of leaks where it is no proof.
fn only_proven<R>(
    args: &GoroutinesArgs,
    answered: &mut Answered<Rows<R>>,
    row: impl Fn(&mut R) -> &mut GoroutineRow,
) {
    if !proven(answered) {
        for found in &mut answered.answer.0 {
            let row = row(found);
            row.leaked = row.leaked.filter(|leaked| !leaked);
        }
        answered.answer.0.retain(|_| !args.leaked);
    }
}

/// Rows, and what is known of leaks.
type Rows<R> = (Vec<R>, LeakProof);

/// What is asked: a heap, and which of its goroutines are meant.
struct Asked<'a> {
    heap: &'a Heap,
    proof: &'a LeakProof,
    args: &'a GoroutinesArgs,
}

impl Asked<'_> {
    /// Whether a goroutine is meant, by its place in the heap.
    fn means(&self, index: usize) -> bool {
        let GoroutinesArgs { state, wait, leaked, .. } = self.args;
        let Some(goroutine) = self.heap.goroutines.get(index) else { return false };
        state.as_ref().is_none_or(|state| goroutine.status.eq_ignore_ascii_case(state))
            && wait.as_ref().is_none_or(|wait| goroutine.wait.as_deref() == Some(wait))
            && (!leaked || self.proof.of(index) == Verdict::Leaked)
    }

    /// Those that are meant, with their place in the heap.
    fn chosen(&self) -> Vec<(usize, &Goroutine)> {
        self.heap.goroutines.iter().enumerate().filter(|(index, _)| self.means(*index)).collect()
    }

    /// A row for each: what they keep is told for all of them at once.
    fn rows(&self) -> Vec<GoroutineRow> {
        let kept = Holders::of(self.heap, Goroutines::OneByOne).of_each_goroutine(self.heap);
        let row = |(index, goroutine): (usize, &Goroutine)| {
            let held = kept.get(index).map_or(0, |kept| kept.bytes);
            let leaked = self.proof.of(index).leaked();
            GoroutineRow::new(goroutine, held.saturating_add(goroutine.stack_bytes), leaked)
        };
        self.chosen().into_iter().map(row).collect()
    }
}

/// Asks about the goroutines that the arguments mean.
fn ask<R>(
    args: &GoroutinesArgs,
    question: impl FnOnce(&Asked<'_>) -> Result<Vec<R>>,
) -> Result<Answered<Rows<R>>> {
    crate::opening::ask(&args.target, &args.access, |inspection| {
        let heap = inspection.heap;
        let proof = LeakProof::of_heap(heap);
        let mut rows = question(&Asked { heap, proof: &proof, args })?;
        rows.truncate(args.limit.unwrap_or(usize::MAX));
        Ok((rows, proof))
    })
}

fn proven<R>(answered: &mut Answered<Rows<R>>) -> bool {
    answered.answer.1.tell(&answered.how, &mut answered.gaps)
}

fn render<R: Row>(args: &GoroutinesArgs, answered: &Answered<Rows<R>>) -> String {
    table(&answered.answer.0, &answered.beside(), args.output.format(), output::look(&args.output))
}

fn one_by_one(asked: &Asked<'_>) -> Vec<GoroutineRow> {
    let mut rows = asked.rows();
    sort(&mut rows, asked.args.sort.unwrap_or(SortKey::Id), |row| row);
    rows
}

/// Puts rows of single goroutines in order.
fn sort<T>(rows: &mut [T], by: SortKey, row: impl Fn(&T) -> &GoroutineRow) {
    match by {
        SortKey::Id | SortKey::Count => rows.sort_by_key(|at| row(at).id),
        SortKey::Retained => rows.sort_by_key(|at| Reverse(row(at).retained_bytes)),
        SortKey::Wait => rows.sort_by(|a, b| {
            let wait = |at| row(at).wait_seconds.unwrap_or(-1.0);
            wait(b).total_cmp(&wait(a))
        }),
    }
}
