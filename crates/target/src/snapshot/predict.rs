//! What a snapshot will cost, told before it is taken.

use std::fs;
use std::io;
use std::time::Duration;

const GIB: f64 = (1_u64 << 30) as f64;

/// Milliseconds that a fork takes for 1 GiB in pages of 4 KiB. 15 to 60 were measured, the more the more the
/// heap is broken up into small mappings and dirty pages; a figure on the safe side of the middle.
const FORK_MS_PER_GIB: f64 = 45.0;
/// Milliseconds for 1 GiB in huge pages: one entry is copied for every 2 MiB.
const FORK_MS_PER_HUGE_GIB: f64 = 1.5;
/// Milliseconds to copy 1 GiB out of a stopped process, and to make sense of it on the way.
const READ_MS_PER_GIB: f64 = 700.0;
/// Milliseconds that stopping and letting go takes however small the process is.
const STOP_MS: f64 = 0.5;

/// How much memory a process holds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct MemoryUse {
    /// Resident in all.
    pub(super) resident: u64,
    /// Of that, anonymous: what copy-on-write may double.
    pub(super) anonymous: u64,
    /// Of that, in huge pages.
    pub(super) huge: u64,
}

impl MemoryUse {
    /// Sums over all mappings (`/proc/PID/smaps_rollup`, since Linux 4.14).
    pub(super) fn of(pid: u32) -> io::Result<MemoryUse> {
        fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map(|text| MemoryUse::parse(&text))
    }

    fn parse(text: &str) -> MemoryUse {
        let mut memory = MemoryUse::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let kibibytes = value.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
            let bytes = kibibytes.unwrap_or(0).saturating_mul(1024);
            match key {
                "Rss" => memory.resident = bytes,
                "Anonymous" => memory.anonymous = bytes,
                "AnonHugePages" => memory.huge = bytes,
                _ => {}
            }
        }
        memory
    }

    /// How long all threads will stand for a fork.
    pub(super) fn fork_pause(&self) -> Duration {
        let small = self.resident.saturating_sub(self.huge) as f64 / GIB;
        let huge = self.huge as f64 / GIB;
        milliseconds(STOP_MS + small * FORK_MS_PER_GIB + huge * FORK_MS_PER_HUGE_GIB)
    }

    /// How long all threads will stand while everything is read.
    pub(super) fn stop_pause(&self) -> Duration {
        milliseconds(STOP_MS + self.resident as f64 / GIB * READ_MS_PER_GIB)
    }
}

fn milliseconds(ms: f64) -> Duration {
    Duration::from_secs_f64(ms / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn huge_pages_make_a_fork_cheap() {
        let text = "00400000-7fff4e07c000 ---p 00000000 00:00 0    [rollup]\nRss:   1048576 kB\n\
                    Anonymous:  1000000 kB\nAnonHugePages:   0 kB\n";
        let small = MemoryUse::parse(text);
        assert_eq!((small.resident, small.anonymous, small.huge), (1 << 30, 1_024_000_000, 0));
        assert_eq!(small.fork_pause(), Duration::from_micros(45_500));
        let huge = MemoryUse { huge: small.resident, ..small };
        assert_eq!(huge.fork_pause(), Duration::from_millis(2));
        assert!(small.stop_pause() > Duration::from_millis(300));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String, rss: u64) {
            let _ = MemoryUse::parse(&text).fork_pause();
            let _ = MemoryUse::parse(&format!("Rss: {rss} kB\nAnonHugePages: {rss} kB")).stop_pause();
        }
    }
}
