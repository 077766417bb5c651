//! Who points at objects, one kind of pointer a row.

use super::{ReferrerRow, Row};
use crate::numbers;

impl Row for ReferrerRow {
    const NAME: &'static str = "heap-referrers";
    const HEADS: &'static [&'static str] =
        &["pointers ", "objects ", "held by", "by", "addr", "way to the holder"];

    fn cells(&self) -> Vec<String> {
        let garbage = if self.reachable { "" } else { " (garbage)" };
        let holder = if self.ty.is_empty() { self.via } else { &self.ty };
        vec![
            numbers::count(self.references),
            numbers::count(self.objects),
            format!("{holder}{garbage}"),
            self.name.clone(),
            self.addr.clone().unwrap_or_default(),
            self.path.clone(),
        ]
    }
}
