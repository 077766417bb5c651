//! Errors that name the section or field, and the address.

use leakscope_model::Addr;
use leakscope_target::ReadError;

/// Why a binary or its runtime could not be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The bytes are no ELF file that we can read.
    #[error("not an ELF executable we can read: {0}")]
    NotElf(String),
    /// No Go build information and no pclntab.
    #[error("not a Go program: {0}")]
    NotGo(String),
    /// A Go version that we have no layout for.
    #[error("{version} on {arch}: no layout for this version; {remedy}")]
    NoLayout {
        /// As the binary says it.
        version: String,
        /// `amd64`, `arm64`.
        arch: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A structure lacks a field that the walk cannot do without.
    #[error("the layout has no slot for {0}")]
    MissingSlot(String),
    /// A section contradicts itself.
    #[error("section {section} at offset {offset:#x}: {what}")]
    Section {
        /// `.gopclntab`, `.debug_info`, …
        section: &'static str,
        /// Offset in the section.
        offset: u64,
        /// What is wrong.
        what: String,
    },
    /// A field of a runtime structure could not be read.
    #[error("reading {path} of the runtime at {at}")]
    Field {
        /// The field as Go writes it.
        path: &'static str,
        /// The structure that holds it.
        at: Addr,
        /// What the memory said.
        #[source]
        source: ReadError,
    },
    /// A place in the program's code that a snapshot needs is not there.
    #[error("{what}: {why}")]
    NoGadget {
        /// The function.
        what: String,
        /// What it lacks.
        why: String,
    },
    /// A layout that does not fit the target.
    #[error("{what} at {at} cannot be: {why}; the layout ({origin}) does not fit this process")]
    Sanity {
        /// The structure and field.
        what: &'static str,
        /// Where.
        at: Addr,
        /// Why it is impossible.
        why: String,
        /// Where the layout came from.
        origin: String,
    },
}
