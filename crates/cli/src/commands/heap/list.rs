//! `leakscope heap list`.

use std::cmp::Reverse;

use anyhow::Result;
use leakscope_heap::{Object, ObjectId};

use super::object_rows::object_row;
use super::{ask, show};
use crate::args::ListArgs;

/// Prints the largest objects by their own bytes.
pub(super) fn run(args: &ListArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let heap = inspection.heap;
        let meant = |object: &Object| {
            object.size >= args.min.max(1) && args.which.holds(heap.is_reachable(object.id))
        };
        let mut large: Vec<(Reverse<u64>, ObjectId)> =
            heap.objects.iter().filter(meant).map(|object| (Reverse(object.size), object.id)).collect();
        large.sort_unstable();
        Ok(large.into_iter().take(args.limit).map(|(_, id)| object_row(heap, id)).collect())
    })?;
    show(&args.about, &answered)
}
