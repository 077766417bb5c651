//! What a core holds of each mapping: as near as a core comes to what was resident.

use leakscope_model::{Addr, Gap};

use super::CoreFile;
use super::segments::PAGE;
use crate::residency::{Residency, ResidentMapping};
use crate::smaps::SmapsEntry;

/// A page of zeros.
static ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

impl CoreFile {
    /// What the core holds of each mapping, without pages of zeros: a core has those for memory that was never
    /// touched too. What was resident, no core tells.
    pub fn residency(&self) -> Residency {
        let mut mappings = Vec::with_capacity(self.mappings.len());
        for mapping in &self.mappings {
            let runs = self.pages_with_contents(mapping.start, mapping.end);
            let mut entry = SmapsEntry::of(mapping.clone());
            entry.rss = runs.iter().map(|(start, end)| end.get() - start.get()).sum();
            mappings.push(ResidentMapping { entry, runs: Some(runs) });
        }
        let gap = "a core does not tell what was resident: the rows count the pages that it holds and that are not all zeros";
        Residency { mappings, gaps: vec![Gap::new("os", gap)] }
    }

    fn pages_with_contents(&self, start: Addr, end: Addr) -> Vec<(Addr, Addr)> {
        let mut runs: Vec<(Addr, Addr)> = Vec::new();
        let behind = self.segments.rows().partition_point(|row| row.end <= start.get());
        for row in self.segments.rows().iter().skip(behind).take_while(|row| row.start < end.get()) {
            let first = row.start.max(start.get());
            let Some(bytes) = self.segments.bytes_from(Addr::new(first), &self.bytes) else { continue };
            let bytes =
                bytes.get(..usize::try_from(end.get() - first).unwrap_or(usize::MAX)).unwrap_or(bytes);
            for (page, at) in bytes.chunks(PAGE as usize).zip((first..).step_by(PAGE as usize)) {
                if ZEROS.get(..page.len()) == Some(page) {
                    continue;
                }
                let stop = Addr::new(at + page.len() as u64);
                match runs.last_mut() {
                    Some(last) if last.1.get() == at => last.1 = stop,
                    _ => runs.push((Addr::new(at), stop)),
                }
            }
        }
        runs
    }
}
