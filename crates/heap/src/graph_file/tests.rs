//! There and back, and what damage costs.

use super::*;
use crate::edges::EdgesBuilder;
use crate::graph::{Edges, MemStats, ObjectId, Root, RootOrigin};
use crate::graph_of_numbers::goroutine;
use crate::heap_of_names::NamedHeap;
use crate::retained::Tally;
use crate::waits::{Wait, Waits, Woken};
use leakscope_model::{Addr, Frame};
use proptest::prelude::*;

fn sample() -> Heap {
    let mut named = NamedHeap::skipping(70);
    let svc = named.object("main.Service");
    named.variable("main.svc", svc);
    let map = named.child(svc, "orders", "map<string,*main.Order>");
    let group = named.child(map, "dirPtr", "group<string,*main.Order>");
    for _ in 0..200 {
        named.child(group, "[…]", "main.Order");
    }
    named.goroutines.push(goroutine(1, "main.main", "sleep"));
    named.goroutines.push(goroutine(7, "main.worker", "chan receive"));
    let buffer = named.object("[]uint8");
    named.local(1, "buf", buffer);
    let mut heap = named.finish();
    let frame = Frame { function: "main.new".into(), file: "main.go".into(), line: 7, inlined: true };
    heap.stacks = vec![vec![frame]];
    heap.samples = vec![(ObjectId(5), 0), (ObjectId(9), 0)];
    heap.memstats = MemStats { memory_limit: u64::MAX, gc_phase: 2, ..MemStats::default() };
    heap.gaps = vec![Gap::new("heap", "a page was missing")];
    heap.goroutines[1].wait_seconds = Some(12.5);
    heap.edges = pointing_inside(&heap.edges);
    let wait = |woken, whole| Wait { woken, whole };
    let through = Woken::Through([ObjectId(3), ObjectId(9)].into());
    let of = vec![wait(Woken::FromOutside, true), wait(through, false)];
    heap.waits = Waits { of, hidden: vec![2, 40], doubt: Some("a page was missing".into()) };
    heap
}

/// The same edges, two of which do not point at an object's start.
fn pointing_inside(edges: &Edges) -> Edges {
    let mut builder = EdgesBuilder::default();
    for edge in (0..edges.len()).filter_map(|index| edges.get(index)) {
        builder.push(edges.source(edge.index).unwrap(), edge.target, edge.word);
    }
    builder.points_inside(1, 24);
    builder.points_inside(40, 8);
    builder.finish()
}

fn written(heap: &Heap) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(heap, &mut bytes).unwrap();
    bytes
}

fn assert_same(read: &Heap, heap: &Heap) {
    assert_eq!(read.objects.spans(), heap.objects.spans());
    assert_eq!(read.edges, heap.edges);
    assert_eq!((&read.shape_of, &read.how_of), (&heap.shape_of, &heap.how_of));
    assert_eq!((&read.shapes, &read.names, &read.roots), (&heap.shapes, &heap.names, &heap.roots));
    assert_eq!(
        (&read.reached_by, &read.dominator, &read.retained),
        (&heap.reached_by, &heap.dominator, &heap.retained)
    );
    assert_eq!(
        (&read.goroutines, &read.samples, &read.stacks),
        (&heap.goroutines, &heap.samples, &heap.stacks)
    );
    assert_eq!((read.memstats, &read.gaps, &read.waits), (heap.memstats, &heap.gaps, &heap.waits));
}

#[test]
fn a_heap_comes_back_as_it_was() {
    let heap = sample();
    assert_same(&read(&written(&heap)).unwrap(), &heap);
    let empty = read(&written(&Heap::default())).unwrap();
    assert_eq!((empty.objects.len(), empty.gaps.len()), (0, 0));
}

