//! `leakscope heap find`.

use anyhow::Result;

use super::object_rows::{object_row, of_type};
use super::{ask, show};
use crate::args::FindArgs;

/// Prints the objects of a type.
pub(super) fn run(args: &FindArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let heap = inspection.heap;
        let ids = of_type(heap, &args.ty)?.into_iter().filter(|id| heap.objects.size(*id) >= args.min);
        Ok(ids.take(args.limit).map(|id| object_row(heap, id)).collect())
    })?;
    show(&args.about, &answered)
}
