//! The clock by which the Go runtime tells how long goroutines wait.

use nix::time::{ClockId, clock_gettime};

/// `CLOCK_MONOTONIC` in nanoseconds: what `runtime.nanotime` reads in every process of this machine. `None` where
/// the system has no such clock.
pub fn monotonic_nanoseconds() -> Option<u64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).ok()?;
    let (seconds, rest) = (u64::try_from(now.tv_sec()).ok()?, u64::try_from(now.tv_nsec()).ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_forward_as_the_uptime_does() {
        let first = monotonic_nanoseconds().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let second = monotonic_nanoseconds().unwrap();
        assert!(second >= first + 2_000_000, "{first} {second}");
    }
}