#[test]
fn a_damaged_section_costs_its_own_part_and_says_so() {
    let heap = sample();
    let bytes = written(&heap);
    let mut worker = bytes.clone();
    let at = bytes.windows(11).position(|text| text == b"main.worker").unwrap();
    worker[at] ^= 1;
    let without_strings = read(&worker).unwrap();
    assert_eq!(without_strings.live(), heap.live(), "the graph needs no names");
    let [_, gap] = without_strings.gaps.as_slice() else { panic!("{:?}", without_strings.gaps) };
    assert!(gap.reason.starts_with("strings of the capture: graph at offset 0x"), "{}", gap.reason);
    assert!(gap.reason.ends_with("the checksum does not fit"), "{}", gap.reason);

    let cut = read(&bytes[..at]).unwrap();
    assert_eq!(cut.objects.len(), heap.objects.len());
    let nothing = read(&bytes[..20]).unwrap_err();
    assert_eq!(nothing.to_string(), "graph at offset 0x14: the section is missing");
}

#[test]
fn no_section_is_needed_but_the_objects() {
    let (heap, mut bytes) = (sample(), Vec::new());
    write_header(&mut bytes).unwrap();
    let mut writer = Writer::default();
    objects::write(&heap.objects, &mut writer);
    write_section(&mut bytes, Tag::Objects, &writer.bytes).unwrap();
    let bare = read(&bytes).unwrap();
    assert_eq!(bare.objects.len(), heap.objects.len());
    assert_eq!((bare.live(), bare.gaps.len()), (Tally::default(), 10));
    assert!(bare.path(ObjectId(0)).is_empty());
    assert_eq!(bare.shape(ObjectId(0)).map(|shape| &*shape.name), Some("unknown"));
}

/// Puts the right checksum on a damaged section, so that the damage reaches the readers of columns.
fn resealed(bytes: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let len = bytes.len();
    bytes[at % len] = value;
    let mut out = Vec::new();
    let mut rest = &bytes[8..];
    write_header(&mut out).unwrap();
    while let Some((header, behind)) = rest.split_at_checked(16) {
        let len =
            usize::try_from(u64::from_le_bytes(header[4..12].try_into().unwrap())).unwrap_or(usize::MAX);
        let Some((section, behind)) = behind.split_at_checked(len) else { break };
        out.extend_from_slice(&header[..12]);
        let mut sealed = Vec::new();
        write_section(&mut sealed, Tag::Gaps, section).unwrap();
        out.extend_from_slice(&sealed[12..]);
        rest = behind;
    }
    out
}

/// Asks everything of a heap that may be nonsense.
fn ask_everything(heap: &Heap) {
    let groups = crate::groups::single(heap);
    let _ = crate::leaks::find(heap);
    let _ = (crate::groups::goroutines(heap, Some(heap)), crate::type_table::types(heap), groups.len());
    for id in (0..heap.objects.len()).map(ObjectId) {
        let _ = heap.path(id);
    }
    let _ = heap.retained_by(&[ObjectId(3)], &[7]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_refused_quietly(bytes: Vec<u8>) {
        let _ = read(&bytes);
        let _ = read(&[b"lsgraph\x01".as_slice(), &bytes].concat());
    }

    #[test]
    fn a_changed_byte_never_panics_even_with_a_right_checksum(at: usize, value: u8) {
        if let Ok(heap) = read(&resealed(&written(&sample()), at, value)) {
            ask_everything(&heap);
        }
    }

    #[test]
    fn any_roots_and_pointers_come_back(
        pairs in prop::collection::vec((0u32..200, 0u32..200), 0..300),
        slots in prop::collection::vec((any::<u64>(), 0u32..200, any::<u32>(), any::<u64>(), any::<bool>()), 0..20),
    ) {
        let mut heap = sample();
        heap.edges = crate::graph_of_numbers::edges(heap.objects.len(), &pairs);
        heap.roots = slots
            .iter()
            .map(|&(slot, target, index, offset, conservative)| {
                let origin = match index % 4 {
                    0 => RootOrigin::Global { name: index },
                    1 => RootOrigin::Data,
                    2 => RootOrigin::Special { name: index },
                    _ => RootOrigin::Frame { goroutine: index, frame: 3, name: index.checked_sub(1 << 31) },
                };
                let target = ObjectId(target);
                Root { origin, slot: Addr::new(slot), ty: None, type_word: None, target, offset, conservative }
            })
            .collect();
        heap.search_again();
        assert_same(&read(&written(&heap)).unwrap(), &heap);
    }
}
