//! The dominator tree.

use clap::{Args, ValueEnum};
use leakscope_model::Addr;

use super::AboutHeap;
use super::object::address;
use crate::args::size;

/// What would be freed with what: the dominator tree, biggest first
///
/// On top stand variables, goroutines with their variables and records of the runtime, each with all that would be freed
/// without it; below them the objects that they hold alone, and below each object those that only it holds.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap dominators 4711
  leakscope heap dominators 4711 --by type --depth 5
  leakscope heap dominators 4711 --at 0xc000123456 --limit 20 --json")]
pub(crate) struct DominatorsArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// Begin with the object at this address
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) at: Option<Addr>,
    /// One row for all children of one type
    #[arg(long, value_enum)]
    pub(crate) by: Option<Collapse>,
    /// Levels
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) depth: u32,
    /// Only what keeps at least this much: 4096, 10MB, 1GiB
    #[arg(long, default_value = "0", value_name = "SIZE", value_parser = size)]
    pub(crate) min: u64,
    /// Rows; of the children of each row a quarter of them at most
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

/// What children are put together by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Collapse {
    /// Their type.
    Type,
}
