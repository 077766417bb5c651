//! `/proc/PID/maps` of any content: never a panic, and no mapping that ends before it starts has a length.
#![no_main]

use leakscope_target::mappings::parse_maps;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for mapping in parse_maps(text) {
        assert_eq!(mapping.is_empty(), mapping.end <= mapping.start);
        assert!(!mapping.is_empty() || !mapping.contains(mapping.start));
    }
});
