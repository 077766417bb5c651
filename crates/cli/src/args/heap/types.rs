//! The heap by groups.

use clap::{Args, ValueEnum};

use super::AboutHeap;

/// Every type with its objects, bytes, and what they retain; or packages, size classes, places of allocation, roots
///
/// What objects of one group hold one below the other counts once. Places of allocation are told by the runtime's own
/// sample of allocations (one in 512 KiB by default): their figures are estimates, with one standard deviation and the
/// number of samples beside them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap types 4711 --limit 20
  leakscope heap types 4711 --by package --sort retained
  leakscope heap types 4711 --by alloc-stack --json
  leakscope heap types core.4711 --exe ./orders --by root")]
pub(crate) struct TypesArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// What the objects of a row have in common
    #[arg(long, value_enum, default_value_t = TypeGrouping::Type)]
    pub(crate) by: TypeGrouping,
    /// In which order
    #[arg(long, value_enum, default_value_t = TypeSort::Bytes)]
    pub(crate) sort: TypeSort,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

/// What objects have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeGrouping {
    /// Their type.
    Type,
    /// The package of their type.
    Package,
    /// The size of their slot.
    SizeClass,
    /// Where they were allocated.
    AllocStack,
    /// The root through which they are reached first.
    Root,
    /// The goroutines through which they are reached first.
    Goroutine,
}

impl TypeGrouping {
    /// As it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            TypeGrouping::Type => "type",
            TypeGrouping::Package => "package",
            TypeGrouping::SizeClass => "size-class",
            TypeGrouping::AllocStack => "alloc-stack",
            TypeGrouping::Root => "root",
            TypeGrouping::Goroutine => "goroutine",
        }
    }
}

/// By what rows are put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TypeSort {
    /// Bytes of their slots.
    Bytes,
    /// How many they are.
    Objects,
    /// What they retain.
    Retained,
    /// The alphabet.
    Name,
}
