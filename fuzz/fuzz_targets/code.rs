//! Code of any bytes, behind a function table and types that are there.
#![no_main]

use leakscope_goruntime::{Arch, code};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for arch in [Arch::Amd64, Arch::Arm64] {
        code::follow_alone(arch, bytes);
    }
});
