//! A capture file of any bytes, packed as found and packed by us: read without a panic, never more parts than
//! the manifest lists.
#![no_main]

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use leakscope_collect::{Capture, FileKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = FileKind::of_start(bytes);
    read(bytes);
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    if packed.write_all(bytes).is_ok()
        && let Ok(packed) = packed.finish()
    {
        read(&packed);
    }
});

fn read(packed: &[u8]) {
    if let Ok(capture) = Capture::read(packed) {
        assert_eq!(capture.parts.len() + capture.gaps.len(), capture.manifest.parts.len());
    }
}
