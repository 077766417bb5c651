//! A profile of any bytes: decoded, and every sample asked for all that it tells.
#![no_main]

use leakscope_pprof::{HeapEstimate, Profile};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(profile) = Profile::decode_within(bytes, 16 << 20) else { return };
    for sample in profile.samples() {
        assert_eq!(sample.values().len(), profile.sample_types.len());
        let _ = (sample.stack().count(), sample.labels().len());
    }
    if let Some(heap) = HeapEstimate::of(&profile) {
        for row in &heap.rows {
            assert!(row.live_bytes.low <= row.live_bytes.value && row.live_bytes.value <= row.live_bytes.high);
        }
    }
});
