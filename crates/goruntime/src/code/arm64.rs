//! Instructions of arm64 as steps. Those that compilers move addresses with are followed; of all others it is known
//! what they may write.

use super::step::{Place, Placed, Register, Step};

/// The stack pointer, and in other places the register that is always 0.
const SP: Register = 31;
/// Bytes of an instruction.
const WIDTH: u64 = 4;

/// The steps of the code that the linker placed at `at`, in order.
pub(super) fn steps(code: &[u8], at: u64) -> Vec<Placed> {
    let mut steps = Vec::with_capacity(code.len() / 4);
    for (word, place) in
        code.as_chunks::<4>().0.iter().zip((0u64..).map(|index| at.wrapping_add(index * WIDTH)))
    {
        let word = u32::from_le_bytes(*word);
        decode(word, place, |step| steps.push(Placed { at: place, next: place.wrapping_add(WIDTH), step }));
    }
    steps
}

fn decode(word: u32, at: u64, mut take: impl FnMut(Step)) {
    if let Some(step) = control(word, at).or_else(|| address(word, at)) {
        return take(step);
    }
    if word & 0x0a00_0000 == 0x0800_0000 {
        return memory(word, take);
    }
    // Data processing writes at most the register in its lowest bits; vectors may come down into one.
    take(Step::Forget(1 << register(word, 0)));
}

/// Branches, calls, returns and traps.
fn control(word: u32, at: u64) -> Option<Step> {
    let target = |bits: u32, low: u32| at.wrapping_add_signed(signed(word >> low, bits) * 4);
    Some(match word {
        word if word & 0xfc00_0000 == 0x9400_0000 => Step::Call(Some(target(26, 0))),
        word if word & 0xfc00_0000 == 0x1400_0000 => Step::Jump(Some(target(26, 0))),
        word if word & 0xff00_0010 == 0x5400_0000 => Step::Branch(target(19, 5)),
        word if word & 0x7e00_0000 == 0x3400_0000 => Step::Branch(target(19, 5)),
        word if word & 0x7e00_0000 == 0x3600_0000 => Step::Branch(target(14, 5)),
        word if word & 0xffff_fc1f == 0xd63f_0000 => Step::Call(None),
        word if word & 0xffff_fc1f == 0xd61f_0000 => Step::Jump(None),
        word if word & 0xffff_fc1f == 0xd65f_0000 => Step::Return,
        // BRK, UDF.
        word if word & 0xffe0_001f == 0xd420_0000 || word & 0xffff_0000 == 0 => Step::Stop,
        _ => return None,
    })
}

/// How addresses and their copies are made.
fn address(word: u32, at: u64) -> Option<Step> {
    let to = register(word, 0);
    let from = register(word, 5);
    match word {
        // ADRP.
        word if word & 0x9f00_0000 == 0x9000_0000 => {
            let pages = signed(word >> 5, 19) << 2 | i64::from(word >> 29 & 3);
            Some(Step::Constant { to, value: (at & !0xfff).wrapping_add_signed(pages << 12) })
        }
        // ADD and SUB of a number, without a shift.
        word if word & 0xffc0_0000 == 0x9100_0000 && to != SP && from != SP => {
            Some(Step::Copy { to, from, plus: i64::from(word >> 10 & 0xfff) })
        }
        word if word & 0xffc0_0000 == 0x9100_0000 && to != SP => {
            Some(Step::StackAddress { to, above: i64::from(word >> 10 & 0xfff) })
        }
        // MOV of a register, which is ORR with zero.
        word if word & 0xffe0_ffe0 == 0xaa00_03e0 => {
            let from = register(word, 16);
            Some(if from == SP { Step::Constant { to, value: 0 } } else { Step::Copy { to, from, plus: 0 } })
        }
        // MOVZ.
        word if word & 0xff80_0000 == 0xd280_0000 => {
            let value = u64::from(word >> 5 & 0xffff) << (16 * (word >> 21 & 3));
            Some(Step::Constant { to, value })
        }
        _ => None,
    }
}

/// Loads and stores.
fn memory(word: u32, mut take: impl FnMut(Step)) {
    let (first, base, second) = (register(word, 0), register(word, 5), register(word, 10));
    let at = |offset: i64| if base == SP { Place::Stack(offset) } else { Place::Behind(base, offset) };
    let load = |to, from| if to == SP { Step::Forget(0) } else { Step::Load { to, from } };
    let store =
        |to, from| if from == SP { Step::Overwrite { to, bytes: 8 } } else { Step::Store { to, from } };
    match word {
        // LDR, STR of a word with an unsigned offset.
        word if word & 0xffc0_0000 == 0xf940_0000 => take(load(first, at(i64::from(word >> 10 & 0xfff) * 8))),
        word if word & 0xffc0_0000 == 0xf900_0000 => {
            take(store(at(i64::from(word >> 10 & 0xfff) * 8), first))
        }
        // LDUR, STUR.
        word if word & 0xffe0_0c00 == 0xf840_0000 => take(load(first, at(signed(word >> 12, 9)))),
        word if word & 0xffe0_0c00 == 0xf800_0000 => take(store(at(signed(word >> 12, 9)), first)),
        // LDP, STP of two words.
        word if word & 0xffc0_0000 == 0xa940_0000 => {
            let offset = signed(word >> 15, 7) * 8;
            let mut both = [(first, offset), (second, offset + 8)];
            // The base may be the first to be loaded.
            if first == base {
                both.reverse();
            }
            both.into_iter().for_each(|(to, offset)| take(load(to, at(offset))));
        }
        word if word & 0xffc0_0000 == 0xa900_0000 => {
            let offset = signed(word >> 15, 7) * 8;
            take(store(at(offset), first));
            take(store(at(offset + 8), second));
        }
        _ => other_memory(word, take),
    }
}

/// A load or store of another width or form: of which is known at least what it may write.
fn other_memory(word: u32, mut take: impl FnMut(Step)) {
    take(Step::Overwrite { to: Place::Unknown, bytes: 16 });
    let names = [0, 5, 10, 16].map(|low| register(word, low)).into_iter().filter(|register| *register != SP);
    take(Step::Forget(names.fold(0, |mask, register| mask | 1 << register)));
}

fn register(word: u32, low: u32) -> Register {
    u8::try_from(word >> low & 0x1f).unwrap_or(SP)
}

/// The lowest `bits` as a number with a sign.
fn signed(word: u32, bits: u32) -> i64 {
    let high = 64 - bits;
    (u64::from(word) << high).cast_signed() >> high
}
