//! The text of `goroutine?debug=1`: how many goroutines have one stack.
//!
//! Authority: runtime/pprof/pprof.go, printCountProfile and printStackRecord.

use std::sync::Arc;

use leakscope_model::{Addr, Frame, Gap};

use crate::error::PprofError;
use crate::frame_text::Names;
use crate::recognise::not_a_dump;

/// The goroutines that have one stack and one set of labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoroutineGroup {
    /// How many.
    pub count: u64,
    /// Return addresses, innermost first.
    pub addresses: Vec<Addr>,
    /// The stack, innermost first; runtime frames on top are left out by Go.
    pub stack: Vec<Frame>,
    /// The labels as Go prints them: `{"key":"value"}`; empty if there are none.
    pub labels: Arc<str>,
}

/// A parsed `debug=1` text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GoroutineCounts {
    /// All goroutines, as the first line counts them.
    pub total: u64,
    /// The largest group first.
    pub groups: Vec<GoroutineGroup>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

impl GoroutineCounts {
    /// Parses the text.
    ///
    /// # Errors
    /// Says what the text is instead.
    pub fn parse(text: &[u8]) -> Result<GoroutineCounts, PprofError> {
        let decoded = String::from_utf8_lossy(text);
        let mut lines = decoded.lines();
        let total = lines.next().and_then(|line| line.split_once(" profile: total ")?.1.trim().parse().ok());
        let Some(total) = total else {
            return Err(not_a_dump(text, "a goroutine profile as text (debug=1)"));
        };
        let mut counts = GoroutineCounts { total, ..GoroutineCounts::default() };
        let mut names = Names::default();
        lines.for_each(|line| counts.add(line, &mut names));
        counts.check_total(text.len());
        Ok(counts)
    }

    fn add(&mut self, line: &str, names: &mut Names) {
        if let Some(group) = group(line) {
            self.groups.push(group);
        } else if let (Some(last), Some(rest)) = (self.groups.last_mut(), line.strip_prefix('#')) {
            match rest.strip_prefix(" labels: ") {
                Some(labels) => last.labels = labels.trim().into(),
                None => last.stack.extend(frame(rest, names)),
            }
        }
    }

    fn check_total(&mut self, len: usize) {
        let counted = self.groups.iter().fold(0u64, |sum, group| sum.saturating_add(group.count));
        if counted != self.total {
            let total = self.total;
            let reason = format!("{counted} of {total} goroutines are in the text, which ends at byte {len}");
            self.gaps.push(Gap::new("goroutines", reason));
        }
    }
}

/// `3 @ 0x43e0ad 0x4077e5`
fn group(line: &str) -> Option<GoroutineGroup> {
    let (count, addresses) = line.split_once(" @")?;
    let address = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok().map(Addr::new);
    let addresses = addresses.split_whitespace().map(address).collect::<Option<Vec<_>>>()?;
    Some(GoroutineGroup {
        count: count.trim().parse().ok()?,
        addresses,
        stack: Vec::new(),
        labels: "".into(),
    })
}

/// `\t0x43e0ad\tmain.wait+0x2d\t/srv/main.go:12`, padded with further tabs.
fn frame(line: &str, names: &mut Names) -> Option<Frame> {
    let mut parts = line.split('\t').filter(|part| !part.is_empty());
    let _address = parts.next()?;
    let function = parts.next()?;
    let (function, _) = function.rsplit_once("+0x").unwrap_or((function, ""));
    names.frame(function, parts.next()?, false)
}
