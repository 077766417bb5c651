//! Lists of objects.

use clap::Args;

use super::AboutHeap;

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
