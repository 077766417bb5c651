//! Types, paths, groups and retained sizes of real processes, held against what the processes print of
//! themselves.
#![allow(missing_docs, reason = "a test")]
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "what is not there is to end the test")]

mod bench_program;

use bench_program::Program;
use leakscope_heap::{Group, Heap, ObjectId, Tally, TypePattern, graph_file, groups, growth, type_table};

const VERSIONS: [&str; 2] = ["1.24.3", "1.26.6"];

#[test]
fn a_cache_is_typed_and_named_as_its_program_says() {
    for go in VERSIONS {
        let program = Program::start(&format!("cache-go{go}"), &["20"]);
        let heap = program.heap();
        check_types(go, &program, &heap);
        check_places(go, &program, &heap);
        check_retained(go, &program, &heap);
        check_capture(&heap);
    }
}

fn check_types(go: &str, program: &Program, heap: &Heap) {
    for (fact, ty) in [
        ("order", "main.OrderCache"),
        ("meta", "main.Meta"),
        ("lru", "main.lruNode"),
        ("session", "main.Session"),
    ] {
        assert_eq!(of_type(heap, ty), program.truth(fact), "{ty} of {go}");
        let found = type_table::find(heap, &pattern(&format!("*{ty}")));
        assert_eq!(found.len() as u64, program.truth(fact).objects, "find {ty} in {go}");
    }
    assert_eq!(of_type(heap, "[]main.Item"), program.truth("items"), "arrays of items of {go}");
    let coverage = type_table::coverage(heap);
    let missing = (coverage.live - coverage.typed).bytes;
    assert!(missing * 1000 < coverage.live.bytes, "{missing} untyped bytes of {go}: {coverage:?}");
    // The program counted after a collection and has since printed a line.
    let (live, told) = (heap.live(), program.live());
    assert!(live.objects.abs_diff(told.objects) < 400, "{live:?} and {told:?} of {go}");
}

fn check_places(go: &str, program: &Program, heap: &Heap) {
    let groups = groups::single(heap);
    let keys = under(&groups, |path| path == "main.svc cache orders […]");
    let [values, texts] = ["main.OrderCache", "string bytes"].map(|ty| of(&keys, ty));
    // A 64th is reached sooner by way of the recent sessions, and those at the ends of the list by way of it.
    let sooner = program.truth("order").objects.div_ceil(64) + 8;
    assert!(values.objects >= program.truth("order").objects - sooner, "{values:?} orders of {go}");
    assert!(texts.objects >= program.truth("key").objects - 8, "{texts:?} keys of {go}");
    let ring = under(&groups, |path| path == "main.ringWorker: ring […]");
    assert_eq!(of(&ring, "[]uint8"), program.truth("ring"), "ring of {go}");
    let list = under(&groups, |path| path.ends_with("next…") || path.ends_with("prev…"));
    assert_eq!(of(&list, "main.lruNode").objects, program.truth("lru").objects - 2, "list of {go}");
    assert!(groups.len() < 600, "{} groups of {go}", groups.len());
    for group in &groups {
        let parent = group.parent.map(|parent| &groups[parent]);
        assert!(parent.is_none_or(|parent| group.path.starts_with(&parent.path) || group.path.len() < 3));
    }
}

fn check_retained(go: &str, program: &Program, heap: &Heap) {
    let svc = type_table::find(heap, &pattern("main.Service"));
    assert_eq!(svc.len(), 1, "services of {go}");
    let facts = ["order", "key", "customer", "items", "sku", "meta", "note", "lru", "session"];
    let stored: Tally = facts.iter().map(|fact| program.truth(fact)).sum();
    let retained = heap.retained_of(svc[0]);
    // Above what is stored there are the insides of the maps, and nothing that the ring holds.
    assert!(stored.bytes < retained, "{retained} of {go}");
    assert!(retained < stored.bytes * 115 / 100, "{retained} of {go}, {} stored", stored.bytes);
    assert_eq!(heap.retained_by(&svc, &[]).bytes, retained, "two ways to one figure for {go}");
    let names: Vec<String> = heap.path(svc[0]).into_iter().map(|step| step.name).collect();
    assert_eq!(names, ["main.svc"]);
    let worker =
        heap.goroutines.iter().find(|g| g.stack.iter().any(|frame| &*frame.function == "main.ringWorker"));
    let freed = heap.retained_by(&[], &[worker.map_or(0, |worker| worker.id)]);
    let ring = program.truth("ring");
    assert!(ring.bytes <= freed.bytes && freed.objects <= ring.objects + 4, "{freed:?} of {go}");
}

