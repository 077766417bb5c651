//! `leakscope heap arenas`.

use anyhow::Result;
use leakscope_heap::allocator::Arena;
use leakscope_report::tables::ArenaRow;

use super::{allocator, ask, show};
use crate::args::ArenasArgs;

/// Prints the arenas.
pub(super) fn run(args: &ArenasArgs) -> Result<u8> {
    let mut answered = ask(&args.about, |inspection| {
        let mut allocator = allocator(inspection)?;
        let rows: Vec<ArenaRow> = allocator.arenas().into_iter().map(row).collect();
        Ok((rows, allocator.gaps))
    })?;
    answered.gaps.append(&mut answered.answer.1);
    show(&args.about, &answered.map(|(rows, _)| rows))
}

fn row(arena: Arena) -> ArenaRow {
    ArenaRow {
        base: arena.base.to_string(),
        grown_bytes: arena.grown_bytes,
        spans: arena.spans,
        object_pages: arena.object_pages,
        stack_pages: arena.stack_pages,
        collector_pages: arena.collector_pages,
        kept_pages: arena.kept_pages,
        free_pages: arena.free_pages,
        returned_pages: arena.returned_pages,
        free_runs: arena.free_runs,
        longest_run_pages: arena.longest_run,
        used_once_bytes: arena.used_once_bytes,
        pointer_maps: arena.pointer_maps,
    }
}
