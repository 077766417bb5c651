//! The arenas of the heap.

use serde::Serialize;

use super::Row;
use crate::numbers;

/// One arena: 64 MB of addresses. Pages are of 8 KB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArenaRow {
    /// First address, in hex.
    pub base: String,
    /// Bytes of it that the heap has taken so far.
    pub grown_bytes: u64,
    /// Spans that begin in it.
    pub spans: u64,
    /// Pages in spans of objects.
    pub object_pages: u64,
    /// Pages in spans of stacks.
    pub stack_pages: u64,
    /// Pages in spans of the collector.
    pub collector_pages: u64,
    /// Pages that processors keep, or that are left out at the start of a heap.
    pub kept_pages: u64,
    /// Free pages.
    pub free_pages: u64,
    /// Of those, pages that were returned to the system.
    pub returned_pages: u64,
    /// Runs of free pages.
    pub free_runs: u64,
    /// Pages of the longest.
    pub longest_run_pages: u64,
    /// Bytes from its start that were used at least once.
    pub used_once_bytes: u64,
    /// Where the runtime keeps which words of objects hold pointers.
    pub pointer_maps: &'static str,
}

const PAGE_BYTES: u64 = 8192;

impl Row for ArenaRow {
    const NAME: &'static str = "heap-arenas";
    const HEADS: &'static [&'static str] = &[
        "arena",
        "taken ",
        "spans ",
        "objects ",
        "stacks ",
        "collector ",
        "kept ",
        "free ",
        "returned ",
        "runs ",
        "longest ",
    ];

    fn cells(&self) -> Vec<String> {
        let pages = |pages: u64| numbers::bytes(pages.saturating_mul(PAGE_BYTES));
        vec![
            self.base.clone(),
            numbers::bytes(self.grown_bytes),
            numbers::count(self.spans),
            pages(self.object_pages),
            pages(self.stack_pages),
            pages(self.collector_pages),
            pages(self.kept_pages),
            pages(self.free_pages),
            pages(self.returned_pages),
            numbers::count(self.free_runs),
            pages(self.longest_run_pages),
        ]
    }
}
