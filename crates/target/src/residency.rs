//! Which pages of a process are resident: `/proc/PID/smaps` and `/proc/PID/pagemap`.
//!
//! Authority: `Documentation/admin-guide/mm/pagemap.rst` of the kernel.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use leakscope_model::{Addr, Gap};

use crate::error::TargetError;
use crate::smaps::{SmapsEntry, parse_smaps};
use crate::sys;

/// Bytes of an entry of the page map.
const ENTRY: u64 = 8;
/// Bit 63 of an entry: the page is in memory.
const PRESENT: u64 = 1 << 63;
/// Entries read at once: those of 128 MB.
const BATCH: u64 = 1 << 15;

/// One mapping with its resident pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentMapping {
    /// What the kernel says of it as a whole.
    pub entry: SmapsEntry,
    /// Its resident ranges, in order; `None` where single pages are not known.
    pub runs: Option<Vec<(Addr, Addr)>>,
}

/// The resident memory of a process at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Residency {
    /// Every mapping, in order of address.
    pub mappings: Vec<ResidentMapping>,
    /// What the system did not tell.
    pub gaps: Vec<Gap>,
}

impl Residency {
    /// Asks about process `pid`, to which nothing is done. Without its page map, mappings are known as a whole only.
    ///
    /// # Errors
    /// [`TargetError::File`] where `smaps` cannot be read.
    pub fn of_process(pid: u32) -> Result<Residency, TargetError> {
        let path = PathBuf::from(format!("/proc/{pid}/smaps"));
        let doing = "asking what of it is resident";
        let text = fs::read(&path).map_err(|source| TargetError::File { path, doing, source })?;
        let entries = parse_smaps(&String::from_utf8_lossy(&text));
        let path = format!("/proc/{pid}/pagemap");
        let mut residency = Residency::default();
        let pages = File::open(&path).map_err(|err| {
            let reason = format!("{path}: {err}: resident memory is known by mapping, not by page");
            residency.gaps.push(Gap::new("os", reason));
        });
        let mut pages = pages.ok().map(|file| PageMap { file, page: sys::page_size(), zero_unknown: false });
        for entry in entries {
            let runs = pages.as_mut().filter(|_| entry.rss > 0).map(|pages| pages.runs(&entry));
            residency.mappings.push(ResidentMapping { entry, runs: runs.unwrap_or(Some(Vec::new())) });
        }
        match pages {
            None => residency.forget_pages(),
            Some(PageMap { zero_unknown: true, .. }) => residency.gaps.push(Gap::new(
                "os",
                "this kernel does not tell which pages are the one page of zeros that counts for nothing: where a mapping \
                 has such pages, its rows are too large, and `unexplained` is below zero by as much",
            )),
            Some(_) => {}
        }
        Ok(residency)
    }

    /// All that is resident, in bytes.
    pub fn rss(&self) -> u64 {
        self.mappings.iter().map(|mapping| mapping.entry.rss).fold(0, u64::saturating_add)
    }

    fn forget_pages(&mut self) {
        self.mappings
            .iter_mut()
            .filter(|mapping| mapping.entry.rss > 0)
            .for_each(|mapping| mapping.runs = None);
    }
}

struct PageMap {
    file: File,
    page: u64,
    /// Whether a mapping had pages of zeros, and the kernel did not tell which.
    zero_unknown: bool,
}

impl PageMap {
    fn runs(&mut self, entry: &SmapsEntry) -> Option<Vec<(Addr, Addr)>> {
        let (start, end) = (entry.mapping.start.get(), entry.mapping.end.get());
        let mut runs = self.present(start, end)?;
        let bytes: u64 = runs.iter().map(|(start, end)| end - start).sum();
        if bytes > entry.rss {
            match sys::zero_pages(&self.file, start, end) {
                Ok(zeros) => runs = without(&runs, &zeros),
                Err(_) => self.zero_unknown = true,
            }
        }
        Some(runs.into_iter().map(|(start, end)| (Addr::new(start), Addr::new(end))).collect())
    }

