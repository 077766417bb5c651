//! Unsigned LEB128 numbers, and a cursor that knows where it stands in the file.

use crate::error::TraceError;

/// Reads a slice from front to back.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'b> {
    rest: &'b [u8],
    /// Where `rest` starts in the file.
    offset: u64,
}

impl<'b> Cursor<'b> {
    pub(crate) fn new(bytes: &'b [u8], offset: u64) -> Cursor<'b> {
        Cursor { rest: bytes, offset }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(crate) fn byte(&mut self, doing: &'static str) -> Result<u8, TraceError> {
        let bytes = self.take(1, doing)?;
        Ok(bytes.first().copied().unwrap_or(0))
    }

    pub(crate) fn take(&mut self, len: u64, doing: &'static str) -> Result<&'b [u8], TraceError> {
        let cut = TraceError::CutOff { offset: self.offset, doing };
        let at = usize::try_from(len).map_err(|_| cut.clone())?;
        let (taken, rest) = self.rest.split_at_checked(at).ok_or(cut)?;
        self.rest = rest;
        self.offset += len;
        Ok(taken)
    }

    /// A number of at most 64 bits in at most ten bytes, as Go's `binary.Uvarint` takes it.
    pub(crate) fn number(&mut self, doing: &'static str) -> Result<u64, TraceError> {
        let start = self.offset;
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let cut = TraceError::CutOff { offset: start, doing };
            let byte = self.byte(doing).map_err(|_| cut)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && 1 < bits {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(TraceError::Malformed { offset: start, what: format!("{doing}: a number of more than 64 bits") })
    }
}
