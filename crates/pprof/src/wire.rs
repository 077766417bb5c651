//! The messages of `profile.proto`, and the walk over the fields of the outermost one.
//!
//! Authority: `proto/profile.proto` of github.com/google/pprof; written by Go in `runtime/pprof/proto.go`.

use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::error::PprofError;

/// `message ValueType`: two indices into the string table.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct ValueType {
    #[prost(int64, tag = "1")]
    pub(crate) kind: i64,
    #[prost(int64, tag = "2")]
    pub(crate) unit: i64,
}

/// `message Sample`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    pub(crate) location_ids: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    pub(crate) values: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) labels: Vec<Label>,
}

/// `message Label`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(int64, tag = "1")]
    pub(crate) key: i64,
    #[prost(int64, tag = "2")]
    pub(crate) text: i64,
    #[prost(int64, tag = "3")]
    pub(crate) number: i64,
    #[prost(int64, tag = "4")]
    pub(crate) unit: i64,
}

/// `message Location`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Location {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) address: u64,
    #[prost(message, repeated, tag = "4")]
    pub(crate) lines: Vec<Line>,
}

/// `message Line`: innermost first; all but the last were inlined into their successor.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Line {
    #[prost(uint64, tag = "1")]
    pub(crate) function_id: u64,
    #[prost(int64, tag = "2")]
    pub(crate) line: i64,
}

/// `message Function`.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Function {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    #[prost(int64, tag = "2")]
    pub(crate) name: i64,
    #[prost(int64, tag = "4")]
    pub(crate) file: i64,
}

/// One field of `message Profile`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field<'b> {
    /// Its number.
    pub(crate) number: u32,
    /// Its value, if it is a number.
    pub(crate) varint: u64,
    /// Its bytes, if it is a string or a message.
    pub(crate) bytes: &'b [u8],
    /// Where it starts.
    offset: u64,
    len: u64,
}

impl Field<'_> {
    /// The field as a signed number.
    pub(crate) fn int64(&self) -> i64 {
        self.varint.cast_signed()
    }

    /// The field as a message, merged into `into`.
    pub(crate) fn merge<M: Message>(&self, into: &mut M) -> Result<(), PprofError> {
        into.merge(self.bytes).map_err(|err| self.fault(err.to_string()))
    }

    /// The field as a message.
    pub(crate) fn message<M: Message + Default>(&self) -> Result<M, PprofError> {
        M::decode(self.bytes).map_err(|err| self.fault(err.to_string()))
    }

    fn fault(&self, reason: String) -> PprofError {
        PprofError::Malformed { field: self.number, offset: self.offset, len: self.len, reason }
    }
}

/// The fields of `message Profile` in the order of the file; ends after the first that cannot be read.
pub(crate) fn fields(bytes: &[u8]) -> impl Iterator<Item = Result<Field<'_>, PprofError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (offset, len) = ((bytes.len() - rest.len()) as u64, bytes.len() as u64);
        let field = field(&mut rest, offset, len);
        if field.is_err() {
            rest = &[];
        }
        Some(field)
    })
}

fn field<'b>(rest: &mut &'b [u8], offset: u64, len: u64) -> Result<Field<'b>, PprofError> {
    let fault =
        |field: u32, reason: &str| PprofError::Malformed { field, offset, len, reason: reason.to_owned() };
    let (number, wire) = decode_key(rest).map_err(|err| fault(0, &err.to_string()))?;
    let mut read = Field { number, varint: 0, bytes: &[], offset, len };
    match wire {
        WireType::Varint => {
            read.varint = decode_varint(rest).map_err(|err| fault(number, &err.to_string()))?
        }
        WireType::LengthDelimited => {
            let size = decode_varint(rest).map_err(|err| fault(number, &err.to_string()))?;
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            let cut = || fault(number, &format!("it has {size} bytes, only {} are there", rest.len()));
            let (bytes, after) = rest.split_at_checked(size).ok_or_else(cut)?;
            (read.bytes, *rest) = (bytes, after);
        }
        WireType::ThirtyTwoBit => *rest = rest.get(4..).ok_or_else(|| fault(number, "it breaks off"))?,
        WireType::SixtyFourBit => *rest = rest.get(8..).ok_or_else(|| fault(number, "it breaks off"))?,
        WireType::StartGroup | WireType::EndGroup => {
            return Err(fault(number, "a group, which no profile has"));
        }
    }
    Ok(read)
}
