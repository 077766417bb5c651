//! arm64: an instruction makes the address of a page of 4 KB, and the next adds the rest
//! (`cmd/internal/obj/arm64/asm7.go`: Go's assembler writes both as one).

use leakscope_model::LinkAddr;

use super::{CodeReference, Use};
use crate::integers::u32_at;

/// Bytes of an instruction.
const WORD: u64 = 4;

/// What is known of a register before an instruction.
#[derive(Clone, Copy)]
enum Known {
    Nothing,
    /// The instruction before made the address of a page in it.
    Page {
        register: u32,
        page: u64,
    },
    /// The two instructions before made this address in it, the first of them at `at`.
    Whole {
        register: u32,
        address: u64,
        at: u64,
    },
}

pub(super) fn references(start: LinkAddr, bytes: &[u8], mut visit: impl FnMut(CodeReference)) {
    let mut known = Known::Nothing;
    for (offset, index) in (0..bytes.len()).step_by(WORD as usize).zip(0..) {
        let Some(word) = u32_at(bytes, offset) else { return };
        let here = start.get().wrapping_add(WORD.wrapping_mul(index));
        let next = LinkAddr::new(here.wrapping_add(WORD));
        let mut name = |at: u64, to: u64, usage: Use| {
            visit(CodeReference { at: LinkAddr::new(at), next, to: LinkAddr::new(to), usage });
        };
        let mut made = Known::Nothing;
        match known {
            Known::Page { register, page } => {
                let at = here.wrapping_sub(WORD);
                if let Some((address, usage)) = on_page(word, register, page) {
                    name(at, address, usage);
                    if let Use::Address { register } = usage {
                        made = Known::Whole { register: u32::from(register), address, at };
                    }
                }
            }
            Known::Whole { register, address, at } => {
                if let Some(address) = pair_behind(word, register, address) {
                    name(at, address, Use::Memory { width: 8 });
                    name(at, address.wrapping_add(8), Use::Memory { width: 8 });
                }
            }
            Known::Nothing => {}
        }
        if let Some((to, usage)) = branch(word, here) {
            name(here, to, usage);
        }
        known = page_of(word, here).map_or(made, |(register, page)| Known::Page { register, page });
    }
}

/// `ldp` and `stp` of two words behind an address in `register`: where the first of them lies.
fn pair_behind(word: u32, register: u32, address: u64) -> Option<u64> {
    if word & 0xff80_0000 != 0xa900_0000 || word >> 5 & 31 != register {
        return None;
    }
    Some(address.wrapping_add_signed(i64::from(signed(word >> 15 & 0x7f, 7)) << 3))
}

/// `adrp`: the register and the page that it makes.
fn page_of(word: u32, at: u64) -> Option<(u32, u64)> {
    if word & 0x9f00_0000 != 0x9000_0000 {
        return None;
    }
    let pages = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
    let pages = i64::from(signed(pages, 21));
    Some((word & 31, (at & !0xfff).wrapping_add_signed(pages << 12)))
}

/// What an instruction that goes on from a page in `register` names.
fn on_page(word: u32, register: u32, page: u64) -> Option<(u64, Use)> {
    if word >> 5 & 31 != register {
        return None;
    }
    let immediate = u64::from(word >> 10 & 0xfff);
    // add, 64 bits, with an immediate that may be shifted by 12.
    if word & 0xff80_0000 == 0x9100_0000 {
        let shift = if word & 1 << 22 == 0 { 0 } else { 12 };
        let usage = Use::Address { register: (word & 31) as u8 };
        return Some((page.wrapping_add(immediate << shift), usage));
    }
    // ldr and str of all widths, floating point too, with an immediate that counts in that width.
    if word & 0x3b00_0000 == 0x3900_0000 {
        let is_vector = word & 1 << 26 != 0 && word & 1 << 23 != 0;
        let scale = if is_vector { 4 } else { word >> 30 };
        return Some((page.wrapping_add(immediate << scale), Use::Memory { width: 1 << scale }));
    }
    None
}

/// `bl` and the branches with a fixed target.
fn branch(word: u32, at: u64) -> Option<(u64, Use)> {
    let to = |bits: u32, width: u32| at.wrapping_add_signed(i64::from(signed(bits, width)) << 2);
    match word >> 26 {
        0b10_0101 => Some((to(word & 0x3ff_ffff, 26), Use::Call)),
        0b00_0101 => Some((to(word & 0x3ff_ffff, 26), Use::Jump)),
        // b.cond, cbz and cbnz
        _ if word >> 24 == 0x54 || word & 0x7e00_0000 == 0x3400_0000 => {
            Some((to(word >> 5 & 0x7_ffff, 19), Use::Jump))
        }
        // tbz and tbnz
        _ if word & 0x7e00_0000 == 0x3600_0000 => Some((to(word >> 5 & 0x3fff, 14), Use::Jump)),
        _ => None,
    }
}

/// The lowest `width` bits as a signed number.
fn signed(bits: u32, width: u32) -> i32 {
    let unused = 32 - width;
    (bits << unused).cast_signed() >> unused
}
