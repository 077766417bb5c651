//! Code of any bytes: what it refers to is found without an end that is never reached.
#![no_main]

use leakscope_goruntime::Arch;
use leakscope_goruntime::code_references::references;
use leakscope_model::LinkAddr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|code: &[u8]| {
    for arch in [Arch::Amd64, Arch::Arm64] {
        let mut found = 0;
        references(arch, LinkAddr::new(0x40_1000), code, |_| found += 1);
        assert!(found <= 2 * code.len());
    }
});
