//! Graphs written down as pairs of numbers, for tests.

use leakscope_model::{Addr, Frame, Goroutine};

use crate::edges::EdgesBuilder;
use crate::graph::{Edges, ObjectId, Root, RootOrigin};

/// Edges of a heap of `objects` objects; the n-th edge of an object stands in its n-th word.
pub(crate) fn edges(objects: u32, pairs: &[(u32, u32)]) -> Edges {
    let mut edges = EdgesBuilder::for_objects(objects);
    for from in 0..objects {
        let to = pairs.iter().filter(|pair| pair.0 == from).map(|pair| ObjectId(pair.1));
        for (word, target) in (0..).zip(to) {
            edges.push(ObjectId(from), target, word);
        }
    }
    edges.finish()
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
