//! An ELF core of any bytes: opened, listed, read at the borders of every mapping.
#![no_main]

use std::path::Path;

use leakscope_model::Addr;
use leakscope_target::{CoreFile, TargetMemory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: Vec<u8>| {
    let Ok(core) = CoreFile::from_bytes(Path::new("core"), bytes.clone().into()) else { return };
    let _ = (core.gaps(), core.executable_hint(), core.build_ids(), core.process(), core.threads());
    for mapping in core.mappings() {
        for addr in [mapping.start, Addr::new(mapping.end.get().wrapping_sub(3))] {
            let mut buf = [0; 6];
            let read = core.read_exact(addr, &mut buf).is_ok();
            if let Some(borrowed) = core.borrow(addr, 6) {
                assert!(read && borrowed == buf);
            }
        }
    }
    // A file that the core names, so that its bytes are taken for those of a library.
    let named = core.mappings().iter().find(|mapping| mapping.path.starts_with('/'));
    if let Some(path) = named.map(|mapping| mapping.path.clone()) {
        let _ = core.clone().with_library(Path::new(&path), bytes.clone().into());
    }
    let _ = core.with_executable(Path::new("core"), bytes.into());
});
