//! An execution trace of any bytes, of every format: opened, every event of every batch read.
#![no_main]

use leakscope_trace::Trace;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (minor, bytes) = input;
    let _ = Trace::open(bytes);
    let minor = [22, 23, 25, 26][usize::from(minor % 4)];
    let whole = [format!("go 1.{minor} trace\0\0\0").as_bytes(), bytes].concat();
    if let Ok(trace) = Trace::open(&whole) {
        let _ = trace.event_counts();
    }
});
