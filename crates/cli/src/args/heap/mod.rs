//! Questions to the heap: what all of them say, and the list of them. One file a group of questions.

mod allocator;
mod diff;
mod export;
mod keepers;
mod leaked;
mod object;
mod objects;
mod subject;
mod tree;
mod types;
mod waste;

use clap::{Args, Subcommand};

use super::{Access, OutputArgs, TargetWord};

pub(crate) use allocator::{ArenasArgs, BreakdownArgs, CachesArgs, MemstatsArgs, SpansArgs};
pub(crate) use diff::{DiffArgs, DiffBy};
pub(crate) use export::{ExportArgs, ExportFormat};
pub(crate) use keepers::{ReferrersArgs, RootKind, RootsArgs, WhyArgs};
pub(crate) use leaked::LeakedArgs;
pub(crate) use object::{ObjectArgs, address};
pub(crate) use objects::{FindArgs, ListArgs};
pub(crate) use subject::Subject;
pub(crate) use tree::{Collapse, DominatorsArgs};
pub(crate) use types::{TypeGrouping, TypeSort, TypesArgs};
pub(crate) use waste::{Contents, WasteArgs};

/// Ask the heap: types, objects, who retains them, what would be freed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap summary 4711
  leakscope heap types 4711 --limit 20
  leakscope heap find 4711 -type '*user.OrderCache'
  leakscope heap list 4711 -min 10MB
  leakscope heap object 4711 0xc000123456
  leakscope heap why 4711 0xc000123456
  leakscope heap why core.4711 context.timerCtx --exe ./orders
  leakscope heap leaked 4711
  leakscope heap breakdown 4711
  leakscope heap memstats 4711
  leakscope heap spans 4711 --class 5
  leakscope heap diff 4711 --rounds 3 --every 10s
  leakscope heap waste 4711
  leakscope heap export 4711 --format pprof -o heap.pb.gz")]
pub(crate) struct HeapArgs {
    #[command(subcommand)]
    pub(crate) question: HeapQuestion,
}

/// One question.
#[derive(Debug, Subcommand)]
pub(crate) enum HeapQuestion {
    /// How many objects there are, how many are reachable, and how they were read
    Summary(AboutHeap),
    Types(TypesArgs),
    Find(FindArgs),
    List(ListArgs),
    Object(ObjectArgs),
    Why(WhyArgs),
    Referrers(ReferrersArgs),
    Roots(RootsArgs),
    Dominators(DominatorsArgs),
    /// Goroutines that can never run again, proven by reachability, and what they keep
    Leaked(LeakedArgs),
    /// What resident memory is made of: heap, garbage, free pages, stacks, the runtime, C, files
    Breakdown(BreakdownArgs),
    /// What runtime.ReadMemStats would say
    Memstats(MemstatsArgs),
    /// Spans by size class: objects, free slots, waste, how full they are
    Spans(SpansArgs),
    /// Arenas of the heap: pages in use, free, and returned to the system
    Arenas(ArenasArgs),
    /// What processors and classes keep ready: spans, stacks, pages
    Caches(CachesArgs),
    /// What was born, died and stayed between two or more moments
    Diff(DiffArgs),
    /// Write the heap as a pprof profile, a Graphviz graph, lines of JSON, or an ELF core
    Export(ExportArgs),
    /// What is kept and not used: capacity, emptied maps, equal strings, zero pages, idle buffers
    Waste(WasteArgs),
}

/// What every question says.
#[derive(Debug, Args)]
pub(crate) struct AboutHeap {
    /// PID, name:PROCESS, core file, capture or demo:grpc
    pub(crate) target: TargetWord,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
