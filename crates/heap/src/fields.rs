//! Reads fields of runtime structures out of bytes by their slots: offset and width come from the layout.

use leakscope_goruntime::{Layout, Slot};
use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use crate::error::{HeapError, InField};

/// Bytes of a word, on every processor that we read.
pub(crate) const WORD: u64 = 8;

/// The unsigned number in `slot` of a structure's bytes; `None` where the bytes end before it or it is wider
/// than a word.
pub(crate) fn uint(bytes: &[u8], slot: Slot) -> Option<u64> {
    let start = usize::try_from(slot.offset).ok()?;
    let width = usize::try_from(slot.width).ok()?;
    let field = bytes.get(start..start.checked_add(width)?)?;
    let mut word = [0; 8];
    word.get_mut(..width)?.copy_from_slice(field);
    Some(u64::from_le_bytes(word))
}

/// The word at `offset` of some bytes; 0 behind their end.
pub(crate) fn word_at(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    if let Some(found) = bytes.get(offset..).and_then(|rest| rest.first_chunk::<8>()) {
        word = *found;
    }
    u64::from_le_bytes(word)
}

/// The slot of a field that the walk cannot do without.
pub(crate) fn need(layout: &Layout, path: &'static str) -> Result<Slot, HeapError> {
    layout.need(path).map_err(HeapError::Runtime)
}

/// Reads one number of the structure at `at`: `read_uint(memory, layout, mheap, "mheap.sweepgen")`.
pub(crate) fn read_uint(
    memory: &dyn TargetMemory,
    layout: &Layout,
    at: Addr,
    path: &'static str,
) -> Result<u64, HeapError> {
    read_slot(memory, at, need(layout, path)?, path)
}

/// Reads the number in `slot` of the structure at `at`; `path` is for the error.
pub(crate) fn read_slot(
    memory: &dyn TargetMemory,
    at: Addr,
    slot: Slot,
    path: &'static str,
) -> Result<u64, HeapError> {
    let torn = |why: &str| HeapError::Torn { what: path, at, why: why.to_owned() };
    let width = usize::try_from(slot.width).unwrap_or(usize::MAX);
    let mut word = [0; 8];
    let buf = word.get_mut(..width).ok_or_else(|| torn("wider than a word"))?;
    let field = at.checked_add(slot.offset).ok_or_else(|| torn("beyond the address space"))?;
    memory.read_exact(field, buf).in_field(path, at)?;
    Ok(u64::from_le_bytes(word))
}

/// Whether so much memory at `at` can be: anything up to 16 MB, and more if its first and last byte can be read.
/// Tables are laid out by what structures claim, and a damaged one may claim anything.
pub(crate) fn is_plausible(memory: &dyn TargetMemory, at: Addr, len: u64) -> bool {
    const SMALL: u64 = 16 << 20;
    let reads = |addr: Option<Addr>| addr.is_some_and(|addr| memory.read_exact(addr, &mut [0]).is_ok());
    len <= SMALL || reads(Some(at)) && reads(at.checked_add(len - 1))
}

/// A Go slice's data pointer and length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SliceHead {
    /// The first element.
    pub(crate) data: Addr,
    /// How many there are.
    pub(crate) len: u64,
}

/// Reads a Go slice header at `at` (`runtime/slice.go`); a length above `limit` is torn.
pub(crate) fn read_slice(
    memory: &dyn TargetMemory,
    at: Addr,
    limit: u64,
    path: &'static str,
) -> Result<SliceHead, HeapError> {
    let mut head = [0; 16];
    memory.read_exact(at, &mut head).in_field(path, at)?;
    let slice = SliceHead { data: Addr::new(word_at(&head, 0)), len: word_at(&head, 8) };
    if slice.len > limit {
        return Err(HeapError::Torn { what: path, at, why: format!("{} elements", slice.len) });
    }
    Ok(slice)
}

/// Reads `len` words from `at`.
pub(crate) fn read_words(
    memory: &dyn TargetMemory,
    slice: SliceHead,
    path: &'static str,
) -> Result<Vec<u64>, HeapError> {
    const CHUNK: u64 = 1 << 16;
    let mut words = Vec::new();
    let mut buffer = Vec::new();
    let mut done = 0;
    while done < slice.len {
        let count = CHUNK.min(slice.len - done);
        let torn =
            || HeapError::Torn { what: path, at: slice.data, why: "beyond the address space".to_owned() };
        let at = slice.data.checked_add(done * 8).ok_or_else(torn)?;
        buffer.resize(usize::try_from(count * 8).unwrap_or(0), 0);
        memory.read_exact(at, &mut buffer).in_field(path, at)?;
        words.extend(buffer.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)));
        done += count;
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_target::Image;

    #[test]
    fn the_width_comes_from_the_slot() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(uint(&bytes, Slot { offset: 1, width: 2 }), Some(0x0302));
        assert_eq!(uint(&bytes, Slot { offset: 1, width: 8 }), Some(0x0908_0706_0504_0302));
        assert_eq!(uint(&bytes, Slot { offset: 2, width: 8 }), None);
        assert_eq!(uint(&bytes, Slot { offset: 0, width: 9 }), None);
        assert_eq!(word_at(&bytes, 4), 0);
    }

    #[test]
    fn a_slice_too_long_is_torn() {
        let mut bytes = 0x2000u64.to_le_bytes().to_vec();
        bytes.extend(500u64.to_le_bytes());
        let image = Image::new(Addr::new(0x1000), bytes);
        let err = read_slice(&image, Addr::new(0x1000), 499, "mheap.allspans").unwrap_err();
        assert_eq!(err.to_string(), "mheap.allspans at 0x1000: 500 elements");
        assert_eq!(read_slice(&image, Addr::new(0x1000), 500, "mheap.allspans").unwrap().len, 500);
    }
}
