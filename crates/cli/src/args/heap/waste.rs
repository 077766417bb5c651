//! `heap waste`.

use clap::{Args, ValueEnum};

use super::AboutHeap;

/// Memory that is kept and not used
#[derive(Debug, Args)]
#[command(after_help = "Kinds:
  capacity        arrays beyond the length of their slices (a quarter of the array or more)
  held by a part  arrays and texts of which slices or strings reach less than half
  emptied map     maps with room for more than twice their entries: Go's maps never shrink
  equal strings   texts that are there more than once; the first is not counted
  zero pages      pages of zeros in objects of 64 KiB and more
  idle buffer     buffers of bufio with nothing in them

Lengths stand in the contents of the heap, so a capture cannot answer. `--contents none` shows no text.

Examples:
  leakscope heap waste 4711
  leakscope heap waste core.4711 --exe ./orders --contents none --json")]
pub(crate) struct WasteArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// Whether texts of the program's data are shown
    #[arg(long, value_enum, default_value_t = Contents::Short)]
    pub(crate) contents: Contents,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

/// Whether the program's own data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contents {
    /// The begin of texts
    Short,
    /// Nothing
    None,
}
