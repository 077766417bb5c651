//! Debug sections of any bytes: read, and everything asked of what was read, without a panic.
//!
//! The input is cut in three: `.debug_info`, `.debug_abbrev`, and one for every other section. It is also tried
//! as a whole executable.
#![no_main]

#[path = "../../crates/goruntime/tests/debug_info/synthetic_elf.rs"]
mod synthetic_elf;

use leakscope_goruntime::{DebugInfo, ElfImage};
use leakscope_model::LinkAddr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    let (info, rest) = bytes.split_at(bytes.len() / 2);
    let (abbrev, lists) = rest.split_at(rest.len() / 2);
    read(&synthetic_elf::elf_with(&[
        (".debug_info", info),
        (".debug_abbrev", abbrev),
        (".debug_addr", lists),
        (".debug_loc", lists),
        (".debug_loclists", lists),
        (".debug_ranges", lists),
        (".debug_rnglists", lists),
    ]));
});

fn read(file: &[u8]) {
    let Ok(elf) = ElfImage::parse(file) else { return };
    let Ok(debug) = DebugInfo::read(&elf) else { return };
    let _ = debug.layout();
    for (id, ty) in debug.types.iter().take(1000) {
        assert!(debug.types.pointer_words(id).iter().all(|word| word.offset + 8 <= ty.size));
        for offset in [0, 8, ty.size, u64::MAX] {
            let _ = (debug.types.pointee_at(id, offset), debug.types.label_at(id, offset));
        }
    }
    for pc in 0..64 {
        let _ = (debug.locals_at(LinkAddr::new(pc)), debug.captures(LinkAddr::new(pc)));
    }
}
