//! `leakscope heap`: the debugger's view. One file a question.

mod arenas;
mod breakdown;
mod caches;
mod diff;
mod dominators;
mod export;
mod find;
mod leaked;
mod list;
mod memstats;
mod object;
mod object_rows;
mod referrers;
mod roots;
mod spans;
mod summary;
mod types;
mod waste;
mod why;

use anyhow::{Context, Result};
use leakscope_heap::allocator::Allocator;
use leakscope_report::tables::{Row, table};

use crate::args::{AboutHeap, HeapQuestion};
use crate::opening::{Answered, Inspection};
use crate::{NOTHING, output};

/// Answers one question.
pub(crate) fn run(question: &HeapQuestion) -> Result<u8> {
    match question {
        HeapQuestion::Summary(about) => summary::run(about),
        HeapQuestion::Types(args) => types::run(args),
        HeapQuestion::Find(args) => find::run(args),
        HeapQuestion::List(args) => list::run(args),
        HeapQuestion::Object(args) => object::run(args),
        HeapQuestion::Referrers(args) => referrers::run(args),
        HeapQuestion::Roots(args) => roots::run(args),
        HeapQuestion::Why(args) => why::run(args),
        HeapQuestion::Dominators(args) => dominators::run(args),
        HeapQuestion::Leaked(args) => leaked::run(args),
        HeapQuestion::Breakdown(args) => breakdown::run(args),
        HeapQuestion::Memstats(args) => memstats::run(args),
        HeapQuestion::Spans(args) => spans::run(args),
        HeapQuestion::Arenas(args) => arenas::run(args),
        HeapQuestion::Caches(args) => caches::run(args),
        HeapQuestion::Diff(args) => diff::run(args),
        HeapQuestion::Export(args) => export::run(args),
        HeapQuestion::Waste(args) => waste::run(args),
    }
}

/// Asks `question` of the heap that `about` names, while its memory is at hand.
fn ask<T>(about: &AboutHeap, question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>) -> Result<Answered<T>> {
    crate::opening::ask(&about.target, &about.access, question)
}

/// The allocator of the memory that is at hand.
fn allocator<'i, 'b>(inspection: &Inspection<'i, 'b>) -> Result<Allocator<'i, 'b>> {
    let at_hand = inspection.at_hand("memory of Go's allocator")?;
    Allocator::read(at_hand.memory, at_hand.runtime).context("cannot read Go's allocator")
}

/// Prints rows, with what stands beside them.
fn show<R: Row>(about: &AboutHeap, answered: &Answered<Vec<R>>) -> Result<u8> {
    let AboutHeap { output, .. } = about;
    let page = table(&answered.answer, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}
