//! Pointer masks that the compiler wrote as a small program, to save room (`runtime.runGCProg`); up to Go 1.23
//! for large types, and for the globals of every version.

use crate::integers::{u8_at, uvarint_at};

/// The longest mask that is made, in bits: that of 128 MB of pointers.
const MAX_BITS: usize = 1 << 24;

/// Runs the program at the start of `program` until it ends or has made `bits` bits; answers with the mask, lowest
/// bit of the lowest byte first, zeros behind what the program made.
///
/// `None` where the program runs off its bytes, repeats what it has not made, or is asked for more than fits.
pub fn expand(program: &[u8], bits: usize) -> Option<Vec<u8>> {
    if bits > MAX_BITS {
        return None;
    }
    let mut mask = Mask { bytes: vec![0; bits.div_ceil(8)], len: 0, limit: bits };
    let mut at = 0;
    while mask.len < mask.limit {
        let instruction = u8_at(program, at)?;
        at += 1;
        let count = usize::from(instruction & 0x7f);
        match (instruction & 0x80 != 0, count) {
            (false, 0) => break,
            (false, count) => {
                for bit in 0..count {
                    mask.push(u8_at(program, at + bit / 8)? >> (bit % 8) & 1 != 0);
                }
                at += count.div_ceil(8);
            }
            (true, count) => at = repeat(&mut mask, program, at, count)?,
        }
    }
    Some(mask.bytes)
}

/// Repeats the last `count` bits, or as many as the next varint says where `count` is 0; answers with the offset
/// of the next instruction.
fn repeat(mask: &mut Mask, program: &[u8], at: usize, count: usize) -> Option<usize> {
    let (count, at) = match count {
        0 => uvarint_at(program, at).and_then(|(count, at)| Some((usize::try_from(count).ok()?, at)))?,
        count => (count, at),
    };
    let (times, at) = uvarint_at(program, at)?;
    let start = mask.len.checked_sub(count).filter(|_| count > 0)?;
    let total = usize::try_from(times).ok()?.saturating_mul(count).min(mask.limit - mask.len);
    for index in 0..total {
        let bit = mask.get(start + index);
        mask.push(bit);
    }
    Some(at)
}

/// Bits made so far.
struct Mask {
    bytes: Vec<u8>,
    len: usize,
    limit: usize,
}

impl Mask {
    fn get(&self, index: usize) -> bool {
        self.bytes.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 != 0)
    }

    fn push(&mut self, bit: bool) {
        if self.len < self.limit {
            if let Some(byte) = self.bytes.get_mut(self.len / 8) {
                *byte |= u8::from(bit) << (self.len % 8);
            }
            self.len += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literal_bits_then_a_repeat_of_them() {
        // Three bits 101, repeated four times: fifteen bits in all.
        assert_eq!(expand(&[3, 0b101, 0x83, 4, 0], 15), Some(vec![0b0110_1101, 0b0101_1011]));
    }

    #[test]
    fn a_repeat_count_in_a_varint() {
        assert_eq!(expand(&[1, 1, 0x80, 1, 9, 0], 16), Some(vec![0xff, 0b11]));
    }

    #[test]
    fn a_program_that_repeats_what_it_has_not_made_is_refused() {
        assert_eq!(expand(&[1, 1, 0x85, 2, 0], 64), None);
        assert_eq!(expand(&[8], 64), None);
    }

    proptest! {
        #[test]
        fn arbitrary_programs_end(program: Vec<u8>, bits in 0usize..4096) {
            if let Some(mask) = expand(&program, bits) {
                prop_assert_eq!(mask.len(), bits.div_ceil(8));
            }
        }
    }
}
