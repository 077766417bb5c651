//! `leakscope heap find`.

use anyhow::{Result, anyhow, bail};
use leakscope_heap::{Heap, ObjectId, type_table};

use super::object_rows::object_row;
use super::{ask, show};
use crate::args::FindArgs;

/// Prints the objects of a type, those that retain most first.
pub(super) fn run(args: &FindArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let heap = inspection.heap;
        let ids = heap.largest(&found(heap, args)?, args.limit);
        Ok(ids.into_iter().map(|id| object_row(heap, id)).collect())
    })?;
    show(&args.about, &answered)
}

/// The objects that are meant; where there is none, that is said with what there is.
fn found(heap: &Heap, args: &FindArgs) -> Result<Vec<ObjectId>> {
    let pattern = args.pattern().map_err(|error| anyhow!("{} is no pattern: {error}", args.ty))?;
    let all = type_table::find_all(heap, &pattern);
    let meant =
        |id: &ObjectId| args.which.holds(heap.is_reachable(*id)) && heap.objects.size(*id) >= args.min;
    let found: Vec<ObjectId> = all.iter().copied().filter(meant).collect();
    match (all.len(), found.len()) {
        (0, _) => bail!("no object is of type {}; `leakscope heap types` lists what there is", args.ty),
        (of_type, 0) => bail!(
            "none of the {of_type} objects of type {} is meant by --min, --reachable or --garbage; --all shows all",
            args.ty
        ),
        _ => Ok(found),
    }
}
