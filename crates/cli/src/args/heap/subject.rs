//! What a question is about.

use std::str::FromStr;

use leakscope_model::Addr;

/// One object, or all of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Any address in the object.
    Object(Addr),
    /// The type's name.
    Type(String),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(word: &str) -> Result<Subject, String> {
        match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16)
                .map(|raw| Subject::Object(Addr::new(raw)))
                .map_err(|_| format!("{word} is no address in hex")),
            None => Ok(Subject::Type(word.to_owned())),
        }
    }
}
