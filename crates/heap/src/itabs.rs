//! Every itab that the program uses: the first words of interfaces with methods (`runtime/iface.go`).
//!
//! `runtime.itabTable` holds them all; `itabsinit` adds those of the modules, and the program those that it makes.
//! Where nothing names that variable, it is found by what it holds.

use leakscope_goruntime::{ModuleData, Runtime, Slot};
use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{SliceHead, WORD, read_slice, read_slot, read_words};
use crate::page_cache::PageCache;

/// More itabs than any program has.
const MAX_ITABS: u64 = 1 << 24;
/// The size of the first table (`runtime.itabInitSize`); later ones are multiples.
const FIRST_TABLE: u64 = 512;
/// The most data of one module that is searched, in bytes.
const MAX_DATA: u64 = 1 << 28;

/// Their addresses.
pub(crate) fn read(memory: &dyn TargetMemory, runtime: &Runtime<'_>) -> Result<Vec<u64>, HeapError> {
    let tables = Tables::of(memory, runtime)?;
    if let Ok(variable) = runtime.variable("itabTable") {
        let pointer = Slot { offset: 0, width: 8 };
        let table = Addr::new(read_slot(memory, variable, pointer, "itabTable")?);
        return tables.entries(table);
    }
    let linked: Vec<u64> = runtime
        .modules
        .iter()
        .flat_map(|module| linked(memory, runtime, module).unwrap_or_default())
        .collect();
    let known = linked.first().copied();
    let found = known.and_then(|known| {
        let words = runtime.modules.iter().flat_map(|module| data_words(memory, module));
        words.filter_map(|word| tables.entries_with(Addr::new(word), known)).next()
    });
    Ok(found.unwrap_or(linked))
}

/// Tables of itabs: `runtime.itabTableType`.
struct Tables<'m> {
    memory: PageCache<'m>,
    size: Slot,
    count: Slot,
    entries: Slot,
}

impl<'m> Tables<'m> {
    fn of(memory: &'m dyn TargetMemory, runtime: &Runtime<'_>) -> Result<Tables<'m>, HeapError> {
        let slot = |path| runtime.layout.need(path).map_err(HeapError::Runtime);
        Ok(Tables {
            memory: PageCache::new(memory),
            size: slot("itabTableType.size")?,
            count: slot("itabTableType.count")?,
            entries: slot("itabTableType.entries")?,
        })
    }

    fn entries(&self, table: Addr) -> Result<Vec<u64>, HeapError> {
        let len = read_slot(&self.memory, table, self.size, "itabTableType.size")?;
        if len > MAX_ITABS {
            let why = format!("room for {len} itabs");
            return Err(HeapError::Torn { what: "itabTable", at: table, why });
        }
        let data = Addr::new(table.get().wrapping_add(self.entries.offset));
        let mut itabs = read_words(&self.memory, SliceHead { data, len }, "itabTableType.entries")?;
        itabs.retain(|&itab| itab != 0);
        Ok(itabs)
    }

    /// The itabs of what is no doubt a table with this one in it.
    fn entries_with(&self, table: Addr, known: u64) -> Option<Vec<u64>> {
        if table.is_nil() || !table.get().is_multiple_of(WORD) {
            return None;
        }
        let size = read_slot(&self.memory, table, self.size, "itabTableType.size").ok()?;
        let plausible = size.is_power_of_two() && (FIRST_TABLE..=MAX_ITABS).contains(&size);
        let count =
            read_slot(&self.memory, table, self.count, "itabTableType.count").ok().filter(|_| plausible)?;
        let entries = self.entries(table).ok().filter(|_| 0 < count && count < size)?;
        (entries.len() as u64 == count && entries.contains(&known)).then_some(entries)
    }
}

/// The itabs that the linker laid down in a module.
fn linked(memory: &dyn TargetMemory, runtime: &Runtime<'_>, module: &ModuleData) -> Option<Vec<u64>> {
    if let Some(slot) = runtime.layout.slot("moduledata.itablinks") {
        let at = module.at.checked_add(slot.offset)?;
        let list = read_slice(memory, at, MAX_ITABS, "moduledata.itablinks").ok()?;
        return read_words(memory, list, "moduledata.itablinks").ok();
    }
    // Since Go 1.27 they stand one behind the other, each as long as it has methods.
    let [offset, size] = ["moduledata.itaboffset", "moduledata.itabsize"].map(|path| {
        let slot = runtime.layout.slot(path)?;
        read_slot(memory, module.at, slot, path).ok()
    });
    let start = module.types.start.checked_add(offset?)?;
    let len = size?.min(MAX_ITABS) / WORD;
    let words = read_words(memory, SliceHead { data: start, len }, "moduledata.itaboffset").ok()?;
    let is_type = |word: &u64| module.types.contains(&Addr::new(*word));
    let pairs = words.windows(2).zip((start.get()..).step_by(WORD as usize));
    // An interface and a type: only an itab begins so.
    Some(pairs.filter(|(pair, _)| pair.iter().all(is_type)).map(|(_, at)| at).collect())
}

/// The initialised words of a module, read in one go; none where they cannot be.
fn data_words(memory: &dyn TargetMemory, module: &ModuleData) -> Vec<u64> {
    let range = &module.data.range;
    let len = range.end.offset_from(range.start).unwrap_or(0).min(MAX_DATA) / WORD;
    read_words(memory, SliceHead { data: range.start, len }, "moduledata.data").unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests index what they made")]
mod tests {
    use super::*;
    use leakscope_target::Image;

    #[test]
    fn a_table_is_known_by_what_it_says_of_itself() {
        let mut bytes = vec![0; 16 + 512 * 8];
        let mut put = |at: usize, word: u64| bytes[at..at + 8].copy_from_slice(&word.to_le_bytes());
        put(0, 512);
        put(8, 2);
        put(16 + 40, 0x5000);
        put(16 + 80, 0x6000);
        let slot = |offset| Slot { offset, width: 8 };
        let entries = |bytes: Vec<u8>, known| {
            let image = Image::new(Addr::new(0x1000), bytes);
            let memory = PageCache::new(&image);
            let tables = Tables { memory, size: slot(0), count: slot(8), entries: slot(16) };
            tables.entries_with(Addr::new(0x1000), known)
        };
        assert_eq!(entries(bytes.clone(), 0x6000), Some(vec![0x5000, 0x6000]));
        assert_eq!(entries(bytes.clone(), 0x7000), None, "the itab that must be in it is not");
        let mut fewer = bytes.clone();
        fewer[8] = 1;
        assert_eq!(entries(fewer, 0x6000), None, "it holds more than it says");
        bytes[0] = 1;
        assert_eq!(entries(bytes, 0x6000), None, "no power of two");
    }
}
