//! Questions to Go's allocator.

use clap::Args;

use super::AboutHeap;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap memstats 4711
  leakscope heap memstats 4711 --json | jq .memstats.HeapInuse
  leakscope heap memstats core.4711 --exe ./orders

The figures are those that runtime.ReadMemStats would give at that moment; where its own bookkeeping could make one
differ, the answer says by how much and why.")]
pub(crate) struct MemstatsArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap spans 4711               by size class: how full the spans are, what lies free in them
  leakscope heap spans 4711 --class 5     every span of class 5, and who has it
  leakscope heap spans orders.leakscope --json

The fullness column has a bar for each eighth, from spans nearly empty on its left to spans nearly full on its right.")]
pub(crate) struct SpansArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// List the spans of this size class; 0 is that of large objects
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=67))]
    pub(crate) class: Option<u8>,
    /// Rows of that list
    #[arg(long, default_value_t = 100, value_name = "N", requires = "class")]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap arenas 4711
  leakscope heap arenas core.4711 --exe ./orders --json")]
pub(crate) struct ArenasArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap caches 4711
  leakscope heap caches 4711 --json | jq '.processors[].tiny_allocs'")]
pub(crate) struct CachesArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap breakdown 4711
  leakscope heap breakdown 4711 --json | jq '.rows[] | select(.area == \"native\")'
  leakscope heap breakdown core.4711 --exe ./orders

The parts add up to what /proc/PID/smaps says is resident; `unexplained` is what is left. A core does not tell what was
resident: there the parts are what it holds.")]
pub(crate) struct BreakdownArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// Files shown
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) limit: usize,
}
