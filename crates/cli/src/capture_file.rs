//! Captures: what was read, written into one file, and read from it again.

use anyhow::{Result, bail};
use leakscope_diagnose::readings::Readings;

use crate::opening::OneMoment;

/// A recording that is part of this binary, by its name.
pub(crate) fn recording(case: &str) -> Result<&'static [u8]> {
    bail!("no recording is called {case}")
}

/// The last moment of a capture.
pub(crate) fn last_moment(bytes: &[u8]) -> Result<OneMoment> {
    let _ = bytes;
    bail!("captures are not wired yet")
}

/// All that a capture holds; `word` is how the user named it.
pub(crate) fn readings(bytes: &[u8], word: &str) -> Result<Readings> {
    let _ = (bytes, word);
    bail!("captures are not wired yet")
}
