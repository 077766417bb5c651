//! `heap diff`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::args::{Access, OutputArgs, TargetWord, duration};

/// What was born, died and stayed between two or more moments of one process
#[derive(Debug, Args)]
#[command(
    after_help = "With three moments or more, objects that came after the first and lived through whole rounds since are shown as
stayed: they were not there at the start and do not go. Go's collector does not move objects, so one address with one
type is one object; how often that may be wrong is measured at the objects that the runtime sampled, and told.

Examples:
  leakscope heap diff 4711                          three snapshots, 10 s apart
  leakscope heap diff 4711 --rounds 5 --every 1m --by path
  leakscope heap diff before.leakscope after.leakscope --by alloc-stack
  leakscope heap diff one.leakscope                 the moments that one capture holds
  leakscope heap diff core.1 core.2 --exe ./orders --json"
)]
pub(crate) struct DiffArgs {
    /// One process or capture of several moments, or two or more captures and cores, the oldest first
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<TargetWord>,
    /// What the rows stand for
    #[arg(long, value_enum, default_value_t = DiffBy::Type)]
    pub(crate) by: DiffBy,
    /// Snapshots of a live process
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub(crate) rounds: u16,
    /// Time between two of them
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub(crate) every: Duration,
    /// Compare the numbers of different processes, whose objects cannot be told one by one
    #[arg(long)]
    pub(crate) force: bool,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What the rows stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffBy {
    /// A type
    Type,
    /// A way of names from a root
    Path,
    /// A stack that allocated them: of sampled objects alone
    AllocStack,
}
