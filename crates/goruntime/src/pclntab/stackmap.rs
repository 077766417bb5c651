//! Which words of a frame hold live pointers (`runtime.stkframe.getStackMap`, `runtime.stackmapdata`).

use leakscope_model::LinkAddr;

use super::func::Func;
use super::{FuncTable, PcData, funcdata};
use crate::gc_program;
use crate::integers::{i32_at, u32_at, u64_at};

/// Bytes of `runtime.stackObjectRecord`.
const STACK_OBJECT: usize = 16;
/// Bytes of a word.
const WORD: usize = 8;

/// One bit a word; borrows the file where it can.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bitmap<'b> {
    words: usize,
    bits: std::borrow::Cow<'b, [u8]>,
}

impl<'b> Bitmap<'b> {
    /// A map of the first `words` bits of `bits`, lowest bit of the lowest byte first.
    pub fn new(words: usize, bits: impl Into<std::borrow::Cow<'b, [u8]>>) -> Bitmap<'b> {
        let bits = bits.into();
        Bitmap { words: words.min(bits.len().saturating_mul(8)), bits }
    }

    /// How many words it tells of.
    pub fn len(&self) -> usize {
        self.words
    }

    /// Whether it tells of none.
    pub fn is_empty(&self) -> bool {
        self.words == 0
    }

    /// Whether word `index` holds a pointer; `false` behind the end.
    pub fn is_set(&self, index: usize) -> bool {
        index < self.words && self.bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 != 0)
    }

    /// The indices of the words that hold pointers, in order.
    pub fn pointers(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.words).filter(|index| self.is_set(*index))
    }
}

/// What is live in a frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StackMaps<'b> {
    /// Words of the locals; the last word of the map is the one below `varp`. `None`: the function has no map,
    /// so that its locals can only be scanned conservatively.
    pub locals: Option<Bitmap<'b>>,
    /// Words of arguments and results, from `argp` on. `None`: not known, as for locals.
    pub args: Option<Bitmap<'b>>,
}

/// A local variable whose address is taken, and which is therefore live only if a pointer leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackObject<'b> {
    /// Bytes from `varp` where negative, else from `argp`.
    pub offset: i32,
    /// Bytes that it takes.
    pub size: u32,
    /// Which of its words hold pointers; words behind its end hold none.
    pub pointers: Bitmap<'b>,
}

impl<'b> FuncTable<'b> {
    /// The maps that hold in a frame which goes on at `pc` (`stkframe.continpc`: the return address, or the
    /// entry of a function that has not run). `None` outside of Go's text.
    ///
    /// Liveness is that of the call: the runtime looks one byte before `pc`, takes map 0 where the table has no
    /// value, and so does this.
    pub fn stack_maps(&self, pc: LinkAddr) -> Option<StackMaps<'b>> {
        let func = self.find(pc)?;
        let mut index = -1;
        if pc != func.entry {
            let call = LinkAddr::new(pc.get().checked_sub(1)?);
            let table = func.pcdata_offset(&self.header, PcData::StackMapIndex);
            index = table.and_then(|table| self.value_at(&func, table, call)).unwrap_or(-1);
        }
        let index = if index == -1 { 0 } else { index };
        let locals = self.funcdata(&func, funcdata::LOCALS_POINTER_MAPS);
        let args = match func.args_size {
            Some(0) => Some(Bitmap::default()),
            Some(_) => self.funcdata(&func, funcdata::ARGS_POINTER_MAPS).and_then(|map| map_at(map, index)),
            None => None,
        };
        Some(StackMaps { locals: locals.and_then(|map| map_at(map, index)), args })
    }

    /// The function's stack objects; empty where it has none, `None` where its list contradicts itself.
    pub fn stack_objects(&self, func: &Func<'b>) -> Option<Vec<StackObject<'b>>> {
        let Some(list) = self.funcdata(func, funcdata::STACK_OBJECTS) else { return Some(Vec::new()) };
        let count = usize::try_from(u64_at(list, 0)?).ok()?;
        let records = list.get(WORD..WORD.checked_add(count.checked_mul(STACK_OBJECT)?)?)?;
        records.chunks_exact(STACK_OBJECT).map(|record| self.stack_object(record)).collect()
    }

    fn stack_object(&self, record: &[u8]) -> Option<StackObject<'b>> {
        let size = u32_at(record, 4)?;
        let pointer_bytes = i32_at(record, 8)?;
        let rodata = self.place.rodata?.get();
        let words = usize::try_from(pointer_bytes.unsigned_abs().min(size)).ok()? / WORD;
        let data = match words {
            0 => &[],
            _ => self.bytes_at(rodata.checked_add(u64::from(u32_at(record, 12)?))?)?,
        };
        // Up to Go 1.23 a negative length says that a program makes the mask (`stackObjectRecord.useGCProg`).
        let pointers = match pointer_bytes < 0 {
            true => Bitmap::new(words, gc_program::expand(data.get(4..)?, words)?),
            false => Bitmap::new(words, data.get(..words.div_ceil(8))?),
        };
        Some(StackObject { offset: i32_at(record, 0)?, size, pointers })
    }
}

/// The `index`th map of a `runtime.stackmap`: count, bits a map, then the maps in whole bytes.
fn map_at(maps: &[u8], index: i32) -> Option<Bitmap<'_>> {
    let (count, bits) = (i32_at(maps, 0)?, usize::try_from(i32_at(maps, 4)?).ok()?);
    if count <= 0 {
        return None;
    }
    if bits == 0 {
        return Some(Bitmap::default());
    }
    if index < 0 || index >= count {
        return None;
    }
    let bytes = bits.div_ceil(8);
    let start = usize::try_from(index).ok()?.checked_mul(bytes)?.checked_add(8)?;
    Some(Bitmap::new(bits, maps.get(start..start.checked_add(bytes)?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_second_of_two_maps() {
        let mut maps = 2i32.to_le_bytes().to_vec();
        maps.extend(10i32.to_le_bytes());
        maps.extend([0xff, 0x03, 0b0000_0101, 0b10]);
        let map = map_at(&maps, 1).unwrap();
        assert_eq!(map.pointers().collect::<Vec<_>>(), [0, 2, 9]);
        assert_eq!(map_at(&maps, 2), None);
    }

    #[test]
    fn a_map_without_bits_holds_for_any_index() {
        let maps = [1i32.to_le_bytes(), 0i32.to_le_bytes()].concat();
        assert_eq!(map_at(&maps, 7), Some(Bitmap::default()));
    }

    proptest! {
        #[test]
        fn no_map_panics(bytes: Vec<u8>, index: i32) {
            if let Some(map) = map_at(&bytes, index) {
                prop_assert!(map.pointers().all(|word| word < map.len()));
            }
        }
    }
}
