//! The oracle and the reader of its dump, against each other and against `runtime.MemStats`: before leakscope is
//! compared with them, they must agree among themselves.
#![allow(missing_docs, reason = "a test")]

mod heapdump;
mod oracle;

use heapdump::HeapDump;
use oracle::Oracle;

#[test]
fn the_dump_holds_every_object_and_the_process_stands_still() {
    for go in ["1.24.3", "1.26.6"] {
        agrees(Oracle::start(go, &[]), 0);
        agrees(Oracle::start(go, &["-gc=false", "-goroutines=500", "-sample-rate=1"]), 50_000);
    }
}

fn agrees(mut oracle: Oracle, samples: usize) {
    let dump = HeapDump::read(&oracle.dump_file());
    assert_eq!(dump.objects.len() as u64, dump.memstats.heap_objects, "objects in the dump of {}", dump.go);
    let bytes: u64 = dump.objects.iter().map(|object| object.size).sum();
    assert_eq!(bytes, dump.memstats.heap_alloc, "bytes in the dump of {}", dump.go);
    assert!(dump.samples.len() > samples, "{} samples", dump.samples.len());
    assert!(dump.samples.iter().all(|&(addr, _)| dump.object_at(addr).is_some()));
    assert_eq!(
        dump.memstats.heap_objects,
        oracle.ready.of("heap_objects"),
        "nothing is allocated after the dump"
    );
    assert_eq!(dump.memstats.mallocs, oracle.ready.of("mallocs"), "nothing is allocated after the dump");
    assert_eq!(user_goroutines(&dump), oracle.goroutine_ids());
    assert_eq!(oracle.ask().of("mallocs"), oracle.ready.of("mallocs"), "the process stands still");
}

fn user_goroutines(dump: &HeapDump) -> Vec<u64> {
    let mut ids: Vec<u64> = dump.goroutines.iter().filter(|g| !g.system).map(|g| g.id).collect();
    ids.sort_unstable();
    ids
}
