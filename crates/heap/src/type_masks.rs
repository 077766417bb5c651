//! The pointer masks of Go types in memory (`abi.Type.GCData`), each read once.
//!
//! The authority is `runtime/type.go` (`getGCMask`, `buildGCMask`): large types since Go 1.24 have no mask in
//! the binary but a word that holds one once the collector has needed it; until then it is composed here from
//! the masks of the element or the fields, as the runtime would.

use std::cell::Cell;
use std::rc::Rc;

use hashbrown::HashMap;
use leakscope_goruntime::{Layout, Slot};
use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use crate::error::{HeapError, InField};
use crate::fields::{SliceHead, need, read_slot, read_words, uint};

/// Nesting of arrays and structs that is followed; the runtime itself never needs more than 64.
const MAX_DEPTH: u32 = 70;
/// Fields that a struct is believed to have.
const MAX_FIELDS: u64 = 1 << 20;

/// Element and field types that are visited for one mask before it is given up.
const FUEL: u32 = 1 << 22;

/// The longest part of a value with pointers that is believed, in bytes: its mask takes 64 MB.
const MAX_POINTER_BYTES: u64 = 1 << 32;

/// Which words of one value of a type hold pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeMask {
    /// Bytes of one value.
    pub(crate) size: u64,
    /// One bit a word, as far as the last pointer; 64 to a word.
    pub(crate) bits: Box<[u64]>,
}

/// Reads masks and keeps them.
pub(crate) struct TypeMasks<'m> {
    memory: &'m dyn TargetMemory,
    fields: AbiTypeLayout,
    /// Index into `masks`, or `None` for a type that could not be read.
    known: HashMap<Addr, Option<u32>>,
    masks: Vec<Rc<TypeMask>>,
    fuel: Cell<u32>,
}

