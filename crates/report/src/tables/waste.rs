//! Memory that is kept and not used.

use serde::Serialize;

use super::Row;
use crate::numbers;

/// One kind of waste at one place.
#[derive(Debug, Serialize)]
pub struct WasteRow {
    /// `capacity`, `held by a part`, `emptied map`, `equal strings`, `zero pages`, `idle buffer`.
    pub kind: &'static str,
    /// Type and field of the owner, or the type itself.
    pub place: String,
    /// Objects that waste.
    pub objects: u64,
    /// Bytes that they waste.
    pub bytes: u64,
    /// Whether that is exact; if not, some of the objects may be used by who was not looked at.
    pub exact: bool,
    /// The begin of the text, for equal strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What to do.
    pub advice: &'static str,
}

impl Row for WasteRow {
    const NAME: &'static str = "heap-waste";
    const HEADS: &'static [&'static str] = &["wasted ", "objects ", "kind", "place", "text", "advice"];

    fn cells(&self) -> Vec<String> {
        let about = if self.exact { "" } else { "≤ " };
        vec![
            format!("{about}{}", numbers::bytes(self.bytes)),
            numbers::count(self.objects),
            self.kind.to_owned(),
            self.place.clone(),
            self.text.clone().unwrap_or_default(),
            self.advice.to_owned(),
        ]
    }
}
