//! Profiles of Go programs: `profile.proto`, and the text of goroutine profiles.
//!
//! What comes in: the bytes that `/debug/pprof/…` answered, or of a saved file. What goes out: a [`Profile`], a
//! [`GoroutineDump`] (`debug=2`), [`GoroutineCounts`] (`debug=1`) and, for heap profiles, [`HeapEstimate`]s that
//! say how sure they are. This crate must not know the heap, the trace, or where the bytes come from.
//!
//! ```
//! let dump = "goroutine 7 [chan receive, 5 minutes]:\nmain.wait(0x0)\n\t/srv/main.go:12 +0x1d\n";
//! let dump = leakscope_pprof::GoroutineDump::parse(dump.as_bytes()).unwrap();
//! assert_eq!(dump.entries[0].goroutine.wait.as_deref(), Some("chan receive"));
//! assert_eq!(dump.entries[0].goroutine.wait_seconds, Some(300.0));
//! ```

pub mod build;
pub mod error;
pub mod goroutine_counts;
pub mod goroutine_dump;
pub mod heap_estimate;
pub mod profile;

mod frame_text;
mod recognise;
mod resolve;
mod unpack;
mod wire;

pub use build::ProfileBuilder;
pub use error::PprofError;
pub use goroutine_counts::{GoroutineCounts, GoroutineGroup};
pub use goroutine_dump::{DumpedGoroutine, GoroutineDump};
pub use heap_estimate::{Estimate, HeapEstimate, HeapRow};
pub use profile::{Label, LabelValue, Profile, Sample, SampleType};
