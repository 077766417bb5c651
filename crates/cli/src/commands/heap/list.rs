//! `leakscope heap list`.

use std::cmp::Reverse;

use anyhow::Result;
use leakscope_heap::ObjectId;

use super::object_rows::object_row;
use super::{ask, show};
use crate::args::ListArgs;

/// Prints the largest objects by their own bytes.
pub(super) fn run(args: &ListArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let heap = inspection.heap;
        let large = heap.objects.iter().filter(|object| object.size >= args.min.max(1));
        let mut ids: Vec<ObjectId> = large.map(|object| object.id).collect();
        ids.sort_by_key(|id| (Reverse(heap.objects.size(*id)), *id));
        Ok(ids.into_iter().take(args.limit).map(|id| object_row(heap, id)).collect())
    })?;
    show(&args.about, &answered)
}
