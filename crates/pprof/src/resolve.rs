//! Turns the wire messages into a [`Profile`]: indices into the string table become strings, ids become
//! positions. Tables may stand behind what refers to them (Go writes the strings last), hence two steps.

use std::collections::HashMap;
use std::sync::Arc;

use leakscope_model::Frame;

use crate::error::PprofError;
use crate::profile::{Label, LabelValue, Profile, SampleRow, SampleType};
use crate::wire::{self, Field, Function, Location, ValueType};

/// The file as read, nothing looked up yet; samples are flat from the start.
#[derive(Default)]
struct Raw {
    sample_types: Vec<ValueType>,
    period_type: Option<ValueType>,
    default_sample_type: i64,
    comments: Vec<i64>,
    strings: Vec<Arc<str>>,
    functions: Vec<Function>,
    locations: Vec<Location>,
    samples: Vec<SampleRow>,
    widths: Vec<usize>,
    location_ids: Vec<u64>,
    labels: Vec<wire::Label>,
    scratch: wire::Sample,
    /// The parts that need no looking up are set at once.
    profile: Profile,
}

/// Decodes the unpacked bytes of a profile.
pub(crate) fn resolve(bytes: &[u8]) -> Result<Profile, PprofError> {
    let mut raw = Raw::default();
    for field in wire::fields(bytes) {
        raw.add(&field?)?;
    }
    raw.check_widths(bytes.len() as u64)?;
    raw.into_profile()
}

impl Raw {
    fn add(&mut self, field: &Field<'_>) -> Result<(), PprofError> {
        match field.number {
            1 => self.sample_types.push(field.message()?),
            2 => self.add_sample(field)?,
            4 => self.locations.push(field.message()?),
            5 => self.functions.push(field.message()?),
            6 => self.strings.push(String::from_utf8_lossy(field.bytes).into()),
            9 => self.profile.time_nanos = field.int64(),
            10 => self.profile.duration_nanos = field.int64(),
            11 => self.period_type = Some(field.message()?),
            12 => self.profile.period = field.int64(),
            13 if field.bytes.is_empty() => self.comments.push(field.int64()),
            14 => self.default_sample_type = field.int64(),
            // Mappings (3), filters (7, 8), packed comments and the documentation URL (15) say nothing about memory.
            _ => {}
        }
        Ok(())
    }

    fn add_sample(&mut self, field: &Field<'_>) -> Result<(), PprofError> {
        self.scratch.location_ids.clear();
        self.scratch.values.clear();
        self.scratch.labels.clear();
        field.merge(&mut self.scratch)?;
        let (stack, labels) = (self.location_ids.len(), self.labels.len());
        self.location_ids.extend(&self.scratch.location_ids);
        self.labels.extend(&self.scratch.labels);
        self.profile.values.extend(&self.scratch.values);
        self.widths.push(self.scratch.values.len());
        self.samples
            .push(SampleRow { stack: stack..self.location_ids.len(), labels: labels..self.labels.len() });
        Ok(())
    }

    /// Every sample has one value a column.
    fn check_widths(&self, len: u64) -> Result<(), PprofError> {
        let width = self.sample_types.len();
        match self.widths.iter().position(|&found| found != width) {
            None => Ok(()),
            Some(index) => {
                let found = self.widths.get(index).copied().unwrap_or(0);
                let reason = format!("sample {index} has {found} values, the profile has {width} columns");
                Err(PprofError::Malformed { field: 2, offset: 0, len, reason })
            }
        }
    }

    fn into_profile(mut self) -> Result<Profile, PprofError> {
        let mut profile = std::mem::take(&mut self.profile);
        let types = self.sample_types.iter().map(|value_type| self.sample_type(value_type));
        profile.sample_types = types.collect::<Result<_, _>>()?;
        profile.period_type = self.period_type.as_ref().map(|of| self.sample_type(of)).transpose()?;
        let default = self.string(self.default_sample_type, || "the default column".to_owned())?;
        profile.default_sample_type = profile.sample_types.iter().position(|column| column.kind == default);
        let comments = self.comments.iter().map(|&comment| self.string(comment, || "a comment".to_owned()));
        profile.comments = comments.collect::<Result<_, _>>()?;
        self.place_locations(&mut profile)?;
        profile.stacks = self.stacks()?;
        profile.labels = self.labels.iter().map(|label| self.label(label)).collect::<Result<_, _>>()?;
        profile.samples = self.samples;
        Ok(profile)
    }

    /// Index 0 is the empty string; a profile that uses no string may have no table.
    fn string(&self, index: i64, what: impl Fn() -> String) -> Result<Arc<str>, PprofError> {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        match self.strings.get(at) {
            Some(string) => Ok(string.clone()),
            None if index == 0 => Ok("".into()),
            None => Err(dangling(&what(), "string", index.cast_unsigned())),
        }
    }

    fn sample_type(&self, of: &ValueType) -> Result<SampleType, PprofError> {
        let what = || "a column".to_owned();
        Ok(SampleType { kind: self.string(of.kind, what)?, unit: self.string(of.unit, what)? })
    }

    fn label(&self, label: &wire::Label) -> Result<Label, PprofError> {
        let what = || "a label".to_owned();
        let value = match label.text {
            0 => LabelValue::Number { value: label.number, unit: self.string(label.unit, what)? },
            text => LabelValue::Text(self.string(text, what)?),
        };
        Ok(Label { key: self.string(label.key, what)?, value })
    }

    fn place_locations(&self, profile: &mut Profile) -> Result<(), PprofError> {
        let functions: HashMap<u64, &Function> = self.functions.iter().map(|f| (f.id, f)).collect();
        for location in &self.locations {
            let start = profile.frames.len();
            match location.lines.as_slice() {
                [] => profile.frames.push(unnamed(location.address)),
                lines => {
                    for (index, line) in lines.iter().enumerate() {
                        let what = || format!("location {}", location.id);
                        let function = functions.get(&line.function_id);
                        let function =
                            function.ok_or_else(|| dangling(&what(), "function", line.function_id))?;
                        profile.frames.push(Frame {
                            function: self.string(function.name, what)?,
                            file: self.string(function.file, what)?,
                            line: u32::try_from(line.line).unwrap_or(0),
                            inlined: index + 1 < lines.len(),
                        });
                    }
                }
            }
            profile.locations.push(as_u32(start)..as_u32(profile.frames.len()));
        }
        Ok(())
    }

    fn stacks(&self) -> Result<Vec<u32>, PprofError> {
        let by_id: HashMap<u64, u32> =
            self.locations.iter().enumerate().map(|(index, location)| (location.id, as_u32(index))).collect();
        let position = |id: &u64| by_id.get(id).copied().ok_or_else(|| dangling("a sample", "location", *id));
        self.location_ids.iter().map(position).collect()
    }
}

/// A location that nobody could name: its address stands for it, as `go tool pprof` prints it.
fn unnamed(address: u64) -> Frame {
    Frame { function: format!("{address:#x}").into(), file: "".into(), line: 0, inlined: false }
}

fn dangling(what: &str, table: &str, id: u64) -> PprofError {
    PprofError::Dangling { what: format!("{what} refers to {table}"), id }
}

/// Positions in tables of at most [`crate::profile::MOST_UNPACKED`] bytes fit; saturates beyond.
fn as_u32(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}
