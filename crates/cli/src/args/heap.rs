//! Questions to the heap.

use std::str::FromStr;

use clap::{Args, Subcommand};
use leakscope_model::Addr;

use super::{Access, OutputArgs, TargetWord};

/// Ask the heap: types, objects, who retains them, what would be freed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap summary 4711
  leakscope heap types 4711 --limit 20
  leakscope heap find 4711 -type '*user.OrderCache'
  leakscope heap list 4711 -min 10000000
  leakscope heap why 4711 0xc000123456
  leakscope heap why core.4711 context.timerCtx --exe ./orders")]
pub(crate) struct HeapArgs {
    #[command(subcommand)]
    pub(crate) question: HeapQuestion,
}

/// One question.
#[derive(Debug, Subcommand)]
pub(crate) enum HeapQuestion {
    /// How many objects there are, how many are reachable, and how they were read
    Summary(AboutHeap),
    /// Every type with its objects, bytes, and what they retain; the most bytes first
    Types(TypesArgs),
    /// The objects of a type
    Find(FindArgs),
    /// The largest objects
    List(ListArgs),
    /// What keeps an object, or the objects of a type, alive
    Why(WhyArgs),
    /// The objects that retain most
    Dominators(ListArgs),
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

#[derive(Debug, Args)]
pub(crate) struct TypesArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct FindArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// The type, with or without its package path and leading star
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) ty: String,
    /// Only objects of at least this many bytes
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub(crate) min: u64,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// Only objects of at least this many bytes
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    pub(crate) min: u64,
    /// Rows
    #[arg(long, default_value_t = 40, value_name = "N")]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// An address in hex (0xc000123456) or a type
    #[arg(value_name = "ADDR|TYPE")]
    pub(crate) subject: Subject,
    /// Different paths
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) limit: usize,
}

/// One object, or all of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Any address in the object.
    Object(Addr),
    /// The type's name.
    Type(String),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(word: &str) -> Result<Subject, String> {
        match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16)
                .map(|raw| Subject::Object(Addr::new(raw)))
                .map_err(|_| format!("{word} is no address in hex")),
            None => Ok(Subject::Type(word.to_owned())),
        }
    }
}
