//! One trait between the readers and a core file, a live process, a snapshot or a test image.

use leakscope_model::Addr;

use crate::error::ReadError;

/// The memory of one stopped, snapshotted or dead process.
///
/// Implementors answer with bytes or with the address at which they had none; they never panic on a wild
/// address. Reads may cross segment borders.
pub trait TargetMemory: Send + Sync {
    /// Fills all of `buf` from `addr`.
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError>;

    /// Bytes borrowed straight from the image, where the backing allows it.
    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let _ = (addr, len);
        None
    }

    /// Fills several ranges at once, each `(address, destination)`; answers for each whether it was filled whole.
    ///
    /// One call costs a live snapshot one system call for up to a thousand ranges.
    fn read_many(&self, ranges: &mut [(Addr, &mut [u8])]) -> Vec<Result<(), ReadError>> {
        ranges.iter_mut().map(|(addr, buf)| self.read_exact(*addr, buf)).collect()
    }
}

/// Reads one little-endian word; both Linux ports of Go that we read are little-endian.
pub fn read_u64(mem: &dyn TargetMemory, addr: Addr) -> Result<u64, ReadError> {
    let mut word = [0; 8];
    mem.read_exact(addr, &mut word)?;
    Ok(u64::from_le_bytes(word))
}

/// A target held in one vector: what unit tests and fuzz targets read from.
#[derive(Debug, Clone)]
pub struct Image {
    base: Addr,
    bytes: Vec<u8>,
}

impl Image {
    /// An image whose first byte lies at `base`.
    pub fn new(base: Addr, bytes: Vec<u8>) -> Image {
        Image { base, bytes }
    }
}

impl TargetMemory for Image {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let bytes = self.borrow(addr, buf.len()).ok_or(ReadError::unmapped(addr, buf.len()))?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(addr.offset_from(self.base)?).ok()?;
        self.bytes.get(start..start.checked_add(len)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_read_past_the_image_names_its_address() {
        let image = Image::new(Addr::new(0xc000), vec![1; 12]);
        assert!(read_u64(&image, Addr::new(0xc000)).is_ok());
        let err = read_u64(&image, Addr::new(0xc008)).unwrap_err();
        assert_eq!(err.to_string(), "cannot read 8 bytes at 0xc008: not mapped");
    }

    proptest! {
        #[test]
        fn no_read_panics(base: u64, addr: u64, len in 0usize..64, bytes: Vec<u8>) {
            let image = Image::new(Addr::new(base), bytes);
            let _ = image.read_exact(Addr::new(addr), &mut vec![0; len]);
        }
    }
}
