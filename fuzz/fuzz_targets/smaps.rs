//! `/proc/PID/smaps` of any content: never a panic, and no more mappings than lines.
#![no_main]

use leakscope_target::parse_smaps;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let entries = parse_smaps(text);
    assert!(entries.len() <= text.lines().count());
});
