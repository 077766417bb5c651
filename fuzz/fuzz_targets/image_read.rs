//! Reads of an in-memory image at any address: never a panic, and never bytes that are not there.
#![no_main]

use leakscope_model::Addr;
use leakscope_target::{Image, TargetMemory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u64, u64, u16, Vec<u8>)| {
    let (base, addr, len, bytes) = input;
    let image = Image::new(Addr::new(base), bytes.clone());
    let mut buf = vec![0; usize::from(len)];
    if image.read_exact(Addr::new(addr), &mut buf).is_ok() {
        assert!(buf.len() <= bytes.len());
    }
});
