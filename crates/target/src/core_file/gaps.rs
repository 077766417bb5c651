//! What a core does not hold of its process's memory.

use leakscope_model::{Addr, Gap};

use super::CoreFile;

/// Why a range of memory is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingBecause {
    /// The file ends before it: it was cut off.
    CutOff,
    /// Whoever wrote the core left it out: pages of files, mostly.
    NotDumped,
}

/// A range of readable memory that the core does not hold and no file stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingRange {
    /// First address.
    pub start: Addr,
    /// First address behind it.
    pub end: Addr,
    /// Why.
    pub because: MissingBecause,
}

impl MissingRange {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.end.offset_from(self.start).unwrap_or(0)
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl CoreFile {
    /// Every readable range that is missing, by address.
    pub fn missing(&self) -> Vec<MissingRange> {
        let mut missing = Vec::new();
        for row in
            self.segments.rows().iter().filter(|row| row.is_readable() && row.held < row.end - row.start)
        {
            let (held, claimed) = (row.start + row.held, row.start + row.claimed);
            missing.extend(self.uncovered(held, claimed, MissingBecause::CutOff));
            missing.extend(self.uncovered(claimed, row.end, MissingBecause::NotDumped));
        }
        // gcore writes no PT_LOAD at all for read-only pages of files; only NT_FILE tells of them.
        let has_segment = |at: Addr| self.segments.find(at).is_some();
        for row in self.notes.files.iter().filter(|row| !has_segment(row.start)) {
            missing.extend(self.uncovered(row.start.get(), row.end.get(), MissingBecause::NotDumped));
        }
        missing.sort_unstable();
        missing
    }

    /// What is missing, in words for a report: one gap a cause, not one a range.
    pub fn gaps(&self) -> Vec<Gap> {
        let missing = self.missing();
        let mut gaps: Vec<Gap> = Vec::new();
        gaps.extend(self.describe(&missing, MissingBecause::CutOff));
        // With the executable at hand, only libraries' text and constants are left out: no Go pointer lies there.
        // Seen: the kernel's core of a position-independent executable lacks ld.so. Test: libraries_are_no_gap.
        let of_program: Vec<MissingRange> = missing
            .into_iter()
            .filter(|range| self.overlays.is_empty() || !self.is_of_library(range))
            .collect();
        gaps.extend(self.describe(&of_program, MissingBecause::NotDumped));
        if self.notes_cut_off {
            let reason =
                format!("{}: the notes are cut off, threads or names are missing", self.path.display());
            gaps.push(Gap::new("core", reason));
        }
        if self.executable_unverified {
            let reason = format!("{}: no build ID to compare with the executable's", self.path.display());
            gaps.push(Gap::new("core", reason));
        }
        gaps
    }

    /// The gap that says that the file was cut off, if it was: the likely cause of whatever else goes wrong.
    pub fn cut_off(&self) -> Option<Gap> {
        self.describe(&self.missing(), MissingBecause::CutOff).or_else(|| self.notes_gap())
    }

    fn notes_gap(&self) -> Option<Gap> {
        let path = self.path.display();
        let reason =
            format!("{path}: the notes are cut off, so threads, names or the executable's path are missing");
        self.notes_cut_off.then(|| Gap::new("core", reason))
    }

    /// Whether the range shows a file, and that is not the executable.
    fn is_of_library(&self, range: &MissingRange) -> bool {
        let file_at = |at: Addr| self.notes.files.iter().find(|row| row.start <= at && at < row.end);
        let executable = self.notes.entry.and_then(file_at).map(|row| &row.path);
        file_at(range.start).is_some_and(|row| Some(&row.path) != executable)
    }

    fn describe(&self, missing: &[MissingRange], because: MissingBecause) -> Option<Gap> {
        let of_cause: Vec<&MissingRange> = missing.iter().filter(|range| range.because == because).collect();
        let first = of_cause.first()?;
        let bytes: u64 = of_cause.iter().map(|range| range.len()).sum();
        let why = match because {
            MissingBecause::CutOff => "the file is cut off; dump the process again onto a disk with room",
            MissingBecause::NotDumped => {
                "not in the dump; name the executable, or set coredump_filter to 0x3f"
            }
        };
        let (count, path) = (of_cause.len(), self.path.display());
        let reason =
            format!("{path}: {bytes} bytes in {count} ranges from {} on are missing: {why}", first.start);
        Some(Gap::new("core", reason))
    }

    /// The parts of `start..end` that no overlay answers for.
    fn uncovered(&self, start: u64, end: u64, because: MissingBecause) -> Vec<MissingRange> {
        let rows = self.overlays.iter().flat_map(|overlay| overlay.unwritten.rows());
        let covered = rows.map(|row| (row.start, row.start + row.held));
        let mut covered: Vec<(u64, u64)> = covered.filter(|&(from, to)| from < end && start < to).collect();
        covered.sort_unstable();
        covered.push((end, end));
        let mut missing = Vec::new();
        let mut at = start;
        for (from, to) in covered {
            if at < from {
                missing.push(MissingRange { start: Addr::new(at), end: Addr::new(from.min(end)), because });
            }
            at = at.max(to);
        }
        missing
    }
}