/// The capture of a heap answers as the heap does.
fn check_capture(heap: &Heap) {
    let mut bytes = Vec::new();
    graph_file::write(heap, &mut bytes).unwrap();
    let again = graph_file::read(&bytes).unwrap();
    assert_eq!(type_table::types(&again), type_table::types(heap));
    assert_eq!(groups::single(&again), groups::single(heap));
    assert_eq!(groups::goroutines(&again, None), groups::goroutines(heap, None));
    assert!(bytes.len() < 12 * heap.objects.len() as usize, "{} bytes", bytes.len());
}

#[test]
fn leaked_contexts_and_buffers_are_told_by_who_holds_them() {
    for go in VERSIONS {
        let program = Program::start(&format!("leak-go{go}"), &["4000"]);
        let heap = program.heap();
        let groups = groups::single(&heap);
        let contexts = under(&groups, |path| path == "main.theApp ctx children […]");
        // By number alone: the program takes a cancelCtx for 96 bytes, and it fits 80.
        let found = of(&contexts, "context.cancelCtx").objects;
        assert_eq!(found, program.truth("ctx").objects, "contexts of {go}");
        let channel = under(&groups, |path| path == "main.theApp leaks");
        let types: Vec<&str> = channel.iter().map(|group| group.ty.as_str()).collect();
        assert_eq!(types, ["chan int"], "what the goroutines of {go} wait at");
        let local = under(&groups, |path| path == "main.handleLocal: buf");
        assert_eq!(of(&local, "[]uint8"), program.truth("buf-local"), "buffers in locals of {go}");
        let captured =
            under(&groups, |path| path.starts_with("main.spawnClosure.func1: ") && path.ends_with("buf"));
        assert_eq!(of(&captured, "[]uint8"), program.truth("buf-closure"), "buffers in closures of {go}");
        check_goroutines(go, &program, &heap);
    }
}

fn check_goroutines(go: &str, program: &Program, heap: &Heap) {
    let groups = groups::goroutines(heap, None);
    for (function, fact) in [("main.handleLocal", "buf-local"), ("main.spawnClosure.func1", "buf-closure")] {
        let group = groups.iter().find(|group| group.stack.iter().any(|frame| &*frame.function == function));
        let group = group.unwrap_or_else(|| panic!("no goroutine of {function} in {go}"));
        let truth = program.truth(fact);
        assert_eq!(
            (group.ids.len() as u64, group.wait.as_str()),
            (truth.objects, "chan receive"),
            "{function} of {go}"
        );
        let freed = heap.retained_by(&[], &group.ids);
        assert!(truth.bytes <= freed.bytes, "{freed:?} of {function} of {go}");
        assert!(freed.bytes <= truth.bytes + truth.objects * 64, "{freed:?} of {function} of {go}");
        let created = group.created_by.as_ref().map(|frame| &*frame.function);
        let creator = if fact == "buf-local" { "main.main" } else { "main.spawnClosure" };
        assert_eq!(created, Some(creator), "{function} of {go}");
    }
}

#[test]
fn a_process_that_stands_still_does_not_grow() {
    let program = Program::start("cache-go1.26.6", &["5"]);
    let (before, after) = (program.heap(), program.heap());
    let growth = growth::compare(&before, &after);
    let born: Tally = growth.groups.iter().map(|group| group.born).sum();
    assert!(born.objects < 100, "{born:?} in a process that only sleeps");
    let orders: Tally = of(&growth.groups.iter().collect::<Vec<_>>(), "main.OrderCache");
    assert_eq!(orders, program.truth("order"));
}

/// All reachable objects of one type.
fn of_type(heap: &Heap, name: &str) -> Tally {
    let rows = type_table::types(heap);
    rows.iter().find(|row| &*row.name == name).map_or(Tally::default(), |row| row.live)
}

/// The groups whose names, joined by spaces, are meant.
fn under(groups: &[Group], meant: impl Fn(&str) -> bool) -> Vec<&Group> {
    let names =
        |group: &Group| group.path.iter().map(|step| step.name.as_str()).collect::<Vec<_>>().join(" ");
    groups.iter().filter(|group| meant(&names(group))).collect()
}

/// The objects of one type in these groups, each of which lists as many as it counts.
fn of(groups: &[&Group], ty: &str) -> Tally {
    let groups = groups.iter().filter(|group| group.ty == ty);
    let counted = groups.map(|group| {
        let listed: &[ObjectId] = &group.objects;
        assert_eq!(listed.len() as u64, group.after.objects);
        group.after
    });
    counted.sum()
}

fn pattern(text: &str) -> TypePattern {
    TypePattern::parse(text).unwrap()
}
