//! One object.

use clap::Args;
use leakscope_heap::Limits;
use leakscope_model::Addr;

use super::AboutHeap;

/// One object: its type, place, contents by fields, age, who refers to it, what keeps it alive
///
/// ADDR may point anywhere into the object. Contents need a process or a core: a capture holds none.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope heap object 4711 0xc000123456
  leakscope heap object 4711 0xc000123456 --depth 3 --elements 50
  leakscope heap object core.4711 0xc000123456 --exe ./orders --json")]
pub(crate) struct ObjectArgs {
    #[command(flatten)]
    pub(crate) about: AboutHeap,
    /// An address in hex
    #[arg(value_name = "ADDR", value_parser = address)]
    pub(crate) addr: Addr,
    /// References that are followed one behind the other: pointers, slices, maps, interfaces
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=32))]
    pub(crate) depth: u32,
    /// Elements shown of each slice, array, map and channel
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub(crate) elements: u64,
    /// Bytes shown of each text
    #[arg(long, default_value_t = 120, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=16_777_216))]
    pub(crate) text: u64,
    /// Referrers shown
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub(crate) referrers: usize,
}

impl ObjectArgs {
    /// How much of the contents is read.
    pub(crate) fn limits(&self) -> Limits {
        const NODES: u32 = 200_000;
        Limits { depth: self.depth, elements: self.elements, text: self.text, nodes: NODES }
    }
}

/// `0xc000123456`; the `0x` may be left out.
pub(crate) fn address(word: &str) -> Result<Addr, String> {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")).unwrap_or(word);
    let plain = !digits.starts_with(['+', '-']);
    u64::from_str_radix(digits, 16)
        .ok()
        .filter(|_| plain)
        .map(Addr::new)
        .ok_or_else(|| format!("{word} is no address in hex"))
}
