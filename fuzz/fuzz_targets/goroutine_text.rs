//! Goroutine profiles as text, debug=1 and debug=2, of any bytes.
#![no_main]

use leakscope_pprof::{GoroutineCounts, GoroutineDump};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(dump) = GoroutineDump::parse(bytes) {
        assert!(!dump.entries.is_empty());
    }
    let _ = GoroutineCounts::parse(bytes);
});
