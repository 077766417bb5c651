//! The heap by type.

use serde::Serialize;

use super::Row;
use crate::numbers;

/// All objects of one type.
#[derive(Debug, Serialize)]
pub struct TypeRow {
    /// As Go writes it.
    #[serde(rename = "type")]
    pub ty: String,
    /// How many.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
    /// Bytes that would be freed if all of them went away.
    pub retained_bytes: u64,
    /// How the type was found: `dwarf`, `header`, `itab`, `pointer`, `call` or `none`.
    pub how: &'static str,
}

impl Row for TypeRow {
    const NAME: &'static str = "heap-types";
    const HEADS: &'static [&'static str] = &["bytes ", "objects ", "keeps ", "known by", "type"];

    fn cells(&self) -> Vec<String> {
        vec![
            numbers::bytes(self.bytes),
            numbers::count(self.objects),
            numbers::bytes(self.retained_bytes),
            self.how.to_owned(),
            self.ty.clone(),
        ]
    }
}
