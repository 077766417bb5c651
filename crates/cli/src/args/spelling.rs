//! The debugger's spelling of two options, taken for ours.

use std::ffi::OsString;

/// `-type` and `-min` (as in `heap find -type T`) become `--type` and `--min`; every other word stays.
pub(crate) fn gnu(word: OsString) -> OsString {
    match word.to_str() {
        Some("-type") => "--type".into(),
        Some("-min") => "--min".into(),
        Some(text) if text.starts_with("-type=") || text.starts_with("-min=") => format!("-{text}").into(),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_those_two() {
        for (typed, meant) in
            [("-type", "--type"), ("-min=10", "--min=10"), ("--type", "--type"), ("-o", "-o"), ("-t", "-t")]
        {
            assert_eq!(gnu(typed.into()), OsString::from(meant));
        }
    }
}