    fn present(&self, start: u64, end: u64) -> Option<Vec<(u64, u64)>> {
        let mut runs = Vec::new();
        let mut buffer = vec![0; usize::try_from(BATCH * ENTRY).ok()?];
        let (mut page, last) = (start / self.page, end.div_ceil(self.page));
        while page < last {
            let count = BATCH.min(last - page);
            let bytes = buffer.get_mut(..usize::try_from(count * ENTRY).ok()?)?;
            let got = self.file.read_at(bytes, page * ENTRY).ok()?;
            let whole = got as u64 / ENTRY;
            if whole == 0 {
                // The vsyscall page lies outside of what the page map tells of.
                return (!runs.is_empty()).then_some(runs);
            }
            add_present(&mut runs, bytes.get(..got)?, page, self.page);
            page += whole;
        }
        Some(runs)
    }
}

/// Adds the ranges of the pages that are in memory; `entries` are those of the pages from number `first`.
fn add_present(runs: &mut Vec<(u64, u64)>, entries: &[u8], first: u64, page_bytes: u64) {
    for (entry, page) in entries.as_chunks::<8>().0.iter().zip(first..) {
        if u64::from_le_bytes(*entry) & PRESENT == 0 {
            continue;
        }
        let start = page.saturating_mul(page_bytes);
        match runs.last_mut() {
            Some(last) if last.1 == start => last.1 = start.saturating_add(page_bytes),
            _ => runs.push((start, start.saturating_add(page_bytes))),
        }
    }
}

/// The parts of `runs` that lie in none of `holes`; both in order.
fn without(runs: &[(u64, u64)], holes: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut left = Vec::with_capacity(runs.len());
    for &(start, end) in runs {
        let mut from = start;
        let first = holes.partition_point(|hole| hole.1 <= start);
        for &(hole, behind) in holes.iter().skip(first).take_while(|hole| hole.0 < end) {
            if hole > from {
                left.push((from, hole.min(end)));
            }
            from = from.max(behind);
        }
        if from < end {
            left.push((from, end));
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbouring_pages_are_one_run() {
        let entries: Vec<u8> =
            [PRESENT, PRESENT | 7, 0, 1 << 62, PRESENT].iter().flat_map(|e| e.to_le_bytes()).collect();
        let mut runs = vec![(0xf000, 0x1_0000)];
        add_present(&mut runs, &entries, 16, 4096);
        assert_eq!(runs, [(0xf000, 0x1_2000), (0x1_4000, 0x1_5000)]);
    }

    #[test]
    fn holes_are_cut_out() {
        let runs = [(10, 20), (30, 40), (50, 60)];
        assert_eq!(without(&runs, &[(0, 12), (15, 32), (55, 70)]), [(12, 15), (32, 40), (50, 55)]);
        assert_eq!(without(&runs, &[]), runs);
    }

    #[test]
    fn our_own_pages_are_those_that_the_kernel_counts() {
        let residency = Residency::of_process(std::process::id()).unwrap();
        assert!(residency.rss() > 1 << 20);
        let anonymous = residency.mappings.iter().filter(|mapping| mapping.entry.mapping.path.is_empty());
        let (mut by_page, mut by_mapping) = (0, 0);
        for mapping in anonymous {
            by_mapping += mapping.entry.rss;
            let runs = mapping.runs.as_ref().unwrap();
            by_page += runs.iter().map(|(start, end)| end.get() - start.get()).sum::<u64>();
        }
        assert!(by_page.abs_diff(by_mapping) <= by_mapping / 4 + (1 << 20), "{by_page} and {by_mapping}");
    }

    proptest! {
        #[test]
        fn what_is_left_and_the_holes_share_nothing(
            cuts in prop::collection::btree_set(0u64..200, 2..20),
            holes in prop::collection::btree_set(0u64..200, 2..20),
        ) {
            let pairs = |set: std::collections::BTreeSet<u64>| -> Vec<(u64, u64)> {
                set.into_iter().collect::<Vec<_>>().as_chunks::<2>().0.iter().map(|&[a, b]| (a, b)).collect()
            };
            let (runs, holes) = (pairs(cuts), pairs(holes));
            let left = without(&runs, &holes);
            let within = |list: &[(u64, u64)], at| list.iter().any(|&(start, end)| start <= at && at < end);
            for at in 0..200 {
                prop_assert_eq!(within(&left, at), within(&runs, at) && !within(&holes, at));
            }
        }
    }
}
