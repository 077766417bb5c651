//! Who keeps objects alive.

use clap::{Args, ValueEnum};

use super::{AboutHeap, Subject};

/// What keeps an object, or the objects of a type, alive
///
/// Of one object, the most different ways from a root: each further way avoids the objects and the root of those
/// before it as far as it can. Of a type, the ways of all its objects, alike ones merged, as a tree with counts.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap why 4711 0xc000123456 --paths 5
  leakscope heap why 4711 context.timerCtx
  leakscope heap why core.4711 '*Session' --exe ./orders --json")]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// An address in hex (0xc000123456) or a type, as `heap find` takes it
    #[arg(value_name = "ADDR|TYPE")]
    pub(crate) subject: Subject,
    /// Of one object: how many ways
    #[arg(long, default_value_t = 3, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) paths: u32,
    /// Of a type: how many different ways, those of the most bytes first
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) limit: usize,
}

/// Who points at an object, or at the objects of a type, directly
///
/// Of one object each pointer is a row; of a type the pointers are grouped by the type and field that hold them. Roots
/// (variables, goroutine frames, records of the runtime) stand among them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap referrers 4711 0xc000123456
  leakscope heap referrers 4711 main.Order --json")]
pub(crate) struct ReferrersArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// An address in hex (0xc000123456) or a type, as `heap find` takes it
    #[arg(value_name = "ADDR|TYPE")]
    pub(crate) subject: Subject,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

/// What holds the heap from outside: variables, goroutine frames, records of the runtime
///
/// A row's bytes are exactly what would be freed without it: what two roots hold together is in neither. Frames of
/// goroutines with one stack are one row.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap roots 4711
  leakscope heap roots 4711 --kind goroutine --limit 10
  leakscope heap roots core.4711 --exe ./orders --kind timer --json")]
pub(crate) struct RootsArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// Only roots of this kind
    #[arg(long, value_enum)]
    pub(crate) kind: Option<RootKind>,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

/// Kinds of roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RootKind {
    /// A package variable.
    Global,
    /// A variable in a goroutine's frame.
    Goroutine,
    /// A finalizer.
    Finalizer,
    /// A cleanup.
    Cleanup,
    /// A handle for code in C.
    CgoHandle,
    /// A timer.
    Timer,
    /// A weak pointer's handle.
    WeakHandle,
    /// Data outside every known variable, and other records.
    Other,
}

impl RootKind {
    /// As the contract of `heap roots` spells it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            RootKind::Global => "global",
            RootKind::Goroutine => "goroutine",
            RootKind::Finalizer => "finalizer",
            RootKind::Cleanup => "cleanup",
            RootKind::CgoHandle => "cgo handle",
            RootKind::Timer => "timer",
            RootKind::WeakHandle => "weak handle",
            RootKind::Other => "other",
        }
    }
}
