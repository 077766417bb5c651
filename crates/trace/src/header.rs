//! The first 16 bytes: which format wrote the rest.
//!
//! Authority: internal/trace/version/version.go. The number is that of the format, not of the Go that wrote it:
//! Go 1.24 writes `go 1.23 trace`, Go 1.27 writes `go 1.26 trace`.

use crate::error::TraceError;
use crate::versions::{NEWEST, OLDEST_V2};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 16;
/// Formats before Go 1.22 that were ever written: Go 1.11 to 1.18, 1.19 and 1.20, 1.21.
const V1: [u16; 3] = [11, 19, 21];
/// Formats since.
const V2: [u16; 4] = [OLDEST_V2, 23, 25, NEWEST];

/// Which of the two formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Up to Go 1.21: batches a P, one table of strings and stacks for the file.
    V1,
    /// Since Go 1.22: batches a thread, in generations that each stand alone.
    V2,
}

/// The format version of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TraceVersion {
    /// `NN` of `go 1.NN trace`.
    pub minor: u16,
}

impl TraceVersion {
    /// Reads the header at the begin of `bytes`.
    ///
    /// # Errors
    /// [`TraceError::NotATrace`] and [`TraceError::UnknownVersion`].
    pub fn of(bytes: &[u8]) -> Result<TraceVersion, TraceError> {
        let header = bytes.get(..HEADER_LEN).unwrap_or(bytes);
        let foreign = || TraceError::NotATrace {
            start: String::from_utf8_lossy(bytes.get(..40).unwrap_or(bytes)).chars().take(40).collect(),
        };
        let number = header.strip_prefix(b"go 1.").and_then(|rest| rest.strip_suffix(b" trace\0\0\0"));
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(foreign)?;
        let minor = number.parse().map_err(|_| foreign())?;
        match V1.contains(&minor) || V2.contains(&minor) {
            true => Ok(TraceVersion { minor }),
            false => Err(TraceError::UnknownVersion { minor }),
        }
    }

    /// Which of the two formats this is.
    pub fn family(self) -> Family {
        match self.minor < OLDEST_V2 {
            true => Family::V1,
            false => Family::V2,
        }
    }
}
