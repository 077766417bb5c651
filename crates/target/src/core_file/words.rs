//! Little-endian words at an offset of a byte slice; `None` beyond its end.

/// The `len` bytes at `offset`.
pub(super) fn slice_at(bytes: &[u8], offset: u64, len: u64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(usize::try_from(len).ok()?)?;
    bytes.get(start..end)
}

/// The 16-bit word at `offset`.
pub(super) fn u16_at(bytes: &[u8], offset: u64) -> Option<u16> {
    Some(u16::from_le_bytes(slice_at(bytes, offset, 2)?.try_into().ok()?))
}

/// The 32-bit word at `offset`.
pub(super) fn u32_at(bytes: &[u8], offset: u64) -> Option<u32> {
    Some(u32::from_le_bytes(slice_at(bytes, offset, 4)?.try_into().ok()?))
}

/// The 64-bit word at `offset`.
pub(super) fn u64_at(bytes: &[u8], offset: u64) -> Option<u64> {
    Some(u64::from_le_bytes(slice_at(bytes, offset, 8)?.try_into().ok()?))
}

/// The text up to the first NUL, or all of it.
pub(super) fn text_until_nul(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or(bytes)).into_owned()
}
