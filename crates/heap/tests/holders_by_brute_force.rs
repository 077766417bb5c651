//! What goroutines, groups and objects hold alone, against a search around each of them.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is not there is to end the test")]

mod bench_program;

use bench_program::Program;
use leakscope_heap::holders::{Goroutines, HolderName, Holders};
use leakscope_heap::{Heap, ObjectId};

#[test]
fn retained_sizes_are_what_a_search_around_finds() {
    for build in ["questions-go1.22.10", "questions-go1.26.6"] {
        let heap = Program::start(build, &[]).heap();
        check_goroutines(build, &heap);
        check_objects(build, &heap);
    }
}

fn check_goroutines(build: &str, heap: &Heap) {
    let holders = Holders::of(heap, Goroutines::OneByOne);
    assert_eq!(holders.nodes[0].alone, heap.live(), "{build}");
    let kept = holders.of_each_goroutine(heap);
    let mut own = 0;
    for (goroutine, kept) in heap.goroutines.iter().zip(kept) {
        assert_eq!(kept, heap.retained_by(&[], &[goroutine.id]), "goroutine {} of {build}", goroutine.id);
        own += u32::from(kept.bytes >= 560);
    }
    assert!(own >= 40, "{own} goroutines of {build} have something of their own");
    for node in &holders.nodes {
        let HolderName::Group(group) = node.name else { continue };
        let ids: Vec<u64> = holders.groups[group as usize].iter().map(|at| heap.goroutines[*at].id).collect();
        assert_eq!(node.alone, heap.retained_by(&[], &ids), "group {group} of {build}");
    }
}

fn check_objects(build: &str, heap: &Heap) {
    let mut inner: Vec<ObjectId> = (0..heap.objects.len())
        .map(ObjectId)
        .filter(|id| heap.retained_of(*id) > heap.objects.size(*id))
        .collect();
    inner.sort_by_key(|id| std::cmp::Reverse(heap.retained_of(*id)));
    assert!(inner.len() > 200, "{} of {build}", inner.len());
    for id in inner.into_iter().take(100) {
        let around = heap.retained_by(&[id], &[]).bytes;
        assert_eq!(heap.retained_of(id), around, "{} of {build}", heap.objects.addr(id));
    }
}
