//! The pointer maps that the runtime kept beside the heap until Go 1.21: one bit a word, in the `heapArena` of each
//! arena.
//!
//! The authority is `runtime/mbitmap.go` of those releases (`heapBitsForAddr`, `writeHeapBits.flush`). What
//! `heapArena.noMorePtrs` says beside it need not be read: it spares the collector a look at words of the map that
//! are zero as well (`flush` clears them to the end of the object).

use leakscope_goruntime::{Layout, Slot};
use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use crate::error::{HeapError, InField};
use crate::fields::{WORD, read_slot};

/// Words of the heap that one word of a map tells of.
const WORDS_IN_WORD: u64 = 64;
/// The largest map of one arena that is believed, in bytes: that of an arena of 1 GB.
const MOST_BYTES: u64 = 1 << 24;

/// How arenas are found, and where their maps lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArenaGeometry {
    /// `heapArena.bitmap`; its width tells how large an arena is.
    bitmap: Slot,
    /// `mheap.arenas`: the address of the table of arenas, as the first level has one entry on 64-bit Linux.
    table: u64,
    /// The address of the arena with index 0.
    lowest: u64,
}

impl ArenaGeometry {
    /// Where the maps lie; `None` where the layout has none beside the heap.
    pub(crate) fn of(layout: &Layout) -> Option<ArenaGeometry> {
        let bitmap = layout.slot("heapArena.bitmap")?;
        let table = layout.slot("mheap.arenas").map_or(0, |slot| slot.offset);
        let lowest = ["arenaBaseOffsetUintptr", "arenaBaseOffset"];
        let lowest = lowest.iter().find_map(|name| layout.constant(name)).unwrap_or(0).cast_unsigned();
        Some(ArenaGeometry { bitmap, table, lowest })
    }

    /// The arena that holds an address, and which word of its map tells of it.
    fn place(&self, at: u64) -> (u64, u64) {
        let from_lowest = at.wrapping_sub(self.lowest);
        let bytes = self.arena_bytes();
        (from_lowest / bytes, from_lowest % bytes / (WORD * WORDS_IN_WORD))
    }

    fn arena_bytes(&self) -> u64 {
        self.bitmap.width.clamp(WORD, MOST_BYTES) * 8 * WORD
    }
}

/// Reads the maps, of which it keeps one: those who ask go through the heap from its start to its end.
#[derive(Clone)]
pub(crate) struct ArenaBitmaps<'m> {
    memory: &'m dyn TargetMemory,
    geometry: ArenaGeometry,
    mheap: Addr,
    /// The arena whose map is at hand; `None` for a map that could not be read.
    kept: Option<(u64, Option<Box<[u64]>>)>,
}

