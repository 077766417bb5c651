//! Build information and pointer programs of any bytes.
#![no_main]

use leakscope_goruntime::{BuildInfo, GoVersion, gc_program};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = (BuildInfo::find(bytes), gc_program::expand(bytes, 4096));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = GoVersion::parse(text);
    }
});
