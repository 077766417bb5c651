//! `/proc/PID/smaps`: what of each mapping is resident, and how.
//!
//! Authority: `Documentation/filesystems/proc.rst` of the kernel.

use crate::mappings::{Mapping, parse_maps};

/// What the kernel says of one mapping; bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmapsEntry {
    /// The mapping.
    pub mapping: Mapping,
    /// Resident.
    pub rss: u64,
    /// Resident, shared pages divided by their sharers.
    pub pss: u64,
    /// Resident anonymous memory; of a private mapping of a file, the pages that were written.
    pub anonymous: u64,
    /// The part of `anonymous` in transparent huge pages.
    pub huge: u64,
    /// The part of `anonymous` that was given back lazily (`MADV_FREE`).
    pub lazily_freed: u64,
    /// Swapped out.
    pub swap: u64,
}

/// Parses the text of `/proc/PID/smaps`. A mapping whose head is not of its form is left out with its fields.
pub fn parse_smaps(text: &str) -> Vec<SmapsEntry> {
    let mut entries: Vec<SmapsEntry> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        match line.split_once(':') {
            Some((key, value)) if key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                if let (true, Some(entry)) = (within, entries.last_mut()) {
                    entry.take(key, value);
                }
            }
            _ => {
                let head = parse_maps(line).into_iter().next();
                within = head.is_some();
                entries.extend(head.map(SmapsEntry::of));
            }
        }
    }
    entries
}

impl SmapsEntry {
    /// A mapping of which nothing is known.
    pub(crate) fn of(mapping: Mapping) -> SmapsEntry {
        SmapsEntry { mapping, rss: 0, pss: 0, anonymous: 0, huge: 0, lazily_freed: 0, swap: 0 }
    }

    fn take(&mut self, key: &str, value: &str) {
        let field = match key {
            "Rss" => &mut self.rss,
            "Pss" => &mut self.pss,
            "Anonymous" => &mut self.anonymous,
            "AnonHugePages" => &mut self.huge,
            "LazyFree" => &mut self.lazily_freed,
            "Swap" => &mut self.swap,
            _ => return,
        };
        let number = value.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        *field = number.unwrap_or(0).saturating_mul(1024);
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "c000000000-c000400000 rw-p 00000000 00:00 0                              [anon: Go: heap]\n\
        Size:               4096 kB\nKernelPageSize:        4 kB\nRss:                2052 kB\nPss:                2052 kB\n\
        Anonymous:          2048 kB\nLazyFree:              4 kB\nAnonHugePages:      2048 kB\nSwap:                  8 kB\n\
        VmFlags: rd wr mr mw me ac sd \n\
        7f0000000000-7f0000001000 r--s 00001000 fd:00 1234  /srv/a: b\nRss:                   4 kB\n";

    #[test]
    fn fields_belong_to_the_mapping_before_them() {
        let found = parse_smaps(TEXT);
        assert_eq!(found.len(), 2);
        let SmapsEntry { rss, pss, anonymous, huge, lazily_freed, swap, .. } = found[0];
        assert_eq!((rss, pss, anonymous), (2052 << 10, 2052 << 10, 2 << 20));
        assert_eq!((huge, lazily_freed, swap), (2 << 20, 4096, 8192));
        assert_eq!(
            (found[1].mapping.path.as_str(), found[1].rss, found[1].anonymous),
            ("/srv/a: b", 4096, 0)
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String, at in 0usize..600, what in ".{0,4}") {
            let _ = parse_smaps(&text);
            let mut changed = TEXT.to_owned();
            if changed.is_char_boundary(at.min(changed.len())) {
                changed.insert_str(at.min(changed.len()), &what);
            }
            prop_assert!(parse_smaps(&changed).len() <= 4);
        }
    }
}
