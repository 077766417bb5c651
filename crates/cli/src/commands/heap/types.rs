//! `leakscope heap types`.

use anyhow::Result;
use leakscope_heap::type_table;
use leakscope_report::tables::TypeRow;

use super::object_rows::how_word;
use super::{ask, show};
use crate::args::TypesArgs;

/// Prints the heap by type.
pub(super) fn run(args: &TypesArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let rows = type_table::types(inspection.heap).into_iter().take(args.limit);
        let row = |row: type_table::TypeRow| TypeRow {
            ty: row.name.to_string(),
            objects: row.live.objects,
            bytes: row.live.bytes,
            retained_bytes: row.retained,
            how: how_word(row.how),
        };
        Ok(rows.map(row).collect())
    })?;
    show(&args.about, &answered)
}
