//! One event as it stands in a batch.

use crate::error::TraceError;
use crate::versions::{EventSpec, MOST_ARGUMENTS, STACK, STRING, event_spec};
use crate::wire::Cursor;

/// Longest string and deepest stack that the runtime writes (internal/trace/tracev2: MaxEventTrailerDataSize,
/// runtime/tracestack.go: traceStackSize).
const LONGEST_STRING: u64 = 1024;
const DEEPEST_STACK: u64 = 128;

/// One event of a batch: its kind and numbers, nothing looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawEvent<'b> {
    /// Its kind.
    pub spec: &'static EventSpec,
    /// Where it starts in the file.
    pub offset: u64,
    arguments: [u64; MOST_ARGUMENTS],
    /// The text of a `String`.
    pub data: &'b [u8],
    /// How many frames a `Stack` has.
    pub frames: u64,
}

impl RawEvent<'_> {
    /// One number an argument of [`EventSpec::arguments`].
    pub fn arguments(&self) -> &[u64] {
        self.arguments.get(..self.spec.arguments.len()).unwrap_or_default()
    }

    /// The argument called `name`.
    pub fn argument(&self, name: &str) -> Option<u64> {
        let at = self.spec.arguments.iter().position(|&argument| argument == name)?;
        self.arguments().get(at).copied()
    }
}

/// Reads the next event at `cursor` in a trace of the format `minor`.
pub(crate) fn read<'b>(cursor: &mut Cursor<'b>, minor: u16) -> Result<RawEvent<'b>, TraceError> {
    let offset = cursor.offset();
    let id = cursor.byte("reading an event")?;
    let unknown = || TraceError::Malformed { offset, what: format!("an event of the unknown kind {id}") };
    let spec = event_spec(id, minor).ok_or_else(unknown)?;
    let mut event = RawEvent { spec, offset, arguments: [0; MOST_ARGUMENTS], data: &[], frames: 0 };
    for slot in event.arguments.iter_mut().take(spec.arguments.len()) {
        *slot = cursor.number("reading an event")?;
    }
    match id {
        STRING => event.data = string(cursor, offset)?,
        STACK => event.frames = frames(cursor, &event)?,
        _ => {}
    }
    Ok(event)
}

fn string<'b>(cursor: &mut Cursor<'b>, offset: u64) -> Result<&'b [u8], TraceError> {
    let len = cursor.number("reading a string")?;
    if LONGEST_STRING < len {
        return Err(TraceError::Malformed { offset, what: format!("a string of {len} bytes") });
    }
    cursor.take(len, "reading a string")
}

/// Skips the frames of a stack: four numbers each.
fn frames(cursor: &mut Cursor<'_>, event: &RawEvent<'_>) -> Result<u64, TraceError> {
    let count = event.argument("nframes").unwrap_or(0);
    if DEEPEST_STACK < count {
        return Err(TraceError::Malformed {
            offset: event.offset,
            what: format!("a stack of {count} frames"),
        });
    }
    for _ in 0..count * 4 {
        cursor.number("reading a stack")?;
    }
    Ok(count)
}