impl<'m> TypeMasks<'m> {
    pub(crate) fn new(memory: &'m dyn TargetMemory, layout: &Layout) -> Result<TypeMasks<'m>, HeapError> {
        let fields = AbiTypeLayout::of(layout)?;
        Ok(TypeMasks { memory, fields, known: HashMap::new(), masks: Vec::new(), fuel: Cell::new(0) })
    }

    /// The mask of the type at `ty`, a value of which fits in `room` bytes. The error comes only the first time;
    /// later calls answer `Ok(None)`.
    pub(crate) fn get(&mut self, ty: Addr, room: u64) -> Result<Option<Rc<TypeMask>>, HeapError> {
        let known = match self.known.get(&ty) {
            Some(&known) => known,
            None => {
                let read = self.read(ty, room);
                let index = u32::try_from(self.masks.len()).ok().filter(|_| read.is_ok());
                self.known.insert(ty, index);
                self.masks.push(Rc::new(read?));
                index
            }
        };
        Ok(known.and_then(|index| self.masks.get(index as usize).cloned()))
    }

    fn read(&self, at: Addr, room: u64) -> Result<TypeMask, HeapError> {
        let ty = self.abi_type(at)?;
        if ty.pointer_bytes > ty.size.min(MAX_POINTER_BYTES) || ty.size > room || ty.size == 0 {
            let why =
                format!("size {}, pointers in the first {}, room for {room}", ty.size, ty.pointer_bytes);
            return Err(HeapError::Torn { what: "abi.Type", at, why });
        }
        let words = ty.pointer_bytes.div_ceil(8);
        let mut bits = vec![0; usize::try_from(words.div_ceil(64)).unwrap_or(0)].into_boxed_slice();
        self.fuel.set(FUEL);
        self.write(at, &ty, 0, &mut bits, 0)?;
        Ok(TypeMask { size: ty.size, bits })
    }

    fn abi_type(&self, at: Addr) -> Result<AbiType, HeapError> {
        let mut bytes = vec![0; usize::try_from(self.fields.bytes).unwrap_or(0)];
        self.memory.read_exact(at, &mut bytes).in_field("abi.Type", at)?;
        self.fields.decode(&bytes).ok_or_else(|| HeapError::missing("abi.Type"))
    }

    /// Sets the pointer bits of a value of `ty` that starts at word `start` (`buildGCMask`).
    fn write(
        &self,
        at: Addr,
        ty: &AbiType,
        start: u64,
        bits: &mut [u64],
        depth: u32,
    ) -> Result<(), HeapError> {
        if ty.pointer_bytes == 0 || start / 64 >= bits.len() as u64 {
            return Ok(());
        }
        if depth > MAX_DEPTH || self.fuel.get() == 0 {
            return Err(HeapError::Torn { what: "abi.Type", at, why: "nested without end".to_owned() });
        }
        self.fuel.set(self.fuel.get() - 1);
        if ty.program {
            return Err(HeapError::Torn { what: "abi.Type", at, why: "its mask is a program".to_owned() });
        }
        if !ty.on_demand {
            return self.copy(ty.mask, ty.pointer_bytes, start, bits);
        }
        match ty.kind {
            Composite::Array => self.write_array(at, start, bits, depth),
            Composite::Struct => self.write_struct(at, start, bits, depth),
            Composite::Neither => Err(HeapError::Torn {
                what: "abi.Type",
                at,
                why: "a mask on demand for no array or struct".to_owned(),
            }),
        }
    }

    fn copy(&self, mask: Addr, pointer_bytes: u64, start: u64, bits: &mut [u64]) -> Result<(), HeapError> {
        let room = (bits.len() as u64 * 64).saturating_sub(start);
        let words = (pointer_bytes / 8).min(room);
        let mut bytes = vec![0u8; usize::try_from(words.div_ceil(8)).unwrap_or(0)];
        self.memory.read_exact(mask, &mut bytes).in_field("abi.Type.GCData", mask)?;
        for word in 0..words {
            let set = bytes.get((word / 8) as usize).is_some_and(|byte| byte >> (word % 8) & 1 == 1);
            if let Some(cell) = bits.get_mut(((start + word) / 64) as usize).filter(|_| set) {
                *cell |= 1 << ((start + word) % 64);
            }
        }
        Ok(())
    }

    fn write_array(&self, at: Addr, start: u64, bits: &mut [u64], depth: u32) -> Result<(), HeapError> {
        let (elem_slot, len_slot) = self.fields.array.ok_or_else(|| HeapError::missing("abi.ArrayType"))?;
        let elem_at = Addr::new(read_slot(self.memory, at, elem_slot, "abi.ArrayType.Elem")?);
        let len = read_slot(self.memory, at, len_slot, "abi.ArrayType.Len")?;
        let elem = self.abi_type(elem_at)?;
        let step = (elem.size / 8).max(1);
        for index in 0..len.min(bits.len() as u64 * 64 / step + 1) {
            self.write(elem_at, &elem, start.saturating_add(index * step), bits, depth + 1)?;
        }
        Ok(())
    }

    fn write_struct(&self, at: Addr, start: u64, bits: &mut [u64], depth: u32) -> Result<(), HeapError> {
        let layout = self.fields.structure.ok_or_else(|| HeapError::missing("abi.StructType"))?;
        let head = at.get().wrapping_add(layout.fields.offset);
        let data = Slot { offset: 0, width: 8 };
        let len = Slot { offset: 8, width: 8 };
        let path = "abi.StructType.Fields";
        let fields = SliceHead {
            data: Addr::new(read_slot(self.memory, Addr::new(head), data, path)?),
            len: read_slot(self.memory, Addr::new(head), len, path)?.min(MAX_FIELDS) * layout.field_words,
        };
        let words = read_words(self.memory, fields, path)?;
        for field in words.chunks_exact(usize::try_from(layout.field_words).unwrap_or(3)) {
            let get = |slot: Slot| field.get((slot.offset / 8) as usize).copied().unwrap_or(0);
            let ty_at = Addr::new(get(layout.field_type));
            let ty = self.abi_type(ty_at)?;
            self.write(ty_at, &ty, start.saturating_add(get(layout.field_offset) / 8), bits, depth + 1)?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Composite {
    Array,
    Struct,
    Neither,
}

/// The fields of one `abi.Type` that tell its mask.
struct AbiType {
    size: u64,
    pointer_bytes: u64,
    mask: Addr,
    /// Whether `mask` is not the mask but the place where the runtime will put its address.
    on_demand: bool,
    /// Whether `mask` is a program to run (until Go 1.23).
    program: bool,
    kind: Composite,
}

#[derive(Debug, Clone)]
struct AbiTypeLayout {
    bytes: u64,
    size: Slot,
    pointer_bytes: Slot,
    flags: Slot,
    kind: Slot,
    mask: Slot,
    on_demand: u64,
    program: u64,
    array: Option<(Slot, Slot)>,
    structure: Option<StructLayout>,
}

#[derive(Debug, Clone, Copy)]
struct StructLayout {
    fields: Slot,
    field_words: u64,
    field_type: Slot,
    field_offset: Slot,
}

/// `abi.Kind` in the low five bits of `abi.Type.Kind_`; the numbers are part of the language's reflection API.
const KIND_BITS: u64 = 31;
const KIND_ARRAY: u64 = 17;
const KIND_STRUCT: u64 = 25;

impl AbiTypeLayout {
    fn of(layout: &Layout) -> Result<AbiTypeLayout, HeapError> {
        let flag = |name| layout.constant(name).and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let pointer = |slot: Slot| Slot { width: 8, ..slot };
        let byte = |slot: Slot| Slot { width: 1, ..slot };
        let array = layout.slot("abi.ArrayType.Elem").zip(layout.slot("abi.ArrayType.Len"));
        Ok(AbiTypeLayout {
            bytes: layout.size("abi.Type").ok_or_else(|| HeapError::missing("abi.Type"))?.min(1024),
            size: need(layout, "abi.Type.Size_")?,
            pointer_bytes: need(layout, "abi.Type.PtrBytes")?,
            flags: byte(need(layout, "abi.Type.TFlag")?),
            kind: byte(need(layout, "abi.Type.Kind_")?),
            mask: pointer(need(layout, "abi.Type.GCData")?),
            on_demand: flag("abi.TFlagGCMaskOnDemand"),
            program: flag("abi.KindGCProg"),
            array: array.map(|(elem, len)| (pointer(elem), len)),
            structure: StructLayout::of(layout),
        })
    }

    fn decode(&self, bytes: &[u8]) -> Option<AbiType> {
        let kind = uint(bytes, self.kind)?;
        Some(AbiType {
            size: uint(bytes, self.size)?,
            pointer_bytes: uint(bytes, self.pointer_bytes)?,
            mask: Addr::new(uint(bytes, self.mask)?),
            on_demand: uint(bytes, self.flags)? & self.on_demand != 0,
            program: kind & self.program != 0,
            kind: match kind & KIND_BITS {
                KIND_ARRAY => Composite::Array,
                KIND_STRUCT => Composite::Struct,
                _ => Composite::Neither,
            },
        })
    }
}

impl StructLayout {
    fn of(layout: &Layout) -> Option<StructLayout> {
        let field_words = layout.size("abi.StructField")? / 8;
        (field_words > 0).then_some(StructLayout {
            fields: layout.slot("abi.StructType.Fields")?,
            field_words,
            field_type: layout.slot("abi.StructField.Typ")?,
            field_offset: layout.slot("abi.StructField.Offset")?,
        })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::*;
    use leakscope_target::Image;
    use proptest::prelude::*;

    const BASE: u64 = 0x1000;

    fn layout() -> Layout {
        let slots = [
            ("abi.Type.Size_", 0, 8),
            ("abi.Type.PtrBytes", 8, 8),
            ("abi.Type.TFlag", 16, 1),
            ("abi.Type.Kind_", 17, 1),
            ("abi.Type.GCData", 24, 8),
            ("abi.ArrayType.Elem", 32, 8),
            ("abi.ArrayType.Len", 40, 8),
            ("abi.StructType.Fields", 32, 24),
            ("abi.StructField.Typ", 8, 8),
            ("abi.StructField.Offset", 16, 8),
        ];
        Layout {
            slots: slots
                .iter()
                .map(|&(name, offset, width)| (name.to_owned(), Slot { offset, width }))
                .collect(),
            sizes: [("abi.Type".to_owned(), 32), ("abi.StructField".to_owned(), 24)].into(),
            constants: [("abi.TFlagGCMaskOnDemand".to_owned(), 16)].into(),
            ..Layout::default()
        }
    }

    /// At 0 `struct{ uintptr; *T }`, at 0x100 an array of three of it, at 0x200 `struct{ *T; [3]… }`; the two
    /// larger ones have their masks on demand, and nobody has asked.
    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        let mut ty = |at: usize, size: u64, pointers: u64, flags: u64, mask: u64| {
            [(0, size), (8, pointers), (16, flags), (24, mask)]
                .into_iter()
                .for_each(|(offset, word)| put(at + offset, word));
        };
        ty(0, 16, 16, KIND_STRUCT << 8, BASE + 0x80);
        ty(0x100, 48, 48, KIND_ARRAY << 8 | 16, BASE + 0x3f0);
        ty(0x200, 64, 56, KIND_STRUCT << 8 | 16, BASE + 0x3f8);
        ty(0x300, 8, 8, 22 << 8, BASE + 0x380);
        put(0x80, 0b10);
        put(0x120, BASE);
        put(0x128, 3);
        put(0x220, BASE + 0x280);
        put(0x228, 2);
        put(0x288, BASE + 0x300);
        put(0x2a0, BASE + 0x100);
        put(0x2a8, 8);
        put(0x380, 1);
        bytes
    }

    #[test]
    fn a_mask_that_was_never_asked_for_is_composed() {
        let image = Image::new(Addr::new(BASE), image());
        let mut masks = TypeMasks::new(&image, &layout()).unwrap();
        let mut mask = |at: u64| masks.get(Addr::new(BASE + at), 1 << 20).unwrap().unwrap();
        assert_eq!(*mask(0), TypeMask { size: 16, bits: Box::new([0b10]) });
        assert_eq!(*mask(0x100), TypeMask { size: 48, bits: Box::new([0b10_1010]) });
        assert_eq!(*mask(0x200), TypeMask { size: 64, bits: Box::new([0b101_0101]) });
    }

    #[test]
    fn an_unreadable_type_is_an_error_once() {
        let image = Image::new(Addr::new(BASE), image());
        let mut masks = TypeMasks::new(&image, &layout()).unwrap();
        assert!(masks.get(Addr::new(8), 64).is_err());
        assert_eq!(masks.get(Addr::new(8), 64).unwrap(), None);
        assert!(masks.get(Addr::new(BASE + 0x100), 40).is_err(), "larger than its object");
    }

    proptest! {
        #[test]
        fn no_type_panics(changes in prop::collection::vec((0usize..0x400, any::<u8>()), 0..30)) {
            let mut bytes = image();
            changes.iter().for_each(|&(at, byte)| bytes[at] = byte);
            let image = Image::new(Addr::new(BASE), bytes);
            let mut masks = TypeMasks::new(&image, &layout()).unwrap();
            for at in [0, 0x100, 0x200, 0x300] {
                let _ = masks.get(Addr::new(BASE + at), 4096);
            }
        }
    }
}
