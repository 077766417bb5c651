//! The contents of memory as Go values: bytes become a tree of plain data, which others show.
//!
//! Whatever the bytes say, the tree is bounded: in depth, in elements of each container, in bytes of each text, and in
//! nodes altogether. What cannot be read stands in the tree where it would be.

mod channels;
mod maps;
mod object;
mod read;
#[cfg(test)]
mod tests;

pub use leakscope_model::{Value, What};

pub use read::Values;

/// How much of a value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many references (pointers, slices, maps, interfaces) are followed one behind the other.
    pub depth: u32,
    /// Elements of each slice, array, map and channel.
    pub elements: u64,
    /// Bytes of each text.
    pub text: u64,
    /// Values altogether.
    pub nodes: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth: 1, elements: 8, text: 120, nodes: 10_000 }
    }
}
