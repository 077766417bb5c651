//! Images of real processes, damaged in every way we could think of: whatever the bytes say, reading them ends, takes
//! no more memory than they can account for, and says what it could not read.
//!
//! `LEAKSCOPE_DAMAGES=5000` does that many to each image instead of the few of a usual run.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test: anything unexpected is to end it"
)]

mod damage;
mod image;
#[path = "../oracle/mod.rs"]
mod oracle;

use std::panic::{AssertUnwindSafe, catch_unwind};

use damage::{Books, damage};
use image::Image;
use leakscope_heap::{Heap, ObjectId, graph_file, groups, growth, type_table};
use oracle::Oracle;

/// Damages to each image in a usual run.
const USUAL_DAMAGES: u64 = 96;

fn damages() -> u64 {
    std::env::var("LEAKSCOPE_DAMAGES").map_or(USUAL_DAMAGES, |number| number.parse().unwrap())
}

/// Asks a heap everything there is to ask.
fn ask_all(heap: &Heap, whole: &Heap) {
    let rows = type_table::types(heap);
    let coverage = type_table::coverage(heap);
    assert!(coverage.typed.bytes <= coverage.live.bytes);
    assert!(rows.iter().map(|row| row.live.objects).sum::<u64>() <= u64::from(heap.objects.len()));
    let groups = groups::single(heap);
    let _ = (groups::goroutines(heap, Some(whole)), growth::compare(whole, heap).groups.len());
    let _ = type_table::list(heap, 1 << 20);
    for object in (0..heap.objects.len()).step_by(1 + heap.objects.len() as usize / 300).map(ObjectId) {
        let _ = (heap.path(object), heap.retained_by(&[object], &[]), heap.dominated_by(object));
    }
    if let Some(group) = groups.first() {
        let _ = heap.retained_by(&group.objects, &[1]);
    }
    let mut file = Vec::new();
    graph_file::write(heap, &mut file).unwrap();
    assert_eq!(graph_file::read(&file).unwrap().objects.len(), heap.objects.len());
}

/// Does every damage to the image of a process, and asks what is left.
fn survive(image: &mut Image, name: &str) {
    let whole = image.heap().unwrap();
    let books = Books::of(image, &image.runtime().unwrap());
    let (mut unread, mut gaps) = (0, 0);
    for seed in 0..damages() {
        let done = damage(image, &books, seed);
        let outcome = catch_unwind(AssertUnwindSafe(|| match image.heap() {
            Ok(heap) => {
                gaps += u64::from(heap.gaps.len() > whole.gaps.len());
                ask_all(&heap, &whole);
            }
            Err(_) => unread += 1,
        }));
        assert!(outcome.is_ok(), "{name}, {done}");
        image.heal();
    }
    assert!(unread < damages() / 4 && gaps > damages() / 4, "{unread} unread, {gaps} with gaps");
    let again = image.heap().unwrap();
    assert_eq!((again.objects.len(), again.gaps), (whole.objects.len(), whole.gaps), "{name} is whole again");
}

#[test]
fn damaged_images_of_a_heap_of_all_kinds_are_survived() {
    let oracle = Oracle::start("1.26.6", &["-goroutines=3", "-sample-rate=512"]);
    survive(&mut Image::of(oracle.pid()), "oracle");
}
