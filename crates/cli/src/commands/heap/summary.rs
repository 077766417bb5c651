//! `leakscope heap summary`.

use anyhow::Result;
use leakscope_heap::type_table;
use leakscope_report::tables::{Summary, summary};

use super::ask;
use crate::args::AboutHeap;
use crate::{NOTHING, output};

/// Prints the heap as a whole.
pub(super) fn run(about: &AboutHeap) -> Result<u8> {
    let answered = ask(about, |inspection| {
        let heap = inspection.heap;
        let (live, garbage) = (heap.live(), heap.garbage());
        Ok(Summary {
            objects: live.objects + garbage.objects,
            bytes: live.bytes + garbage.bytes,
            reachable_objects: live.objects,
            reachable_bytes: live.bytes,
            typed_bytes: type_table::coverage(heap).typed.bytes,
            goroutines: heap.goroutines.len() as u64,
        })
    })?;
    let output = &about.output;
    let page = summary(&answered.answer, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}
