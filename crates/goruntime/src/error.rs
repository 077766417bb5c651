//! Errors that name the section or field, and the address.

use leakscope_model::{Addr, Gap};
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
    /// We cannot know what the runtime's structures look like: no debug information, or too old a Go.
    #[error("{version} on {arch}: the layout of its runtime is not known: {remedy}")]
    NoLayout {
        /// As the binary says it.
        version: String,
        /// `amd64`, `arm64`.
        arch: String,
        /// Why, and what to do.
        remedy: &'static str,
    },
    /// None of the process's mappings is this executable.
    #[error("the executable is not loaded: {0}")]
    NotLoaded(String),
    /// A package variable of the runtime that the walk cannot do without has no known address.
    #[error("nothing tells where {0} stands")]
    MissingGlobal(String),
    /// A package variable of the runtime that no name tells is not to be found by its shape either.
    #[error(
        "no symbol tells where {name} stands, and {places} places in the program's variables look like it"
    )]
    NoShape {
        /// The variable.
        name: &'static str,
        /// How many places look like it: none, or more than one.
        places: usize,
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
    /// Something that is read, but with less than full trust, or left out.
    #[error("{0}")]
    Caution(String),
    /// All is read by a layout that may not be this build's.
    #[error("{0}")]
    Tentative(String),
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

impl RuntimeError {
    /// What an answer says of it: a gap in `part`, or in all that rests on the layout.
    pub fn gap(&self, part: &str) -> Gap {
        let part = if matches!(self, RuntimeError::Tentative(_)) { Gap::LAYOUT } else { part };
        Gap::new(part, self.to_string())
    }
}
