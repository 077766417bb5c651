//! What a heap profile is worth: its figures are estimates from a few sampled allocations.
//!
//! Go samples one allocation about every `MemProfileRate` bytes; an object of `size` bytes is sampled with the
//! probability `1 - exp(-size/rate)`, and the profile holds the count already divided by that. So the count of
//! samples can be had back, and with it how sure the estimate is. Authority: runtime/pprof/protomem.go,
//! scaleHeapSample; runtime/malloc.go, nextSample.

use leakscope_model::Frame;

use crate::profile::{Profile, Sample};

/// The 97.5 % quantile of the normal distribution: the half-width of a 95 % interval in standard deviations.
const Z95: f64 = 1.959_964;

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Estimate {
    /// The figure that the profile holds.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl Estimate {
    /// The sum of two independent estimates: their deviations add as squares, upwards and downwards apart.
    pub fn plus(self, other: Estimate) -> Estimate {
        let value = self.value + other.value;
        let down = (self.value - self.low).hypot(other.value - other.low);
        let up = (self.high - self.value).hypot(other.high - other.value);
        Estimate { value, low: value - down, high: value + up }
    }
}

/// The objects of one size that one stack allocated.
#[derive(Debug, Clone, PartialEq)]
pub struct HeapRow {
    /// Where they were allocated, innermost first.
    pub stack: Vec<Frame>,
    /// Bytes of each object, as asked for; the size class may be a little larger.
    pub object_bytes: u64,
    /// How many of them were sampled and still live.
    pub samples: u64,
    /// How many live.
    pub live_objects: Estimate,
    /// Bytes that live.
    pub live_bytes: Estimate,
    /// Objects allocated since the process began.
    pub allocated_objects: i64,
    /// Bytes allocated since the process began.
    pub allocated_bytes: i64,
}

/// A heap profile with its uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub struct HeapEstimate {
    /// `runtime.MemProfileRate`: bytes between two samples; 1 if every allocation was recorded.
    pub rate: u64,
    /// One row a stack and size, in the order of the profile.
    pub rows: Vec<HeapRow>,
}

impl HeapEstimate {
    /// The estimates in `profile`; `None` if it is not a heap profile.
    pub fn of(profile: &Profile) -> Option<HeapEstimate> {
        let columns = Columns {
            live_objects: profile.column("inuse_objects")?,
            live_bytes: profile.column("inuse_space")?,
            allocated_objects: profile.column("alloc_objects")?,
            allocated_bytes: profile.column("alloc_space")?,
        };
        let rate = u64::try_from(profile.period).unwrap_or(0).max(1);
        Some(HeapEstimate {
            rate,
            rows: profile.samples().map(|sample| row(&sample, &columns, rate)).collect(),
        })
    }

    /// The sum over all rows that `keep` chooses: samples, live objects and live bytes.
    pub fn sum(&self, keep: impl Fn(&HeapRow) -> bool) -> (u64, Estimate, Estimate) {
        let rows = self.rows.iter().filter(|row| keep(row));
        rows.fold((0, Estimate::default(), Estimate::default()), |(samples, objects, bytes), row| {
            (samples + row.samples, objects.plus(row.live_objects), bytes.plus(row.live_bytes))
        })
    }
}

struct Columns {
    live_objects: usize,
    live_bytes: usize,
    allocated_objects: usize,
    allocated_bytes: usize,
}

fn row(sample: &Sample<'_>, columns: &Columns, rate: u64) -> HeapRow {
    let value = |column: usize| sample.values().get(column).copied().unwrap_or(0);
    let (objects, bytes) = (value(columns.live_objects), value(columns.live_bytes));
    let size = object_bytes(sample, value(columns.allocated_objects), value(columns.allocated_bytes));
    let chance = chance_of_sample(size, rate);
    // The bytes were cut to whole ones only after scaling, the objects too: the bytes lose less by it.
    let samples = (bytes as f64 * chance / (size as f64).max(1.0)).round();
    let live_objects = interval(samples, chance, objects as f64);
    let scale = size as f64;
    let live_bytes = Estimate {
        value: bytes as f64,
        low: (live_objects.low * scale).min(bytes as f64),
        high: (live_objects.high * scale).max(bytes as f64),
    };
    HeapRow {
        stack: sample.stack().cloned().collect(),
        object_bytes: size,
        samples: samples.max(0.0) as u64,
        live_objects,
        live_bytes,
        allocated_objects: value(columns.allocated_objects),
        allocated_bytes: value(columns.allocated_bytes),
    }
}

/// The label `bytes` that Go writes; without it the mean of what was allocated.
fn object_bytes(sample: &Sample<'_>, objects: i64, bytes: i64) -> u64 {
    let labelled = sample.number("bytes").filter(|&size| size > 0);
    let mean = || bytes.checked_div(objects).filter(|&size| size > 0);
    u64::try_from(labelled.or_else(mean).unwrap_or(0)).unwrap_or(0)
}

/// The probability that an object of `size` bytes is sampled.
fn chance_of_sample(size: u64, rate: u64) -> f64 {
    match rate {
        0 | 1 => 1.0,
        rate => 1.0 - (-(size as f64) / rate as f64).exp(),
    }
}

/// The 95 % interval of a count of which `samples` were seen, each with probability `chance`.
///
/// The exact interval of a Poisson count (by Wilson and Hilferty's approximation, good to a percent from one
/// sample on), drawn in by `sqrt(1 - chance)`, because the count of sampled objects is binomial: where every
/// object is sampled, nothing is uncertain.
fn interval(samples: f64, chance: f64, value: f64) -> Estimate {
    let cubed = |k: f64, z: f64| k * (1.0 - 1.0 / (9.0 * k) + z / (3.0 * k.sqrt())).powi(3);
    if chance <= 0.0 {
        return Estimate { value, low: value, high: value };
    }
    let below = if samples < 1.0 { 0.0 } else { cubed(samples, -Z95).max(0.0) };
    let above = cubed(samples + 1.0, Z95);
    let drawn_in = (1.0 - chance).max(0.0).sqrt();
    let low = (samples - (samples - below) * drawn_in) / chance;
    let high = (samples + (above - samples) * drawn_in) / chance;
    Estimate { value, low: low.min(value), high: high.max(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Garwood's exact bounds, from a table of the chi-square distribution.
    #[test]
    fn intervals_of_rare_samples_are_those_of_poisson() {
        for (samples, low, high) in [(1.0, 0.0253, 5.572), (5.0, 1.623, 11.668), (100.0, 81.36, 121.63)] {
            let chance = 1e-9;
            let estimate = interval(samples, chance, samples / chance);
            assert!((estimate.low * chance - low).abs() < 0.03, "{samples}: {}", estimate.low * chance);
            assert!((estimate.high * chance - high).abs() < 0.03, "{samples}: {}", estimate.high * chance);
        }
    }

    #[test]
    fn what_is_always_sampled_is_exact() {
        assert_eq!(interval(40.0, 1.0, 40.0), Estimate { value: 40.0, low: 40.0, high: 40.0 });
    }

    #[test]
    fn sums_are_surer_than_their_parts() {
        let part = interval(10.0, 0.01, 1000.0);
        let sum = (0..100).fold(Estimate::default(), |sum, _| sum.plus(part));
        assert!((sum.value - 100_000.0).abs() < 1e-6);
        let width = |estimate: Estimate| (estimate.high - estimate.low) / estimate.value;
        assert!(
            (width(sum) * 10.0 - width(part)).abs() < 1e-9,
            "a hundred parts: a tenth of the relative width"
        );
    }
}