impl<'m> ArenaBitmaps<'m> {
    /// The maps of the heap whose `runtime.mheap_` stands at `mheap`.
    pub(crate) fn new(
        memory: &'m dyn TargetMemory,
        geometry: ArenaGeometry,
        mheap: Addr,
    ) -> ArenaBitmaps<'m> {
        ArenaBitmaps { memory, geometry, mheap, kept: None }
    }

    /// The map of `words` words from `at`, which is the start of a page: one bit a word, 64 to a word of the map.
    ///
    /// A map that cannot be read is an error once; later calls answer `Ok(None)`.
    pub(crate) fn map(&mut self, at: Addr, words: usize) -> Result<Option<Vec<u64>>, HeapError> {
        let step = WORD * WORDS_IN_WORD;
        let mut map = Vec::with_capacity(words.div_ceil(64));
        let mut place = at.get();
        while map.len() < words.div_ceil(64) {
            let (arena, first) = self.geometry.place(place);
            let Some(bits) = self.of_arena(arena)? else { return Ok(None) };
            let rest = bits.get(usize::try_from(first).unwrap_or(usize::MAX)..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(None);
            }
            let taken = rest.len().min(words.div_ceil(64) - map.len());
            map.extend(rest.iter().take(taken));
            place = place.wrapping_add(taken as u64 * step);
        }
        Ok(Some(map))
    }

    fn of_arena(&mut self, arena: u64) -> Result<Option<&[u64]>, HeapError> {
        if self.kept.as_ref().is_none_or(|(kept, _)| *kept != arena) {
            let read = self.read(arena);
            let (bits, outcome) = match read {
                Ok(bits) => (Some(bits), Ok(())),
                Err(error) => (None, Err(error)),
            };
            self.kept = Some((arena, bits));
            outcome?;
        }
        Ok(self.kept.as_ref().and_then(|(_, bits)| bits.as_deref()))
    }

    fn read(&self, arena: u64) -> Result<Box<[u64]>, HeapError> {
        let pointer = |offset| Slot { offset, width: WORD };
        let path = "mheap.arenas";
        let table = Addr::new(read_slot(self.memory, self.mheap, pointer(self.geometry.table), path)?);
        let entry = arena.saturating_mul(WORD);
        let found = Addr::new(read_slot(self.memory, table, pointer(entry), path)?);
        let at = found.checked_add(self.geometry.bitmap.offset).filter(|_| !found.is_nil());
        let torn = || HeapError::Torn { what: path, at: table, why: format!("no arena {arena}") };
        let at = at.ok_or_else(torn)?;
        let len = self.geometry.arena_bytes() / (8 * WORD);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.memory.read_exact(at, &mut bytes).in_field("heapArena.bitmap", found)?;
        Ok(bytes.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)).collect())
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::*;
    use leakscope_target::Image;
    use proptest::prelude::*;

    const BASE: u64 = 0x1000;

    /// Arenas of 8 KB from -0x8000 on, so that the arena at 0 has index 4 and that at 0x2000 index 5.
    fn layout() -> Layout {
        let slots = [("heapArena.bitmap", 8, 128), ("mheap.arenas", 16, 8)];
        Layout {
            slots: slots
                .iter()
                .map(|&(name, offset, width)| (name.to_owned(), Slot { offset, width }))
                .collect(),
            constants: [("arenaBaseOffsetUintptr".to_owned(), -0x8000)].into(),
            ..Layout::default()
        }
    }

    fn image() -> Vec<u8> {
        let mut bytes = vec![0; 0x400];
        let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        put(16, BASE + 0x40);
        put(0x40 + 4 * 8, BASE + 0x100);
        put(0x40 + 5 * 8, BASE + 0x200);
        (0..16).for_each(|word| put(0x108 + word * 8, word as u64));
        (0..16).for_each(|word| put(0x208 + word * 8, 0x100 + word as u64));
        bytes
    }

    #[test]
    fn a_map_goes_on_in_the_next_arena() {
        let image = Image::new(Addr::new(BASE), image());
        let geometry = ArenaGeometry::of(&layout()).unwrap();
        let mut maps = ArenaBitmaps::new(&image, geometry, Addr::new(BASE));
        let words = 4 * 64;
        assert_eq!(maps.map(Addr::new(14 * 512), words).unwrap().unwrap(), [14, 15, 0x100, 0x101]);
        assert_eq!(maps.map(Addr::new(0x2000), 1).unwrap().unwrap(), [0x100]);
        assert!(maps.map(Addr::new(0x4000), 64).is_err(), "no such arena");
        assert_eq!(maps.map(Addr::new(0x4000), 64).unwrap(), None, "the error comes once");
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            changes in prop::collection::vec((0usize..0x400, any::<u8>()), 0..30),
            at: u64, words in 0usize..5000,
        ) {
            let mut bytes = image();
            changes.iter().for_each(|&(at, byte)| bytes[at] = byte);
            let image = Image::new(Addr::new(BASE), bytes);
            let mut maps = ArenaBitmaps::new(&image, ArenaGeometry::of(&layout()).unwrap(), Addr::new(BASE));
            if let Ok(Some(map)) = maps.map(Addr::new(at), words) {
                prop_assert_eq!(map.len(), words.div_ceil(64));
            }
        }
    }
}
