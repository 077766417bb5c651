//! A profile, resolved: samples in flat arrays, locations as frames.

use std::ops::Range;
use std::sync::Arc;

use leakscope_model::Frame;

use crate::error::PprofError;
use crate::recognise::not_a_profile;
use crate::resolve::resolve;
use crate::unpack::unpack;

/// Most bytes that a profile may unpack to: 1 GiB. One of 560,000 samples with 60 frames has a seventh of that.
pub const MOST_UNPACKED: u64 = 1 << 30;

/// What one column of values counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleType {
    /// `inuse_space`, `goroutine`, `samples`, …
    pub kind: Arc<str>,
    /// `bytes`, `count`, `nanoseconds`, …
    pub unit: Arc<str>,
}

/// A label of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Its key.
    pub key: Arc<str>,
    /// Its value.
    pub value: LabelValue,
}

/// What a label says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelValue {
    /// A text: what `pprof.Do` set.
    Text(Arc<str>),
    /// A number, such as the size of the allocated block (`bytes`).
    Number {
        /// The number.
        value: i64,
        /// Its unit; empty if it was not given.
        unit: Arc<str>,
    },
}

/// A decoded profile.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// The columns of values.
    pub sample_types: Vec<SampleType>,
    /// The column to show if nobody asks for another.
    pub default_sample_type: Option<usize>,
    /// What is sampled every `period`; `space bytes` for heap profiles.
    pub period_type: Option<SampleType>,
    /// Events between two samples, in units of `period_type`: `MemProfileRate` bytes, nanoseconds of CPU.
    pub period: i64,
    /// When it was taken, in nanoseconds since 1970; 0 if it does not tell.
    pub time_nanos: i64,
    /// How long it was taken for, in nanoseconds; 0 for a moment.
    pub duration_nanos: i64,
    /// Comments of whoever made it.
    pub comments: Vec<Arc<str>>,
    /// The frames of every location, one location after the other, innermost first within one.
    pub(crate) frames: Vec<Frame>,
    /// Which of `frames` belong to each location.
    pub(crate) locations: Vec<Range<u32>>,
    pub(crate) samples: Vec<SampleRow>,
    /// Indices into `locations`, sample after sample.
    pub(crate) stacks: Vec<u32>,
    /// `sample_types.len()` values a sample.
    pub(crate) values: Vec<i64>,
    pub(crate) labels: Vec<Label>,
}

/// Where the stack and the labels of one sample stand in the flat arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SampleRow {
    pub(crate) stack: Range<usize>,
    pub(crate) labels: Range<usize>,
}

/// One sample of a profile.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'p> {
    profile: &'p Profile,
    row: &'p SampleRow,
    values: &'p [i64],
}

impl Profile {
    /// Decodes a profile, compressed or not.
    ///
    /// # Errors
    /// Says what the bytes are instead (a page, the text of an HTTP error, a trace, a legacy text profile), or
    /// at which byte they break off.
    pub fn decode(bytes: &[u8]) -> Result<Profile, PprofError> {
        Profile::decode_within(bytes, MOST_UNPACKED)
    }

    /// As [`Profile::decode`], taking at most `limit` unpacked bytes.
    ///
    /// # Errors
    /// As [`Profile::decode`], and [`PprofError::TooBig`].
    pub fn decode_within(bytes: &[u8], limit: u64) -> Result<Profile, PprofError> {
        if let Some(other) = not_a_profile(bytes) {
            return Err(other);
        }
        let unpacked = unpack(bytes, limit)?;
        match not_a_profile(&unpacked) {
            Some(other) => Err(other),
            None => resolve(&unpacked),
        }
    }

    /// The samples in the order of the file.
    pub fn samples(&self) -> impl ExactSizeIterator<Item = Sample<'_>> {
        let width = self.sample_types.len();
        self.samples.iter().enumerate().map(move |(index, row)| {
            let values = self.values.get(index * width..(index + 1) * width).unwrap_or_default();
            Sample { profile: self, row, values }
        })
    }

    /// The column that counts `kind`, such as `inuse_space`.
    pub fn column(&self, kind: &str) -> Option<usize> {
        self.sample_types.iter().position(|sample_type| &*sample_type.kind == kind)
    }

    /// The sum of one column; saturates.
    pub fn total(&self, column: usize) -> i64 {
        let values = self.samples().filter_map(|sample| sample.values().get(column).copied());
        values.fold(0, i64::saturating_add)
    }
}

impl<'p> Sample<'p> {
    /// One value a column.
    pub fn values(&self) -> &'p [i64] {
        self.values
    }

    /// The frames, innermost first, inlined calls expanded.
    pub fn stack(&self) -> impl Iterator<Item = &'p Frame> {
        let profile = self.profile;
        let locations = profile.stacks.get(self.row.stack.clone()).unwrap_or_default();
        locations.iter().flat_map(move |&location| {
            let range = profile.locations.get(location as usize).cloned().unwrap_or_default();
            profile.frames.get(range.start as usize..range.end as usize).unwrap_or_default()
        })
    }

    /// The labels.
    pub fn labels(&self) -> &'p [Label] {
        self.profile.labels.get(self.row.labels.clone()).unwrap_or_default()
    }

    /// The numeric label `key`.
    pub fn number(&self, key: &str) -> Option<i64> {
        self.labels().iter().find_map(|label| match label.value {
            LabelValue::Number { value, .. } if &*label.key == key => Some(value),
            _ => None,
        })
    }
}
