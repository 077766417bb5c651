//! Makes a profile: the other way round.

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use crate::wire::{Function, Label, Line, Location, Sample, ValueType};

/// `message Profile`, as far as it is written.
#[derive(Clone, PartialEq, Message)]
struct Written {
    #[prost(message, repeated, tag = "1")]
    sample_types: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "4")]
    locations: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    functions: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    strings: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, repeated, packed = "false", tag = "13")]
    comments: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

/// A profile in the making.
#[derive(Debug)]
pub struct ProfileBuilder {
    profile: Written,
    strings: HashMap<String, i64>,
    /// By name: the location that stands for a call of it; locations and functions have the same ids.
    frames: HashMap<i64, u64>,
}

impl ProfileBuilder {
    /// No samples yet. `sample_types` are kind and unit of each value of a sample; the last is shown if nobody asks
    /// for another.
    pub fn new(sample_types: &[(&str, &str)], time_nanos: i64) -> ProfileBuilder {
        let profile = Written { strings: vec![String::new()], time_nanos, ..Written::default() };
        let strings = HashMap::from([(String::new(), 0)]);
        let mut builder = ProfileBuilder { profile, strings, frames: HashMap::new() };
        for (kind, unit) in sample_types {
            let ty = ValueType { kind: builder.string(kind), unit: builder.string(unit) };
            builder.profile.default_sample_type = ty.kind;
            builder.profile.sample_types.push(ty);
        }
        builder
    }

    /// Adds a remark on the whole.
    pub fn comment(&mut self, text: &str) {
        let text = self.string(text);
        self.profile.comments.push(text);
    }

    /// Adds a sample: what a stack is called, innermost first, its values in the order of the types, and its labels.
    pub fn add<'s>(
        &mut self,
        stack: impl IntoIterator<Item = &'s str>,
        values: &[i64],
        labels: &[(&str, &str)],
    ) {
        let location_ids = stack.into_iter().map(|name| self.frame(name)).collect();
        let labels = labels.iter().map(|(key, text)| Label {
            key: self.string(key),
            text: self.string(text),
            number: 0,
            unit: 0,
        });
        let labels = labels.collect();
        self.profile.samples.push(Sample { location_ids, values: values.to_vec(), labels });
    }

    /// The file: gzip of the messages.
    ///
    /// # Errors
    /// Where the compressor fails, which in memory it does not.
    pub fn finish(self) -> std::io::Result<Vec<u8>> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&self.profile.encode_to_vec())?;
        packed.finish()
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(&known) = self.strings.get(text) {
            return known;
        }
        let index = i64::try_from(self.profile.strings.len()).unwrap_or(0);
        self.profile.strings.push(text.to_owned());
        self.strings.insert(text.to_owned(), index);
        index
    }

    fn frame(&mut self, name: &str) -> u64 {
        let name = self.string(name);
        let id = self.profile.locations.len() as u64 + 1;
        let known = *self.frames.entry(name).or_insert(id);
        if known == id {
            self.profile.functions.push(Function { id, name, file: 0 });
            self.profile.locations.push(Location {
                id,
                address: 0,
                lines: vec![Line { function_id: id, line: 0 }],
            });
        }
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{LabelValue, Profile};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_put_in_is_read_again(
            rows in prop::collection::vec((prop::collection::vec("[a-c]{1,2}", 1..5), any::<i64>(), any::<i64>()), 0..20),
        ) {
            let mut builder = ProfileBuilder::new(&[("inuse_objects", "count"), ("inuse_space", "bytes")], 77);
            builder.comment("made by a test");
            for (stack, objects, bytes) in &rows {
                builder.add(stack.iter().map(String::as_str), &[*objects, *bytes], &[("type", &stack[0])]);
            }
            let profile = Profile::decode(&builder.finish().unwrap()).unwrap();
            prop_assert_eq!((profile.time_nanos, profile.default_sample_type), (77, Some(1)));
            prop_assert_eq!(&*profile.comments[0], "made by a test");
            let read: Vec<_> = profile.samples().map(|sample| {
                let stack: Vec<String> = sample.stack().map(|frame| frame.function.to_string()).collect();
                assert_eq!(&sample.labels()[0].value, &LabelValue::Text(stack[0].as_str().into()));
                (stack, sample.values()[0], sample.values()[1])
            }).collect();
            prop_assert_eq!(read, rows);
        }
    }
}
