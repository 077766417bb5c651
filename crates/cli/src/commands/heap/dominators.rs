//! `leakscope heap dominators`.

use anyhow::Result;
use leakscope_heap::type_table;

use super::object_rows::object_row;
use super::{ask, show};
use crate::args::ListArgs;

/// Prints the objects that retain most.
pub(super) fn run(args: &ListArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let heap = inspection.heap;
        let ids = type_table::list(heap, args.min).into_iter().take(args.limit);
        Ok(ids.map(|id| object_row(heap, id)).collect())
    })?;
    show(&args.about, &answered)
}
