//! A graph file of any bytes, as found and with right checksums: read, and everything asked of it, without a
//! panic.
//!
//! For the second try the input is cut into sections: a tag byte, a length byte times eight, then the section.
#![no_main]

use flate2::Crc;
use leakscope_heap::{ObjectId, graph_file, groups, type_table};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    ask(bytes);
    ask(&sealed(bytes));
});

fn ask(bytes: &[u8]) {
    let Ok(heap) = graph_file::read(bytes) else { return };
    let _ = (type_table::types(&heap), groups::goroutines(&heap, Some(&heap)), groups::single(&heap));
    for id in (0..heap.objects.len().min(100)).map(ObjectId) {
        let _ = (heap.path(id), heap.retained_by(&[id], &[1]));
    }
    let mut again = Vec::new();
    assert!(graph_file::write(&heap, &mut again).is_ok());
    let again = graph_file::read(&again).map(|again| (again.live(), again.objects.len()));
    assert_eq!(again.ok(), Some((heap.live(), heap.objects.len())));
}

fn sealed(mut rest: &[u8]) -> Vec<u8> {
    let mut file = b"lsgraph\x01".to_vec();
    while let [tag, eighths, behind @ ..] = rest {
        let (section, behind) = behind.split_at(behind.len().min(usize::from(*eighths) * 8));
        let mut crc = Crc::new();
        crc.update(section);
        file.extend_from_slice(&u32::from(*tag).to_le_bytes());
        file.extend_from_slice(&(section.len() as u64).to_le_bytes());
        file.extend_from_slice(&crc.sum().to_le_bytes());
        file.extend_from_slice(section);
        rest = behind;
    }
    file
}
