//! An executable of any bytes: its build information, its function table, its gadgets.
#![no_main]

use leakscope_goruntime::{BuildInfo, ElfImage, FuncTable, gadgets_in_memory};
use leakscope_model::{Addr, LinkAddr};
use leakscope_target::Image;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = gadgets_in_memory(bytes, &[], &Image::new(Addr::new(0), bytes.to_vec()));
    let Ok(elf) = ElfImage::parse(bytes) else { return };
    let _ = BuildInfo::read(&elf);
    let Ok(table) = FuncTable::locate(&elf) else { return };
    for func in table.functions().take(256) {
        let _ = table.stack_objects(&func);
        for offset in [0, 1, 5, 17, 64] {
            let pc = LinkAddr::new(func.entry.get().wrapping_add(offset));
            let _ = (table.frames_returning_to(pc), table.stack_maps(pc), table.sp_delta(pc));
        }
        assert!(table.find(func.entry).is_none_or(|found| found.entry <= func.entry));
    }
});
