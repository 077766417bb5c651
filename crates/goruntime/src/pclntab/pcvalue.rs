//! Tables of values over ranges of code (`runtime.pcvalue`, `runtime.step`): the delta encoding that stack
//! depth, file, line, stack map index and inline index share.

use crate::integers::u8_at;

/// The runs of one table: each value with the end of the code that it covers.
///
/// Code is counted in bytes from the function's entry. The encoding is a pair of varints a run: a zigzag delta of
/// the value, then a delta of the code in instruction quanta; a zero value delta ends it, save for the first run.
#[derive(Debug, Clone)]
pub(crate) struct Runs<'b> {
    table: &'b [u8],
    at: usize,
    code: u64,
    value: i32,
    quantum: u64,
    first: bool,
}

impl<'b> Runs<'b> {
    /// The runs of the table whose first byte is the first of `table`; `quantum` is `pcHeader.minLC`.
    pub(crate) fn new(table: &'b [u8], quantum: u8) -> Runs<'b> {
        Runs { table, at: 0, code: 0, value: -1, quantum: u64::from(quantum), first: true }
    }

    /// The value that covers `code` bytes behind the entry, or `None` where no run does.
    pub(crate) fn value_at(self, code: u64) -> Option<i32> {
        self.into_iter().find(|(end, _)| code < *end).map(|(_, value)| value)
    }

    /// `runtime.readvarint`: 32 bits, the rest of a longer number is dropped.
    fn varint(&mut self) -> Option<u32> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = u8_at(self.table, self.at)?;
            self.at += 1;
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

impl Iterator for Runs<'_> {
    /// Where the run ends, in bytes of code behind the entry, and its value.
    type Item = (u64, i32);

    fn next(&mut self) -> Option<(u64, i32)> {
        let delta = self.varint()?;
        if delta == 0 && !self.first {
            self.table = &[];
            return None;
        }
        self.first = false;
        let zigzag = (delta >> 1).cast_signed() ^ -(delta & 1).cast_signed();
        self.value = self.value.wrapping_add(zigzag);
        let code = u64::from(self.varint()?);
        self.code = self.code.checked_add(code.checked_mul(self.quantum)?)?;
        Some((self.code, self.value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Value 0 for 4 bytes, 24 for 16, 0 for 1: the stack depth of a small amd64 function.
    const TABLE: &[u8] = &[0x02, 0x04, 0x30, 0x10, 0x2f, 0x01, 0x00];

    #[test]
    fn each_value_covers_its_code() {
        let at = |code| Runs::new(TABLE, 1).value_at(code);
        assert_eq!([at(0), at(3), at(4), at(19), at(20)], [Some(0), Some(0), Some(24), Some(24), Some(0)]);
        assert_eq!(at(21), None, "behind the last run there is no value");
    }

    #[test]
    fn code_is_counted_in_quanta() {
        assert_eq!(Runs::new(TABLE, 4).value_at(15), Some(0));
        assert_eq!(Runs::new(TABLE, 4).value_at(16), Some(24));
    }

    #[test]
    fn a_first_delta_of_zero_is_a_value() {
        assert_eq!(Runs::new(&[0x00, 0x05, 0x00], 1).value_at(2), Some(-1));
    }

    proptest! {
        #[test]
        fn arbitrary_tables_end(bytes: Vec<u8>, quantum: u8) {
            prop_assert!(Runs::new(&bytes, quantum).count() <= bytes.len());
        }
    }
}
