//! Debug information, held against what programs say of themselves and what Go's own tools say of it.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests start programs and read their memory"
)]

mod committed_tables;
mod described_types;
mod hostile_bytes;
mod program_says;
mod runtime_layout;
mod synthetic_elf;
mod typed_walk;
mod zoo;
