//! A table of layouts of any text.
#![no_main]

use leakscope_goruntime::layout::table::Table;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let table = Table(text);
    let _ = (table.layout("arm64", &["nogreenteagc".to_owned()]), table.knows("jsonv2"));
});
