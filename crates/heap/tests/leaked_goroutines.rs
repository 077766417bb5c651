//! Goroutines that can never run again, held against what the program knows of its own and against Go's profile
//! `goroutineleak`.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is not there is to end the test")]

mod bench_program;

use std::collections::BTreeMap;

use bench_program::Program;
use leakscope_heap::{Heap, Verdict, graph_file, leaks};

const VERSIONS: [&str; 7] = ["1.21.13", "1.22.10", "1.23.9", "1.24.3", "1.25.5", "1.26.6", "1.27.3"];
/// Those whose runtime can tell by itself.
const WITH_PROFILE: [&str; 2] = ["1.26.6", "1.27.3"];

fn ids(heap: &Heap, wanted: Verdict) -> Vec<u64> {
    let found = leaks::find(heap);
    assert_eq!(found.doubt, None);
    let pairs = heap.goroutines.iter().zip(found.of);
    pairs.filter(|(_, verdict)| *verdict == wanted).map(|(goroutine, _)| goroutine.id).collect()
}

fn names(program: &Program, field: &str) -> BTreeMap<u64, String> {
    let named = program.said()[field].as_object().unwrap();
    named.iter().map(|(id, name)| (id.parse().unwrap(), name.as_str().unwrap().to_owned())).collect()
}

fn check(go: &str, arguments: &[&str]) {
    let program = Program::start(&format!("goroutineleak-go{go}"), arguments);
    let heap = program.heap();
    let (leaked, live) = (names(&program, "leaked"), names(&program, "live"));
    assert!(leaked.len() > 30 && live.len() > 20, "{go} says little");
    let found = ids(&heap, Verdict::Leaked);
    let missed: Vec<_> = leaked.iter().filter(|(id, _)| !found.contains(id)).collect();
    let wrong: Vec<_> = found.iter().filter(|id| !leaked.contains_key(id)).map(|id| live.get(id)).collect();
    assert!(missed.is_empty() && wrong.is_empty(), "{go}: missed {missed:?}, wrong {wrong:?}");
    if WITH_PROFILE.contains(&go) {
        let profile = program.said()["profile"].as_array().unwrap();
        let mut profile: Vec<u64> = profile.iter().map(|id| id.as_u64().unwrap()).collect();
        // Go 1.26 also reports a main goroutine that is parked on purpose; 1.27 took that back.
        profile.retain(|&id| id != 1);
        profile.sort_unstable();
        assert_eq!(found, profile, "the profile of {go} itself");
    }
    let mut file = Vec::new();
    graph_file::write(&heap, &mut file).unwrap();
    assert_eq!(ids(&graph_file::read(&file).unwrap(), Verdict::Leaked), found, "in a capture of {go}");
    assert_eq!(ids(&heap, Verdict::Unknown), [0; 0], "{go}");
}

#[test]
fn each_kind_of_wait_is_told_as_the_program_and_go_itself_tell_it() {
    VERSIONS.iter().for_each(|go| check(go, &[]));
}

#[test]
fn a_main_goroutine_in_an_empty_select_keeps_nothing_alive_and_is_no_leak() {
    check("1.24.3", &["-park"]);
    WITH_PROFILE.iter().for_each(|go| check(go, &["-park"]));
}
