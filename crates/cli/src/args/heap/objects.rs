//! Lists of objects.

use clap::Args;
use leakscope_heap::TypePattern;

use super::AboutHeap;
use crate::args::size;

/// The objects of a type
///
/// TYPE is a name with or without its package path (`user.OrderCache`, `OrderCache`), an instance of a generic type
/// (`List[int]`, `List[*]`), a glob where no type goes by that name (`*Cache`, `main.?ode*`), or a regular expression
/// between slashes. Those that retain most come first.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap find 4711 -type '*user.OrderCache'
  leakscope heap find 4711 -type 'List[*]' --min 1KiB --limit 10
  leakscope heap find core.4711 --exe ./orders -type '/Order(Cache|Index)$/' --all --json")]
pub(crate) struct FindArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// The type: a name, a glob, or a regular expression between slashes
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: String,
    /// Take TYPE for a regular expression
    #[arg(long)]
    pub(crate) regex: bool,
    #[command(flatten)]
    pub(crate) which: WhichObjects,
    /// Only objects of at least this size: 4096, 10MB, 1GiB
    #[arg(long, default_value = "0", value_name = "SIZE", value_parser = size)]
    pub(crate) min: u64,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

impl FindArgs {
    /// The types that are meant.
    pub(crate) fn pattern(&self) -> Result<TypePattern, String> {
        if self.regex { TypePattern::regex(&self.ty) } else { TypePattern::parse(&self.ty) }
    }
}

/// Reachable ones, garbage, or both.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct WhichObjects {
    /// Only objects that a root leads to (the default)
    #[arg(long)]
    pub(crate) reachable: bool,
    /// Only objects that nothing leads to: the next collection frees them
    #[arg(long)]
    pub(crate) garbage: bool,
    /// Both
    #[arg(long)]
    pub(crate) all: bool,
}

impl WhichObjects {
    /// Whether an object is meant that is reachable or not.
    pub(crate) fn holds(&self, reachable: bool) -> bool {
        self.all || reachable != self.garbage
    }
}

/// The largest objects by their own size, whatever they retain
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap list 4711 -min 10MB
  leakscope heap list 4711 -min 1GiB --all --json")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    #[command(flatten)]
    pub(crate) which: WhichObjects,
    /// Only objects of at least this size: 4096, 10MB, 1GiB
    #[arg(long, default_value = "0", value_name = "SIZE", value_parser = size)]
    pub(crate) min: u64,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}
