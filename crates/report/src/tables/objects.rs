//! Objects, one a row.

use serde::Serialize;

use super::Row;
use crate::numbers;

/// One object.
#[derive(Debug, Serialize)]
pub struct ObjectRow {
    /// In hex.
    pub addr: String,
    /// As Go writes it.
    #[serde(rename = "type")]
    pub ty: String,
    /// Bytes of its slot.
    pub size: u64,
    /// Bytes that only it keeps, itself among them.
    pub retained_bytes: u64,
}

impl Row for ObjectRow {
    const NAME: &'static str = "heap-objects";
    const HEADS: &'static [&'static str] = &["addr", "size ", "keeps ", "type"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.addr.clone(),
            numbers::bytes(self.size),
            numbers::bytes(self.retained_bytes),
            self.ty.clone(),
        ]
    }
}
