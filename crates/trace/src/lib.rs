//! Execution traces of Go programs.
//!
//! What comes in: the bytes of a trace. What goes out: its version, its generations of batches, and the events of
//! each batch as they stand there; not yet in order between threads, and of the format since Go 1.22 only. This
//! crate must not know the heap, profiles, or where the bytes come from.
//!
//! ```
//! let err = leakscope_trace::Trace::open(b"<html>").unwrap_err();
//! assert!(err.to_string().starts_with("not an execution trace"));
//! ```

pub mod batch;
pub mod error;
pub mod event;
pub mod header;
pub mod versions;

mod container;
mod wire;

pub use batch::{Batch, BatchKind};
pub use container::{Generation, Trace};
pub use error::TraceError;
pub use event::RawEvent;
pub use header::{Family, TraceVersion};
pub use versions::EventSpec;
