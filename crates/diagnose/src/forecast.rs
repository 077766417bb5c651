//! When the process runs out, if it goes on like this.

use leakscope_model::{Confidence, Finding, Forecast, LimitSource};

use crate::readings::OsFacts;

/// What a forecast is made from, in bytes and counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// Bytes per second that the findings grow by.
    pub bytes_per_second: f64,
    /// Half the width of its 95 % interval.
    pub error: f64,
    /// Memory that the collector asks for per live byte: its goal over what it marked.
    pub heap_per_live: f64,
    /// Heap, stacks and metadata that count against `GOMEMLIMIT`.
    pub runtime_bytes: u64,
    /// `GOMEMLIMIT`; 0 or beyond `i64::MAX` where there is none.
    pub memory_limit: u64,
}

/// The relative 95 % error of a growth that was told from `members` more of something.
pub fn relative_error(members: f64) -> f64 {
    if members > 0.0 { (1.96 / members.sqrt()).min(0.95) } else { 0.95 }
}

/// The sum over the findings that are at least likely.
pub fn growth_of(findings: &[Finding], window: Option<f64>) -> (f64, f64) {
    let window = window.unwrap_or(0.0);
    let likely = || findings.iter().filter(|finding| finding.confidence >= Confidence::Likely);
    let rate = likely().map(|finding| finding.growth_bytes_per_s).sum();
    let variance: f64 = likely()
        .map(|finding| finding.growth_bytes_per_s * relative_error(finding.growth_objects_per_s * window))
        .map(|error| error * error)
        .sum();
    (rate, variance.sqrt())
}

/// The limit that is reached first. The early end of the interval takes the faster growth and lets the heap grow to the
/// collector's goal for every live byte; the late end the slower growth without that.
pub fn forecast(growth: Growth, os: OsFacts) -> Option<Forecast> {
    if growth.bytes_per_second <= 0.0 {
        return None;
    }
    limits(growth, os)
        .into_iter()
        .map(|(limit_source, limit_bytes, used)| {
            let room = limit_bytes.saturating_sub(used) as f64;
            let at = |rate: f64| if rate > 0.0 { room / rate } else { f64::MAX };
            let heap = growth.heap_per_live.clamp(1.0, 4.0);
            Forecast {
                limit_bytes,
                limit_source,
                seconds_to_limit: at(growth.bytes_per_second * (1.0 + heap) / 2.0),
                low: at((growth.bytes_per_second + growth.error) * heap),
                high: at(growth.bytes_per_second - growth.error),
            }
        })
        .min_by(|a, b| a.seconds_to_limit.total_cmp(&b.seconds_to_limit))
}

/// Each limit that is known, with what counts against it now.
fn limits(growth: Growth, os: OsFacts) -> Vec<(LimitSource, u64, u64)> {
    let mut known = Vec::new();
    let rss = os.rss.unwrap_or(growth.runtime_bytes);
    if let Some(limit) = os.cgroup_limit {
        known.push((LimitSource::Cgroup, limit, os.cgroup_usage.unwrap_or(rss)));
    }
    if let Some(ram) = os.ram {
        known.push((LimitSource::Ram, ram, rss));
    }
    // `math.MaxInt64` is how the runtime says that there is none; 0 is what nobody could read.
    if (1..i64::MAX as u64).contains(&growth.memory_limit) {
        known.push((LimitSource::GoMemLimit, growth.memory_limit, growth.runtime_bytes));
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROWTH: Growth = Growth {
        bytes_per_second: 1_000_000.0,
        error: 100_000.0,
        heap_per_live: 2.0,
        runtime_bytes: 200 << 20,
        memory_limit: u64::MAX,
    };

    #[test]
    fn the_nearest_limit_is_named_with_its_interval() {
        let os = OsFacts {
            rss: Some(300_000_000),
            cgroup_limit: Some(1_200_000_000),
            cgroup_usage: Some(400_000_000),
            ram: Some(64_000_000_000),
            ..OsFacts::default()
        };
        let found = forecast(GROWTH, os).unwrap();
        assert_eq!((found.limit_source, found.limit_bytes), (LimitSource::Cgroup, 1_200_000_000));
        assert!((found.seconds_to_limit - 800.0 / 1.5).abs() < 1.0, "{found:?}");
        assert!((found.low - 800.0 / 2.2).abs() < 1.0 && (found.high - 800.0 / 0.9).abs() < 1.0, "{found:?}");
    }

    #[test]
    fn no_growth_or_no_limit_no_forecast() {
        assert_eq!(forecast(GROWTH, OsFacts::default()), None);
        let os = OsFacts { ram: Some(1 << 40), ..OsFacts::default() };
        assert_eq!(forecast(Growth { bytes_per_second: 0.0, ..GROWTH }, os), None);
        let limited = Growth { memory_limit: 1 << 30, ..GROWTH };
        assert_eq!(forecast(limited, os).map(|found| found.limit_source), Some(LimitSource::GoMemLimit));
    }
}
