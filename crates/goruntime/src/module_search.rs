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

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_target::Image;
    use proptest::prelude::*;

    const BASE: u64 = 0x60_0000;

    /// A pclntab head at `BASE`, and behind it, at 0x100, the words of a `moduledata` that points at it.
    fn image() -> Vec<u64> {
        let mut words = vec![0; 128];
        words[1] = 7; // nfunc
        words[4] = 72; // funcnameOffset
        words[8] = 0x80; // pclnOffset
        let module = &mut words[32..];
        module[..4].copy_from_slice(&[BASE, BASE + 72, 30, 30]);
        module[13] = BASE + 0x80;
        module[17..19].copy_from_slice(&[8, 8]);
        module[22..24].copy_from_slice(&[0x40_1000, 0x50_0000]);
        module[39..41].copy_from_slice(&[0x51_0000, 0x52_0000]);
        words
    }

    fn search_in(words: &[u64]) -> Vec<FoundModule> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let len = bytes.len() as u64;
        search(&Image::new(Addr::new(BASE), bytes), &[(Addr::new(BASE), len)])
    }

    #[test]
    fn a_module_that_points_at_its_pclntab_twice_is_found() {
        let found = search_in(&image());
        let [module] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((module.at, module.text), (Addr::new(BASE + 0x100), Addr::new(0x40_1000)));
        assert_eq!(module.function_data, Some((Addr::new(0x51_0000), Addr::new(0x52_0000))));
    }

    #[test]
    fn lengths_where_addresses_stood_move_the_place_of_function_data() {
        let mut words = image();
        words[32 + 39..][..5].copy_from_slice(&[0x900, 0x40, 0x80, 0x51_0000, 0x53_0000]);
        assert_eq!(search_in(&words)[0].function_data, Some((Addr::new(0x51_0000), Addr::new(0x53_0000))));
    }

    #[test]
    fn one_pointer_that_does_not_agree_is_no_module() {
        for word in [0, 1, 3, 13, 18] {
            let mut words = image();
            words[32 + word] += 8;
            assert_eq!(search_in(&words), [], "word {word}");
        }
    }

    proptest! {
        #[test]
        fn no_memory_panics(patches: Vec<(u8, u64)>, start: u64, len: u64) {
            let mut words = image();
            for (at, word) in patches {
                words[usize::from(at) % 128] = word;
            }
            let _ = search_in(&words);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let near = Addr::new(BASE.wrapping_add(start % 0x400));
            let _ = search(&Image::new(Addr::new(BASE), bytes), &[(near, len % 0x1000)]);
        }
    }
}
