//! A process, an address or a file becomes a capture: one file with all the evidence.
//!
//! What comes in: a process id, a URL or the path of a file. What goes out: bytes, each part with its kind and
//! time, in a [`Capture`]; and what the operating system says of a process ([`OsFacts`]). This crate must not know
//! what the bytes mean.
//!
//! ```
//! use leakscope_collect::{Capture, PartKind, TargetFacts};
//!
//! let mut capture = Capture::new("leakscope 0.1.0", TargetFacts::default());
//! capture.add(PartKind::GoroutineDump, "goroutine?debug=2", b"goroutine 1 [running]:\n".to_vec());
//! let mut file = Vec::new();
//! capture.write(&mut file).unwrap();
//! let read = Capture::read(&file[..]).unwrap();
//! assert_eq!(read.parts[0].bytes, b"goroutine 1 [running]:\n");
//! ```
#![allow(clippy::disallowed_methods, reason = "this crate opens files and connections: that is its purpose")]

pub mod capture;
pub mod debug_files;
pub mod discovery;
pub mod endpoint;
pub mod error;
pub mod file_kind;
pub mod http;
pub mod manifest;
pub mod os;

mod capture_file;
mod cgroup;
mod sockets;

pub use capture::{Capture, Part};
pub use debug_files::Debuginfod;
pub use discovery::{Discovery, discover};
pub use endpoint::PprofEndpoint;
pub use error::{CaptureError, HttpError};
pub use file_kind::FileKind;
pub use http::HttpLimits;
pub use manifest::{Manifest, PartEntry, PartKind, TargetFacts};
pub use os::{CgroupFacts, OsFacts};

/// The time now, as RFC 3339 in UTC.
pub fn now() -> String {
    jiff::Timestamp::now().to_string()
}
