//! Any list of spans makes an index of objects that agrees with itself.
#![no_main]

use leakscope_heap::{ObjectId, Objects, SpanRow};
use leakscope_model::Addr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let spans = data.chunks_exact(24).map(|chunk| {
        let word = |at: usize| u64::from_le_bytes(*chunk[at..].first_chunk().unwrap());
        let slots = (word(16) as u32) % 1025;
        SpanRow {
            base: Addr::new(word(0) >> (word(16) >> 58)),
            slot_size: word(8) >> 40,
            header: word(8) % 16,
            slots,
            noscan: false,
            allocated: vec![word(16); slots.div_ceil(64) as usize].into_boxed_slice(),
            first: ObjectId(0),
        }
    });
    let Ok((objects, _)) = Objects::new(spans.collect()) else { return };
    for object in objects.iter() {
        assert_eq!(objects.find(object.addr), Some((object.id, 0)));
        assert_eq!(objects.addr(object.id), object.addr);
    }
});
