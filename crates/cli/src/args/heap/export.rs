//! `heap export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::{Access, TargetWord};

/// Write the heap in a format that other tools read
#[derive(Debug, Args)]
#[command(
    after_help = "pprof   a retention profile: each stack is the way from a root to the objects, the values are objects and bytes.
        The totals are the reachable objects and bytes of `heap summary`.
dot     the objects that retain most, and who dominates whom, for Graphviz
jsonl   one JSON object a line: objects, pointers, roots and goroutines
core    an ELF core of the process as it stood at the snapshot, for gdb, dlv and leakscope itself

pprof, dot and jsonl hold names, types, addresses and sizes and nothing of the user's data. A core holds all of its
memory.

Examples:
  leakscope heap export 4711 --format pprof -o heap.pb.gz && go tool pprof -top heap.pb.gz
  leakscope heap export orders.leakscope --format dot | dot -Tsvg > heap.svg
  leakscope heap export core.4711 --exe ./orders --format jsonl | jq -c 'select(.goroutine)'
  leakscope heap export 4711 --format core -o core.4711 && dlv core ./orders core.4711"
)]
pub(crate) struct ExportArgs {
    /// PID, name:PROCESS, core file, capture or demo:grpc
    pub(crate) target: TargetWord,
    /// What to write
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// The file; standard output if not given
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Objects in a dot graph
    #[arg(long, default_value_t = 60, value_name = "N")]
    pub(crate) limit: usize,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A profile for go tool pprof, flame graphs and Pyroscope
    Pprof,
    /// A graph for Graphviz
    Dot,
    /// Lines of JSON
    Jsonl,
    /// An ELF core
    Core,
}
