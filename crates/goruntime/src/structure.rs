//! One structure of the runtime, read whole and then asked by field name.

use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use crate::error::RuntimeError;
use crate::layout::{Layout, Slot};

/// The largest structure that is read whole, in bytes: `runtime.mheap` is the largest of all and stays below.
const MAX_SIZE: u64 = 1 << 24;

/// The bytes of one structure and the layout that tells its fields.
#[derive(Debug)]
pub struct Structure<'l> {
    /// Where it stands.
    pub at: Addr,
    layout: &'l Layout,
    bytes: Vec<u8>,
}

/// A slice header as it stands in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SliceHeader {
    /// The first element.
    pub data: Addr,
    /// How many elements it has.
    pub len: u64,
    /// For how many there is room.
    pub capacity: u64,
}

impl<'l> Structure<'l> {
    /// Reads structure `name` (as the layout calls it) at `at`.
    pub fn read(
        memory: &dyn TargetMemory,
        layout: &'l Layout,
        name: &'static str,
        at: Addr,
    ) -> Result<Structure<'l>, RuntimeError> {
        let size = layout.size(name).filter(|size| *size <= MAX_SIZE);
        let size = size.and_then(|size| usize::try_from(size).ok());
        let mut bytes = vec![0; size.ok_or_else(|| RuntimeError::MissingSlot(name.to_owned()))?];
        memory.read_exact(at, &mut bytes).map_err(|source| RuntimeError::Field { path: name, at, source })?;
        Ok(Structure { at, layout, bytes })
    }

    /// The unsigned number in a field that must be there.
    pub fn uint(&self, path: &'static str) -> Result<u64, RuntimeError> {
        let slot = self.layout.need(path)?;
        self.bits(slot).ok_or_else(|| {
            RuntimeError::MissingSlot(format!("{path}, wider than a word or outside of its structure"))
        })
    }

    /// The address in a field that must be there.
    pub fn addr(&self, path: &'static str) -> Result<Addr, RuntimeError> {
        self.uint(path).map(Addr::new)
    }

    /// The slice header in a field that must be there.
    pub fn slice(&self, path: &'static str) -> Result<SliceHeader, RuntimeError> {
        let slot = self.layout.need(path)?;
        let word = |index: u64| self.bits(Slot { offset: slot.offset.checked_add(index * 8)?, width: 8 });
        let header = word(0).zip(word(1)).zip(word(2));
        let header =
            header.map(|((data, len), capacity)| SliceHeader { data: Addr::new(data), len, capacity });
        header.ok_or_else(|| RuntimeError::MissingSlot(format!("{path}, outside of its structure")))
    }

    /// The number at a slot of at most eight bytes.
    fn bits(&self, slot: Slot) -> Option<u64> {
        let (start, width) = (usize::try_from(slot.offset).ok()?, usize::try_from(slot.width).ok()?);
        let bytes = self.bytes.get(start..start.checked_add(width)?)?;
        let mut word = [0; 8];
        word.get_mut(..width)?.copy_from_slice(bytes);
        Some(u64::from_le_bytes(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_target::Image;

    fn layout() -> Layout {
        let mut layout = Layout::default();
        layout.sizes.insert("mspan".to_owned(), 40);
        layout.slots.insert("mspan.nelems".to_owned(), Slot { offset: 2, width: 2 });
        layout.slots.insert("mspan.list".to_owned(), Slot { offset: 16, width: 24 });
        layout.slots.insert("mspan.far".to_owned(), Slot { offset: 36, width: 8 });
        layout
    }

    #[test]
    fn fields_take_their_width_from_the_layout() {
        let memory = Image::new(Addr::new(0x1000), (0u8..40).collect());
        let layout = layout();
        let span = Structure::read(&memory, &layout, "mspan", Addr::new(0x1000)).unwrap();
        assert_eq!(span.uint("mspan.nelems").unwrap(), 0x0302);
        assert_eq!(span.slice("mspan.list").unwrap().len, 0x1f1e_1d1c_1b1a_1918);
        assert!(span.uint("mspan.far").is_err(), "a slot beyond the structure is an error");
        assert!(span.uint("mspan.gone").unwrap_err().to_string().contains("mspan.gone"));
    }
}
