//! Little-endian integers and Go varints out of byte slices; `None` where the slice ends.

/// The byte at `offset`.
pub(crate) fn u8_at(bytes: &[u8], offset: usize) -> Option<u8> {
    bytes.get(offset).copied()
}

/// Four bytes at `offset`.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let word = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

/// Four bytes at `offset`, signed.
pub(crate) fn i32_at(bytes: &[u8], offset: usize) -> Option<i32> {
    u32_at(bytes, offset).map(u32::cast_signed)
}

/// Eight bytes at `offset`.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let word = bytes.get(offset..offset.checked_add(8)?)?;
    Some(u64::from_le_bytes(word.try_into().ok()?))
}

/// An unsigned varint at `offset` (`encoding/binary`) and the offset behind it; at most ten bytes.
pub(crate) fn uvarint_at(bytes: &[u8], offset: usize) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.get(offset..)?.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index as u32).min(63);
        if byte & 0x80 == 0 {
            return Some((value, offset + index + 1));
        }
    }
    None
}

/// The text from `offset` up to the next zero byte; `None` if it is no UTF-8 or has no end.
pub(crate) fn c_str_at(bytes: &[u8], offset: usize) -> Option<&str> {
    let rest = bytes.get(offset..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn varints_as_encoding_binary_writes_them() {
        assert_eq!(uvarint_at(&[0x2a], 0), Some((42, 1)));
        assert_eq!(uvarint_at(&[0xac, 0x02, 0xff], 0), Some((300, 2)));
        assert_eq!(uvarint_at(&[0x80], 0), None);
        assert_eq!(uvarint_at(&[0xff; 16], 0), None);
    }

    #[test]
    fn text_needs_its_zero() {
        assert_eq!(c_str_at(b"main.main\0x", 0), Some("main.main"));
        assert_eq!(c_str_at(b"main.main", 0), None);
    }

    proptest! {
        #[test]
        fn no_offset_panics(bytes: Vec<u8>, offset: usize) {
            let _ = (u8_at(&bytes, offset), u32_at(&bytes, offset));
            let _ = (u64_at(&bytes, offset), uvarint_at(&bytes, offset), c_str_at(&bytes, offset));
        }
    }
}
