//! Errors that say where in the target they arose, and while doing what.

use leakscope_goruntime::RuntimeError;
use leakscope_model::Addr;
use leakscope_target::ReadError;

/// Why a heap, or a part of it, could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeapError {
    /// A field of a runtime structure could not be read.
    #[error("reading {path} of the runtime at {at}")]
    Field {
        /// The field, as Go writes it: `mspan.allocBits`.
        path: &'static str,
        /// The structure that holds it.
        at: Addr,
        /// What the memory said.
        #[source]
        source: ReadError,
    },
    /// A runtime structure contradicts itself: a wrong layout or a torn snapshot.
    #[error("{what} at {at}: {why}")]
    Torn {
        /// The structure: `mspan`, `g`, `special`.
        what: &'static str,
        /// Where.
        at: Addr,
        /// What cannot be.
        why: String,
    },
    /// The runtime's description lacks something.
    #[error(transparent)]
    Runtime(RuntimeError),
    /// The heap has more objects or pointers than dense ids can count.
    #[error("more than {limit} {what}: this build counts them in 32 bits")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many can be counted.
        limit: u64,
    },
    /// A graph file contradicts itself.
    #[error("graph at offset {offset:#x}: {what}")]
    GraphFile {
        /// Offset in the part.
        offset: u64,
        /// What is wrong.
        what: String,
    },
}

impl HeapError {
    /// The layout lacks the size or a field of `structure`.
    pub(crate) fn missing(structure: &'static str) -> HeapError {
        HeapError::Runtime(RuntimeError::MissingSlot(structure.to_owned()))
    }

    /// `path` of the structure at `at` could not be read.
    pub(crate) fn field(path: &'static str, at: Addr, source: ReadError) -> HeapError {
        HeapError::Field { path, at, source }
    }
}

/// Adds the field and its owner to a bare read error: `read.in_field("mspan.npages", span)?`.
pub trait InField<T> {
    /// Names what was being read.
    fn in_field(self, path: &'static str, at: Addr) -> Result<T, HeapError>;
}

impl<T> InField<T> for Result<T, ReadError> {
    fn in_field(self, path: &'static str, at: Addr) -> Result<T, HeapError> {
        self.map_err(|source| HeapError::Field { path, at, source })
    }
}
