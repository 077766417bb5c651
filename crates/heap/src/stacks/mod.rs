//! Goroutine stacks: which frames there are, and which of their words are live pointers.
//!
//! The authority is `runtime/traceback.go` (`unwinder`), `runtime/stkframe.go` (`getStackMap`) and
//! `runtime/mgcmark.go` (`scanstack`). Stacks are unwound by the function table alone, as the runtime does it.

mod live_words;
mod pc_facts;
mod unwind;

pub(crate) use live_words::{LiveWord, live_words};
pub(crate) use pc_facts::{Captured, PcTable, Standing};
pub(crate) use unwind::{Calling, PhysicalFrame, StackBytes, Start, Unwound, unwind};
