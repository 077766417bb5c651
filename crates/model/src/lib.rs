//! The words on the borders between the crates of leakscope: plain data, no I/O, no parsing.
//!
//! What comes in: nothing. What goes out: the types that two crates both name. This crate must not know any
//! file format, any version of Go, or how an answer is drawn.
//!
//! ```
//! use leakscope_model::{Addr, Bias, LinkAddr};
//!
//! let bias = Bias::between(LinkAddr::new(0x40_0000), Addr::new(0x5555_0000_0000));
//! assert_eq!(LinkAddr::new(0x40_1000).relocate(bias), Addr::new(0x5555_0000_1000));
//! ```

pub mod addr;
pub mod evidence;
pub mod finding;
pub mod goroutine;
pub mod report;
pub mod stack;
pub mod value;

pub use addr::{Addr, Bias, LinkAddr};
pub use evidence::{Evidence, Gap, Source};
pub use finding::{Confidence, Finding, FindingKind, Fix, HeldBy, PathStep, Site, Via};
pub use goroutine::Goroutine;
pub use report::{DebugInfoKind, Forecast, LimitSource, Memory, Report, Target, Window};
pub use stack::Frame;
pub use value::{Value, What};
