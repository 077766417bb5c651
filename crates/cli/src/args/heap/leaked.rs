//! `heap leaked`.

use clap::Args;

use super::AboutHeap;

/// Goroutines that can never run again
#[derive(Debug, Args)]
#[command(
    after_help = "A goroutine is proven to be leaked if nothing that can run, and no package variable, leads to the channels, lock,
group or condition that it waits for: nobody is left who could wake it. Go 1.26 and later can tell the same of itself
(the profile goroutineleak); this works from outside, for every release, and for cores and captures.

Examples:
  leakscope heap leaked 4711
  leakscope heap leaked core.4711 --exe ./orders --json
  leakscope goroutines 4711 --leaked       one by one, with their stacks"
)]
pub(crate) struct LeakedArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}
