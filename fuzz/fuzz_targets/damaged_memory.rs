//! The memory of a real process with any words changed: identified, read and asked everything, without a panic and
//! without end. It starts from a core, which the environment names:
//!
//! ```text
//! gcore -o /tmp/core PID   # of a small Go program, such as a fixture
//! LEAKSCOPE_FUZZ_CORE=/tmp/core.PID LEAKSCOPE_FUZZ_EXE=./program cargo +nightly fuzz run damaged_memory
//! ```
//!
//! Sixteen bytes of input are one change: where, counted in words over all that the program could write to and round
//! and round, and the new word.
#![no_main]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use leakscope_goruntime::Runtime;
use leakscope_heap::{ObjectId, graph_file, groups, read, type_table};
use leakscope_model::Addr;
use leakscope_target::{CoreFile, FileBytes, MappedFile, ReadError, TargetMemory};
use libfuzzer_sys::fuzz_target;

/// Changes in one input, at the most.
const MOST_CHANGES: usize = 4096;

struct Base {
    core: CoreFile,
    executable: FileBytes,
    /// `(start, bytes)` of what the program could write to.
    writable: Vec<(u64, u64)>,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let path =
        |name: &str| PathBuf::from(std::env::var_os(name).unwrap_or_else(|| panic!("{name} names no file")));
    let exe = path("LEAKSCOPE_FUZZ_EXE");
    let executable = FileBytes::from(MappedFile::open(&exe).expect("the executable can be read"));
    let core = CoreFile::open(&path("LEAKSCOPE_FUZZ_CORE")).expect("the core can be read");
    let core = core.with_executable(&exe, executable.clone()).expect("the core is of the executable");
    let held = |start: &Addr| core.read_exact(*start, &mut [0]).is_ok();
    let mapped = core.mappings().iter().filter(|mapping| mapping.write && held(&mapping.start));
    let writable = mapped.map(|mapping| (mapping.start.get(), mapping.len())).collect();
    Base { core, executable, writable }
});

/// The core with some words changed.
struct Damaged(BTreeMap<u64, [u8; 8]>);

impl TargetMemory for Damaged {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        BASE.core.read_exact(addr, buf)?;
        let (start, end) = (addr.get(), addr.get().saturating_add(buf.len() as u64));
        for (&at, word) in self.0.range(start.saturating_sub(7)..end) {
            for (byte, place) in word.iter().zip(at..) {
                if let Some(slot) = place.checked_sub(start).and_then(|inside| buf.get_mut(inside as usize)) {
                    *slot = *byte;
                }
            }
        }
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    let all: u64 = BASE.writable.iter().map(|(_, len)| len).sum();
    let change = |chunk: &[u8]| {
        let mut index = u64::from_le_bytes(*chunk.first_chunk()?).checked_rem(all)? & !7;
        for &(start, len) in &BASE.writable {
            match index.checked_sub(len) {
                Some(rest) => index = rest,
                None => return Some((start + index, *chunk.last_chunk()?)),
            }
        }
        None
    };
    let memory = Damaged(data.chunks_exact(16).take(MOST_CHANGES).filter_map(change).collect());
    let (mappings, threads) = (BASE.core.mappings(), BASE.core.threads());
    let Ok(runtime) = Runtime::identify(&BASE.executable, &memory, mappings) else { return };
    let Ok(heap) = read::read(&memory, mappings, threads, &runtime, None) else { return };
    let _ = (type_table::types(&heap), groups::single(&heap), groups::goroutines(&heap, None));
    for object in (0..heap.objects.len()).step_by(1 + heap.objects.len() as usize / 100).map(ObjectId) {
        let _ = (heap.path(object), heap.dominated_by(object));
    }
    let mut file = Vec::new();
    graph_file::write(&heap, &mut file).expect("a vector takes everything");
    assert_eq!(
        graph_file::read(&file).expect("what was written can be read").objects.len(),
        heap.objects.len()
    );
});
