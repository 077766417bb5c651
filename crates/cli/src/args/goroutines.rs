//! Questions to the goroutines.

use clap::{Args, ValueEnum};
use leakscope_model::Addr;

use super::{Access, OutputArgs, TargetWord, address};

/// List goroutines with their stacks, waits, creators, and what they retain
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope goroutines 4711 --group stack
  leakscope goroutines 4711 --wait 'chan receive' --json
  leakscope goroutines 4711 --leaked       those that nobody can wake any more: proven
  leakscope goroutines 4711 --group variable --limit 20
  leakscope goroutines 4711 --holds 0xc000123456
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
    /// One row for all goroutines with the same stack, the same `go` statement, or for each variable in their frames
    #[arg(long, value_enum, conflicts_with = "holds")]
    pub(crate) group: Option<Grouping>,
    /// Only those from whose stacks the object at this address is reached, and by which variables
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) holds: Option<Addr>,
    /// In which order
    #[arg(long, value_enum)]
    pub(crate) sort: Option<SortKey>,
    /// Rows; all of them if not given
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
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
    /// A variable in the frames of goroutines with one stack.
    Variable,
}

/// By what rows are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortKey {
    /// The goroutine's id; of groups that of the first.
    Id,
    /// What they keep, the most first.
    Retained,
    /// How long they have waited, the longest first.
    Wait,
    /// How many there are, the most first.
    Count,
}
