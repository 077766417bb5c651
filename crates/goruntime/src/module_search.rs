//! Finding `runtime.firstmoduledata` where no symbol names it: it points at its own pclntab in two ways that must
//! agree, and nothing else does.

use leakscope_model::Addr;
use leakscope_target::{TargetMemory, read_u64};

use crate::integers::u64_at;

/// Words of `moduledata` that are looked at: up to the last place where `gofunc` may stand, and that word.
const WORDS: usize = 44;
/// Bytes read at once while searching.
const CHUNK: usize = 1 << 20;
/// The most that is searched, in bytes: far more than the initialised data of any program.
const MAX_SEARCHED: u64 = 1 << 30;
/// Where `rodata` stands, in words: since Go 1.27 two lengths and an offset come before it. `gofunc` follows it.
const RODATA: [usize; 2] = [39, 42];

/// A `moduledata`, found by its shape; of its fields only those that all Go releases since 1.20 have in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundModule {
    /// Where it stands.
    pub at: Addr,
    /// `pcHeader`.
    pub pc_header: Addr,
    /// `text`.
    pub text: Addr,
    /// `etext`.
    pub etext: Addr,
    /// `rodata` and `gofunc`, where both lie in order within the program.
    pub function_data: Option<(Addr, Addr)>,
}

/// Every `moduledata` in the given ranges of memory, each a start and a length in bytes; ranges that cannot be
/// read are passed over, since the program need not have all of them in memory.
pub fn search(memory: &dyn TargetMemory, ranges: &[(Addr, u64)]) -> Vec<FoundModule> {
    let mut found = Vec::new();
    let mut budget = MAX_SEARCHED;
    for &(start, len) in ranges {
        let len = len.min(budget);
        budget -= len;
        search_range(memory, start, len, &mut found);
    }
    found.sort_by_key(|module: &FoundModule| module.at);
    found.dedup();
    found
}

fn search_range(memory: &dyn TargetMemory, start: Addr, len: u64, found: &mut Vec<FoundModule>) {
    let mut offset = 0;
    while offset < len {
        let Some(chunk) = start.checked_add(offset) else { return };
        // Neighbouring chunks overlap by one structure, so that none is cut.
        let want = usize::try_from(len - offset).unwrap_or(CHUNK).min(CHUNK + WORDS * 8);
        let mut bytes = vec![0; want];
        if memory.read_exact(chunk, &mut bytes).is_ok() {
            search_bytes(memory, chunk, &bytes, found);
        }
        offset += CHUNK as u64;
    }
}

fn search_bytes(memory: &dyn TargetMemory, base: Addr, bytes: &[u8], found: &mut Vec<FoundModule>) {
    let misaligned = (8 - base.get() % 8) % 8;
    let first = usize::try_from(misaligned).unwrap_or(0);
    for place in (first..bytes.len().saturating_sub(WORDS * 8 - 1)).step_by(8) {
        let word = |index: usize| u64_at(bytes, place + index * 8).unwrap_or(0);
        // Cheap tests of the bytes at hand come before any read of the header.
        let names = word(1).checked_sub(word(0)).is_some_and(|offset| offset != 0 && offset < 1 << 16);
        if !names || word(2) == 0 || word(2) != word(3) || word(22) >= word(23) {
            continue;
        }
        if points_at_its_pclntab(memory, &word) == Some(true)
            && let Some(at) = base.checked_add(place as u64)
        {
            found.push(module_at(at, &word));
        }
    }
}

/// Whether the words fit the pclntab's header: names and records lie where it says, and the function table is as
/// long as it says.
fn points_at_its_pclntab(memory: &dyn TargetMemory, word: &impl Fn(usize) -> u64) -> Option<bool> {
    let header = word(0);
    let field = |offset: u64| read_u64(memory, Addr::new(header.checked_add(offset)?)).ok();
    let names = header.checked_add(field(32)?)?;
    let records = header.checked_add(field(64)?)?;
    Some(word(1) == names && word(13) == records && word(17) >= field(8)? && word(17) == word(18))
}

fn module_at(at: Addr, word: &impl Fn(usize) -> u64) -> FoundModule {
    let (pc_header, text, etext) = (Addr::new(word(0)), Addr::new(word(22)), Addr::new(word(23)));
    // An address of the program lies above its text; a length or an offset does not.
    let function_data = RODATA.into_iter().find_map(|index| {
        let (rodata, gofunc) = (word(index), word(index + 1));
        (rodata >= word(22) && gofunc >= rodata).then(|| (Addr::new(rodata), Addr::new(gofunc)))
    });
    FoundModule { at, pc_header, text, etext, function_data }
}
