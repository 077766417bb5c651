//! The pointers in data and bss: into the heap, and at what else lies in data and bss.

use leakscope_goruntime::{Runtime, ScannedGlobals};
use leakscope_model::{Addr, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{WORD, word_at};
use crate::objects::Objects;
use crate::program::Ranges;
use crate::roots::Word;

/// Read at once, in bytes.
const PIECE: usize = 1 << 20;
/// What is read behind a piece, in bytes: the rest of a slice whose pointer ends it.
const BEHIND: usize = 16;

/// A pointer from data or bss to a place in data or bss.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reference {
    /// The pointer.
    pub(crate) word: Word,
    /// The two words behind it: length and capacity, where it begins a slice.
    pub(crate) behind: [u64; 2],
}

/// Every pointer in the package variables of all modules that leads where one can follow.
#[derive(Debug, Default)]
pub(crate) struct VariableWords {
    /// Those at allocated objects.
    pub(crate) into_heap: Vec<Word>,
    /// Those into data and bss, in order of their address.
    pub(crate) into_variables: Vec<Reference>,
    /// Data and bss.
    pub(crate) ranges: Ranges,
}

impl VariableWords {
    /// Reads them, each range once; one that cannot be read is a gap.
    pub(crate) fn read(
        memory: &dyn TargetMemory,
        runtime: &Runtime<'_>,
        objects: &Objects,
        gaps: &mut Vec<Gap>,
    ) -> VariableWords {
        let all = || runtime.modules.iter().flat_map(|module| [&module.data, &module.bss]);
        let ranges = all().map(|globals| (globals.range.start.get(), globals.range.end.get()));
        let mut words = VariableWords { ranges: Ranges::new(ranges), ..VariableWords::default() };
        for globals in all() {
            if let Err(err) = words.read_range(memory, objects, globals) {
                gaps.push(Gap::new("heap", format!("package variables: {err}")));
            }
        }
        words.into_variables.sort_unstable_by_key(|reference| reference.word.slot);
        words
    }

    fn read_range(
        &mut self,
        memory: &dyn TargetMemory,
        objects: &Objects,
        globals: &ScannedGlobals,
    ) -> Result<(), HeapError> {
        let start = globals.range.start.get();
        let bytes = globals.range.end.get().saturating_sub(start);
        let mut contents = Vec::new();
        let mut piece = None;
        for index in globals.pointers.pointers() {
            let offset = index as u64 * WORD;
            let wanted = offset / PIECE as u64;
            if piece != Some(wanted) {
                piece = Some(wanted);
                let from = wanted * PIECE as u64;
                let most = PIECE + BEHIND;
                let len = usize::try_from(bytes.saturating_sub(from)).unwrap_or(most).min(most);
                contents.resize(len, 0);
                let at = Addr::new(start.wrapping_add(from));
                memory
                    .read_exact(at, &mut contents)
                    .map_err(|err| HeapError::field("moduledata.data", at, err))?;
            }
            let inside = (offset % PIECE as u64) as usize;
            let before = inside.checked_sub(8).map_or(0, |before| word_at(&contents, before));
            let slot = Addr::new(start.wrapping_add(offset));
            let behind = [word_at(&contents, inside + 8), word_at(&contents, inside + BEHIND)];
            self.take(objects, Word { slot, value: word_at(&contents, inside), before }, behind);
        }
        Ok(())
    }

    fn take(&mut self, objects: &Objects, word: Word, behind: [u64; 2]) {
        if self.ranges.contains(word.value) {
            self.into_variables.push(Reference { word, behind });
        } else if objects.find(Addr::new(word.value)).is_some() {
            self.into_heap.push(word);
        }
    }
}
