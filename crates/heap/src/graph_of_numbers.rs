//! Graphs written down as pairs of numbers, for tests.

use leakscope_model::{Addr, Frame, Goroutine};

use crate::edges::EdgesBuilder;
use crate::graph::{Edges, ObjectId, Objects, Root, RootOrigin, SpanRow};

/// Edges of a heap of `objects` objects; the n-th edge of an object stands in its n-th word.
pub(crate) fn edges(objects: u32, pairs: &[(u32, u32)]) -> Edges {
    let mut edges = EdgesBuilder::default();
    for from in 0..objects {
        let to = pairs.iter().filter(|pair| pair.0 == from).map(|pair| ObjectId(pair.1));
        for (word, target) in (0..).zip(to) {
            edges.push(ObjectId(from), target, word);
        }
    }
    edges.finish()
}

/// As many objects in a row, of 64 bytes each.
pub(crate) fn objects_of_64_bytes(count: u32) -> Objects {
    let mut allocated = vec![u64::MAX; count.div_ceil(64) as usize];
    if let Some(last) = allocated.last_mut().filter(|_| !count.is_multiple_of(64)) {
        *last = (1 << (count % 64)) - 1;
    }
    let span = SpanRow {
        base: Addr::new(0xc000_0000),
        slot_size: 64,
        header: 0,
        slots: count,
        noscan: false,
        allocated: allocated.into(),
        first: ObjectId(0),
    };
    Objects::new(vec![span]).unwrap().0
}

/// One root without a name for each target.
pub(crate) fn roots(targets: &[u32]) -> Vec<Root> {
    targets
        .iter()
        .map(|&target| Root {
            origin: RootOrigin::Data,
            slot: Addr::new(0),
            ty: None,
            type_word: None,
            target: ObjectId(target),
            offset: 0,
            conservative: false,
        })
        .collect()
}

/// A goroutine of one frame.
pub(crate) fn goroutine(id: u64, function: &str, wait: &str) -> Goroutine {
    let frame = Frame { function: function.into(), file: "main.go".into(), line: 10, inlined: false };
    Goroutine {
        id,
        status: "waiting".into(),
        wait: Some(wait.into()),
        wait_seconds: None,
        stack: vec![frame.clone()],
        created_by: None,
        start: Some(frame),
        system: false,
        stack_bytes: 0,
    }
}
