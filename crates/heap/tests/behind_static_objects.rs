//! What package variables hold by way of structs that the linker laid down without a name, against what the
//! program counts.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is not there is to end the test")]

mod bench_program;

use bench_program::Program;
use leakscope_heap::{Heap, Tally, TypePattern, groups, type_table};

/// What is kept, and on which ways.
const HOLDERS: [(&str, &[&str]); 13] = [
    ("main.behindAny", &["main.store.m […]"]),
    ("main.behindPointer", &["main.registry.m […]"]),
    ("main.behindNested", &["main.nested.inner.inner.byID […]"]),
    ("main.behindSlice", &["main.shards[…].m […]"]),
    ("main.behindShort", &["main.short[…].m […]"]),
    ("main.behindPointers", &["main.pointers[…].m […]"]),
    ("main.behindArray", &["main.array[…].m […]"]),
    ("main.behindInit", &["main.madeInInit […]"]),
    ("main.behindFunc", &["main.handler seen […]"]),
    ("main.behindInterface", &["main.kept.m […]"]),
    ("main.behindList", &["main.head.m […]", "main.head.next.m […]", "main.head.next….m […]"]),
    ("main.behindField", &["main.all.first.m […]"]),
    ("main.behindSelf", &["main.loop.all […]"]),
];

#[test]
fn variables_hold_what_structs_behind_them_hold() {
    for build in ["statics-go1.24.3", "statics-go1.26.6", "statics-pie-go1.26.6"] {
        let program = Program::start(build, &[]);
        let heap = program.heap();
        let mut wrong = Vec::new();
        for (ty, paths) in HOLDERS {
            let truth = program.truth(ty);
            let counted =
                type_table::find(&heap, &TypePattern::parse(&format!("*{ty}")).unwrap()).len() as u64;
            let found = ways(&heap, ty);
            let all: Tally = found.iter().map(|(_, tally)| *tally).sum();
            let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
            if truth.objects == 0
                || counted != truth.objects
                || all.objects != truth.objects
                || names != paths
            {
                wrong.push(format!("{ty}: {counted} of {} by {found:?}", truth.objects));
            }
        }
        assert!(wrong.is_empty(), "{build}:\n{}", wrong.join("\n"));
    }
}

/// On which ways the objects of one type are held, by name.
fn ways(heap: &Heap, ty: &str) -> Vec<(String, Tally)> {
    let groups = groups::single(heap);
    let meant = groups.iter().filter(|group| group.ty == ty);
    let mut ways: Vec<(String, Tally)> = meant
        .map(|group| {
            let names: Vec<&str> = group.path.iter().map(|step| step.name.as_str()).collect();
            (names.join(" "), group.after)
        })
        .collect();
    ways.sort_by(|a, b| a.0.cmp(&b.0));
    ways
}
