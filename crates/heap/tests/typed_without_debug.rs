//! Types that are found without debug information, held against those that it names, object by object: one process,
//! read twice.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is not there is to end the test")]
#![allow(clippy::print_stdout, reason = "the figures themselves, for who asks: cargo test -- --nocapture")]

mod bench_program;

use std::collections::BTreeMap;

use bench_program::Program;
use leakscope_heap::graph::How;
use leakscope_heap::{Heap, Tally, type_table};

/// Of what debug information types, this many bytes in a thousand are to be typed without it.
const WITHOUT: u64 = 950;
/// Several small values share a block of so many bytes (`runtime.mallocgcTiny`): any of them names it.
const TINY: u64 = 16;
/// Of all reachable bytes, this many in a thousand are to be typed with it.
const WITH: u64 = 990;

/// What two readings of one process say of the same objects.
#[derive(Debug, Default)]
struct Agreement {
    both: u64,
    same: u64,
    /// The two names of what they do not agree on.
    others: BTreeMap<(String, String), u64>,
}

fn agreement(with: &Heap, without: &Heap) -> Agreement {
    let mut found = Agreement::default();
    for object in with.objects.iter().filter(|object| with.is_reachable(object.id)) {
        let index = object.id.0 as usize;
        if with.how_of[index] == How::None || without.how_of[index] == How::None {
            continue;
        }
        let names = [with, without].map(|heap| heap.shape(object.id).unwrap().name.to_string());
        found.both += 1;
        if names[0] == names[1] || object.size == TINY || is_less_exact(&names) {
            found.same += 1;
        } else {
            let [with, without] = names;
            *found.others.entry((with, without)).or_default() += 1;
        }
    }
    found
}

/// Whether one name only says less: the element of a channel may be told by nothing but a variable of its type, and
/// code that serves all types of one shape knows the shape alone.
fn is_less_exact([with, without]: &[String; 2]) -> bool {
    let generic = |name: &str| name.split_once('[').map(|(generic, _)| generic.to_owned());
    let shape = with.contains("go.shape.") || without.contains("go.shape.");
    let channel = |exact: &str, loose: &str| exact.starts_with("chan ") && loose == "runtime.hchan";
    channel(with, without) || channel(without, with) || shape && generic(with) == generic(without)
}

fn permille(part: Tally, whole: Tally) -> u64 {
    part.bytes * 1000 / whole.bytes.max(1)
}

fn compare(name: &str, arguments: &[&str]) -> Agreement {
    let program = Program::start(name, arguments);
    let (with, without) = program.heap_with_and_without_debug();
    let (full, bare) = (type_table::coverage(&with), type_table::coverage(&without));
    let found = agreement(&with, &without);
    println!("{name}: typed with {full:?}");
    println!("{name}: typed without {bare:?}");
    println!("{name}: {} of {} objects agree; others {:?}", found.same, found.both, found.others);
    assert_eq!(full.live, bare.live, "{name}: what is reachable does not depend on types");
    assert!(permille(full.typed, full.live) >= WITH, "{name} with debug information: {full:?}");
    assert!(permille(bare.typed, bare.live) >= WITHOUT, "{name} without: {bare:?}");
    assert_eq!(
        bare.by_how[How::Dwarf as usize],
        Tally::default(),
        "{name}: nothing is said to be from DWARF"
    );
    assert!(bare.by_how[How::Pointer as usize].bytes > 0, "{name}: {bare:?}");
    found
}

/// Objects that the program itself calls by two names: one type is defined as the other, and values are converted.
const CONVERTED: [(&str, &str); 2] =
    [("stats.Int64", "stats.MetricDescriptor"), ("impl.EnumInfo", "impl.EnumInfo")];

#[test]
fn a_service_of_many_libraries_is_typed_as_with_debug_information() {
    for go in ["1.24.3", "1.26.6"] {
        let found = compare(&format!("coverage-go{go}"), &[]);
        let explained = |names: &&(String, String)| {
            CONVERTED.iter().any(|(with, without)| names.0.contains(with) && names.1.contains(without))
        };
        let others: Vec<_> = found.others.keys().filter(|names| !explained(names)).collect();
        assert_eq!(others, Vec::<&(String, String)>::new(), "coverage of {go}");
    }
}

#[test]
fn the_same_service_without_debug_information_is_typed() {
    for go in ["1.24.3", "1.26.6"] {
        let program = Program::start(&format!("coverage-stripped-go{go}"), &[]);
        let coverage = type_table::coverage(&program.heap());
        println!("coverage-stripped-go{go}: {coverage:?}");
        assert!(permille(coverage.typed, coverage.live) >= WITHOUT, "{go}: {coverage:?}");
        let rows = type_table::types(&program.heap());
        for name in ["main.Product", "main.Entry", "main.Session", "main.Answer", "main.watch"] {
            assert!(rows.iter().any(|row| &*row.name == name && row.live.objects >= 100), "{name} of {go}");
        }
    }
}

#[test]
fn a_cache_behind_nameless_variables_is_typed_as_with_debug_information() {
    for go in ["1.24.3", "1.26.6"] {
        let found = compare(&format!("cache-go{go}"), &["16"]);
        assert_eq!(found.others, BTreeMap::new());
    }
}

#[test]
fn what_only_frames_hold_is_typed_as_with_debug_information() {
    let found = compare("leak-go1.26.6", &["500"]);
    assert_eq!(found.others, BTreeMap::new());
}

#[test]
fn every_kind_of_type_is_typed_as_with_debug_information() {
    for go in ["1.22.10", "1.24.3", "1.26.6", "1.27.3"] {
        let found = compare(&format!("zoo-go{go}"), &[]);
        assert_eq!(found.others, BTreeMap::new());
    }
}
