//! Who keeps objects alive.

use clap::Args;

use super::{AboutHeap, Subject};

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
