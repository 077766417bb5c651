//! Questions to the goroutines.

use clap::{Args, ValueEnum};

use super::{Access, OutputArgs, TargetWord};

/// List goroutines with their stacks, waits, creators, and what they retain
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope goroutines 4711 --group stack
  leakscope goroutines 4711 --wait 'chan receive' --json
  leakscope goroutines 4711 --leaked       those that nobody can wake any more: proven
  leakscope goroutines core.4711 --exe ./orders --state running")]
pub(crate) struct GoroutinesArgs {
    /// PID, name:PROCESS, core file, capture or demo:grpc
    pub(crate) target: TargetWord,
    /// Only those in this state: waiting, running, runnable, syscall
    #[arg(long, value_name = "STATE")]
    pub(crate) state: Option<String>,
    /// Only those with this wait reason, in the runtime's words: 'chan receive', select, 'IO wait'
    #[arg(long, value_name = "REASON")]
    pub(crate) wait: Option<String>,
    /// Only those that are proven to be unable to run again: nothing that can run leads to what they wait for
    #[arg(long)]
    pub(crate) leaked: bool,
    /// One row for all goroutines with the same stack, or the same `go` statement
    #[arg(long, value_enum)]
    pub(crate) group: Option<Grouping>,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// What goroutines of one row have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Grouping {
    /// Their stack and wait.
    Stack,
    /// The `go` statement that started them.
    Creator,
}
