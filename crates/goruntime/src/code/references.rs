//! Which functions compute or use given addresses, by a look at the bytes of all code.
#![allow(clippy::indexing_slicing, reason = "numbers of registers, five bits, index a list of all 32")]

use std::ops::Range;

use leakscope_model::LinkAddr;

use super::step::{Place, Placed, Step};
use crate::elf::Arch;
use crate::pclntab::{Func, FuncTable};

/// Addresses that are looked for, in order, each once.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    addresses: Vec<u64>,
    /// An address up to so many bytes below one of them counts too: that of the variable which holds it.
    below: u64,
}

impl Wanted {
    pub(super) fn new(addresses: impl IntoIterator<Item = LinkAddr>, below: u64) -> Wanted {
        let mut addresses: Vec<u64> = addresses.into_iter().map(LinkAddr::get).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Wanted { addresses, below }
    }

    /// Those that an address counts for.
    pub(super) fn meant_by(&self, address: u64) -> &[u64] {
        let from = self.addresses.partition_point(|wanted| *wanted < address);
        let end = address.saturating_add(self.below);
        let rest = self.addresses.get(from..).unwrap_or_default();
        rest.get(..rest.partition_point(|wanted| *wanted <= end)).unwrap_or_default()
    }

    fn first(&self) -> u64 {
        self.addresses.first().map_or(0, |first| first.saturating_sub(self.below))
    }

    /// From the first that may count to behind the last.
    fn span(&self) -> u64 {
        self.addresses.last().map_or(0, |last| last.saturating_add(1).saturating_sub(self.first()))
    }
}

/// The functions whose bytes may hold one of the addresses, in order: which of them do, their instructions tell.
pub(super) fn functions<'b>(functions: &FuncTable<'b>, arch: Arch, wanted: &Wanted) -> Vec<Func<'b>> {
    let holds = match arch {
        Arch::Amd64 => holds_displacement,
        Arch::Arm64 => holds_page,
    };
    let all = functions.functions();
    all.filter(|function| {
        let code = functions.code_of(function).unwrap_or_default();
        holds(code, function.entry.get(), wanted)
    })
    .collect()
}

/// Whether four bytes lead from behind them to a wanted address. An instruction's displacement is its last part,
/// unless a number follows, as in comparisons; those move no addresses.
fn holds_displacement(code: &[u8], at: u64, wanted: &Wanted) -> bool {
    let (first, span) = (wanted.first(), wanted.span());
    code.windows(4).zip(at.wrapping_add(4)..).any(|(bytes, behind)| {
        let displacement = bytes.first_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
        let target = behind.wrapping_add_signed(i64::from(displacement));
        target.wrapping_sub(first) < span && !wanted.meant_by(target).is_empty()
    })
}

/// Whether an `ADRP` names the page of a wanted address.
fn holds_page(code: &[u8], at: u64, wanted: &Wanted) -> bool {
    code.as_chunks::<4>().0.iter().zip((at..).step_by(4)).any(|(word, at)| {
        let word = u32::from_le_bytes(*word);
        let Some(page) = page_of(word, at) else { return false };
        let end = page.wrapping_add(0xfff);
        let from = wanted.addresses.partition_point(|wanted| *wanted < page);
        wanted.addresses.get(from).is_some_and(|found| *found <= end.saturating_add(wanted.below))
    })
}

/// Every address in `range` that the code of these functions computes: of all type descriptors those that it hands to
/// the allocator are among them. In order, each once.
pub fn addresses_in(functions: &FuncTable<'_>, arch: Arch, range: &Range<LinkAddr>) -> Vec<LinkAddr> {
    let collect = match arch {
        Arch::Amd64 => loaded_addresses,
        Arch::Arm64 => paged_addresses,
    };
    let mut found = Vec::new();
    for function in functions.functions() {
        let code = functions.code_of(&function).unwrap_or_default();
        collect(code, function.entry.get(), &mut |at| {
            let at = LinkAddr::new(at);
            if range.contains(&at) {
                found.push(at);
            }
        });
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// `LEA` of an address relative to the next instruction: a prefix for 64 bits, the code, the register, the distance.
fn loaded_addresses(code: &[u8], at: u64, take: &mut dyn FnMut(u64)) {
    for (bytes, next) in code.windows(7).zip(at.wrapping_add(7)..) {
        if let [0x48 | 0x4c, 0x8d, register, distance @ ..] = bytes
            && register & 0xc7 == 5
            && let Some(distance) = distance.first_chunk::<4>()
        {
            take(next.wrapping_add_signed(i64::from(i32::from_le_bytes(*distance))));
        }
    }
}

/// `ADRP` and the next `ADD` to the same register, which follows soon.
fn paged_addresses(code: &[u8], at: u64, take: &mut dyn FnMut(u64)) {
    const SOON: usize = 16;
    let mut pages: [Option<(u64, usize)>; 32] = [None; 32];
    for (index, (word, at)) in code.as_chunks::<4>().0.iter().zip((at..).step_by(4)).enumerate() {
        let word = u32::from_le_bytes(*word);
        let register = |low: u32| (word >> low & 0x1f) as usize;
        if let Some(page) = page_of(word, at) {
            pages[register(0)] = Some((page, index));
        } else if word & 0xffc0_0000 == 0x9100_0000
            && let Some((page, since)) = pages[register(5)]
            && index - since <= SOON
        {
            take(page.wrapping_add(u64::from(word >> 10 & 0xfff)));
        }
    }
}

/// The page that an `ADRP` at `at` names.
fn page_of(word: u32, at: u64) -> Option<u64> {
    let pages = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    let pages = i64::from((pages << 11).cast_signed() >> 11);
    (word & 0x9f00_0000 == 0x9000_0000).then(|| (at & !0xfff).wrapping_add_signed(pages << 12))
}

/// The addresses that a step names.
pub(super) fn named(placed: &Placed) -> Option<u64> {
    match placed.step {
        Step::Constant { value, .. } => Some(value),
        Step::Load { from: Place::At(at), .. } => Some(at),
        Step::Store { to: Place::At(at), .. } | Step::Overwrite { to: Place::At(at), .. } => Some(at),
        _ => None,
    }
}
