//! Types that no debug information names: the heap of a real process, held against what it prints of itself.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is not there is to end the test")]

mod bench_program;

use bench_program::Program;
use leakscope_heap::{Heap, groups, type_table};

/// Go 1.22 has maps of buckets, 1.27 maps whose groups are split.
const VERSIONS: [&str; 4] = ["1.22.10", "1.24.3", "1.26.6", "1.27.3"];
/// As reflection made it.
const MADE: &str = r#"struct { Text string "json:\"text\""; Rows [40]string }"#;

#[test]
fn what_only_a_static_initialiser_uses_is_typed_and_named() {
    for go in VERSIONS {
        let program = Program::start(&format!("undescribed-go{go}"), &[]);
        let heap = program.heap();
        let session = type_table::types(&heap).into_iter().find(|row| &*row.name == "main.Session");
        assert_eq!(session.unwrap().live, program.truth("session"), "sessions of {go}");
        for container in ["map[string]*main.Session", "chan *main.Session"] {
            assert_eq!(objects(&heap, container), 1, "{container} of {go}");
        }
        let ways = ways(&heap, "main.Session");
        assert_eq!(ways, ["main.store.Recent […]"], "ways to sessions of {go}");
        let keys = ways_below(&heap, "string bytes", "main.store.Entries");
        assert_eq!(keys, [("main.store.Entries […]".to_owned(), 1000)], "keys of {go}");
    }
}

#[test]
fn what_reflection_made_is_typed_and_named() {
    for go in VERSIONS {
        let program = Program::start(&format!("undescribed-go{go}"), &[]);
        let heap = program.heap();
        assert_eq!(objects(&heap, MADE), program.truth("made").objects, "{go}");
        let texts = ways_below(&heap, "string bytes", "main.made");
        let expected = ["Rows[…]", "Text"].map(|field| (format!("main.made […] {field}"), 10));
        assert_eq!(texts, expected, "texts of {go}");
    }
}

fn objects(heap: &Heap, ty: &str) -> u64 {
    let rows = type_table::types(heap).into_iter().filter(|row| &*row.name == ty);
    rows.map(|row| row.live.objects).sum()
}

/// On which ways the objects of one type are held, by name.
fn ways(heap: &Heap, ty: &str) -> Vec<String> {
    ways_below(heap, ty, "").into_iter().map(|(way, _)| way).collect()
}

/// The same for those ways that start alike, with the number of objects on each.
fn ways_below(heap: &Heap, ty: &str, start: &str) -> Vec<(String, u64)> {
    let groups = groups::single(heap);
    let meant = groups.iter().filter(|group| group.ty == ty);
    let ways = meant.map(|group| {
        let names: Vec<&str> = group.path.iter().map(|step| step.name.as_str()).collect();
        (names.join(" "), group.after.objects)
    });
    let mut ways: Vec<_> = ways.filter(|(way, _)| way.starts_with(start)).collect();
    ways.sort();
    ways
}
