//! Groups of heaps written down by names.

use super::*;
use crate::graph_of_numbers::goroutine;
use crate::growth::compare;
use crate::heap_of_names::NamedHeap;

/// `path: objects`, where a group has any, in order of path.
fn lines(groups: &[Group], tally: impl Fn(&Group) -> u64) -> Vec<String> {
    let line = |group: &Group| {
        let names: Vec<&str> = group.path.iter().map(|step| step.name.as_str()).collect();
        let inside = if group.inside { " (inside)" } else { "" };
        format!("{} {}{inside}: {}", names.join("."), group.ty, tally(group))
    };
    let mut lines: Vec<String> = groups.iter().filter(|group| tally(group) > 0).map(line).collect();
    lines.sort();
    lines
}

/// A service with `entries` orders in a map of two levels of inner pieces.
fn service(entries: u32) -> NamedHeap {
    let mut heap = NamedHeap::default();
    let svc = heap.object("main.Service");
    heap.variable("main.svc", svc);
    let map = heap.child(svc, "orders", "map<string,*main.Order>");
    let directory = heap.child(map, "dirPtr", "group<directory>");
    for _ in 0..entries.div_ceil(8) {
        heap.child(directory, "group", "group<string,*main.Order>");
    }
    let first_group = directory + 1;
    for entry in 0..entries {
        let order = heap.child(first_group + entry / 8, "[…]", "main.Order");
        heap.child(order, "items", "[]main.Item");
    }
    heap
}

#[test]
fn keys_and_the_inner_pieces_of_a_map_are_folded() {
    let heap = service(20).finish();
    let groups = single(&heap);
    assert_eq!(
        lines(&groups, |group| group.after.objects),
        [
            "main.svc main.Service: 1",
            "main.svc.orders map<string,*main.Order> (inside): 4",
            "main.svc.orders map<string,*main.Order>: 1",
            "main.svc.orders.[…] main.Order: 20",
            "main.svc.orders.[…].items []main.Item: 20",
        ]
    );
    let orders = groups.iter().find(|group| group.ty == "main.Order").unwrap();
    assert_eq!(groups[orders.parent.unwrap()].ty, "map<string,*main.Order>");
    assert!(!groups[orders.parent.unwrap()].inside);
    assert_eq!(orders.objects.len(), 20);
    assert_eq!(orders.path[0].addr, Some(heap.objects.addr(ObjectId(0))));
    assert_eq!(orders.path[2].addr, None, "twenty orders have no one address");
}

#[test]
fn a_list_of_50_000_nodes_and_a_deep_tree_are_one_group_each() {
    let mut heap = NamedHeap::default();
    let list = heap.object("main.node");
    heap.variable("main.head", list);
    let mut at = list;
    for _ in 1..50_000 {
        at = heap.child(at, "next", "main.node");
    }
    let tree = heap.object("main.tree");
    heap.variable("main.root", tree);
    for number in 0..500 {
        heap.child(tree + number, "left", "main.tree");
        let right = heap.child(tree + number, "right", "main.tree");
        heap.child(right, "value", "main.value");
    }
    let groups = single(&heap.finish());
    let nodes: Vec<String> = lines(&groups, |group| group.after.objects);
    assert!(nodes.contains(&"main.head.next… main.node: 49999".to_owned()), "{nodes:#?}");
    assert!(nodes.len() < 12, "{nodes:#?}");
}

#[test]
fn nested_contexts_fold_onto_the_first_level_and_not_onto_their_base() {
    let mut heap = NamedHeap::default();
    let mut at = heap.object("context.cancelCtx");
    heap.variable("main.base", at);
    for _ in 0..30 {
        let children = heap.child(at, "children", "map<canceler,struct {}>");
        at = heap.child(children, "[…]", "context.cancelCtx");
    }
    let groups = single(&heap.finish());
    assert_eq!(
        lines(&groups, |group| group.after.objects),
        [
            "main.base context.cancelCtx: 1",
            "main.base.children map<canceler,struct {}>: 30",
            "main.base.children.[…] context.cancelCtx: 30",
        ]
    );
}

#[test]
fn growth_counts_what_was_born_and_what_died() {
    let mut before = service(8);
    let scratch = before.object("main.scratch");
    before.variable("main.tmp", scratch);
    let mut after = service(8);
    // At the address of the scratch there is something else now, and one more behind it.
    let map_group = 3;
    let order = after.child(map_group, "[…]", "main.Order");
    after.child(order, "items", "[]main.Item");
    let growth = compare(&before.finish(), &after.finish());
    assert_eq!(
        lines(&growth.groups, |group| group.born.objects),
        ["main.svc.orders.[…] main.Order: 1", "main.svc.orders.[…].items []main.Item: 1"]
    );
    assert_eq!(lines(&growth.groups, |group| group.died.objects), ["main.tmp main.scratch: 1"]);
    let orders = growth.groups.iter().find(|group| group.ty == "main.Order").unwrap();
    assert_eq!((orders.before.objects, orders.after.objects), (8, 9));
    assert!(growth.groups[0].born.objects == 1, "what grew stands first");
}

#[test]
fn a_heap_beside_itself_does_not_grow_and_beside_another_shares_nothing() {
    let mut far = NamedHeap::skipping(100);
    let svc = far.object("main.Service");
    far.variable("main.svc", svc);
    let growth = compare(&service(3).finish(), &far.finish());
    let total = |tally: fn(&Group) -> Tally| growth.groups.iter().map(tally).sum::<Tally>();
    assert_eq!(total(|group| group.born), Tally { objects: 1, bytes: 64 });
    assert_eq!(total(|group| group.died).objects, total(|group| group.before).objects);
    let heap = service(3).finish();
    let same = compare(&heap, &heap);
    assert!(same.groups.iter().all(|group| group.born == Tally::default() && group.died == Tally::default()));
}

#[test]
fn goroutines_of_one_stack_are_one_group_and_name_what_they_hold() {
    let heap = |ids: &[u64]| {
        let mut heap = NamedHeap::default();
        for (index, &id) in (0..).zip(ids) {
            let buffer = heap.object("[]uint8");
            heap.goroutines.push(goroutine(id, "main.worker", "chan receive"));
            heap.local(index, "buf", buffer);
        }
        heap.goroutines.push(goroutine(1, "main.main", "sleep"));
        heap.finish()
    };
    let before = heap(&[5, 6]);
    let after = heap(&[6, 8, 9]);
    let groups = goroutines(&after, Some(&before));
    assert_eq!(groups.len(), 2);
    let workers = &groups[0];
    assert_eq!(
        (workers.ids.as_slice(), workers.before_count, workers.surviving),
        (&[6, 8, 9][..], Some(2), 1)
    );
    assert_eq!((workers.wait.as_str(), workers.held.len()), ("chan receive", 3));
    let [held] = workers.held_by.as_slice() else { panic!("{:?}", workers.held_by) };
    assert_eq!(
        (held.name.as_deref(), &*held.function, held.objects.objects),
        (Some("buf"), "main.worker", 3)
    );
    assert_eq!(after.retained_by(&[], &[6, 8]), Tally { objects: 2, bytes: 128 });
    assert_eq!(after.retained_by(&workers.held, &[]).objects, 3);
    let buffers = single(&after).into_iter().find(|group| group.ty == "[]uint8").unwrap();
    assert_eq!((buffers.path[0].name.as_str(), buffers.after.objects), ("main.worker: buf", 3));
}

#[test]
fn a_map_that_lies_inside_a_struct_keeps_the_name_of_its_field() {
    let mut heap = NamedHeap::default();
    let svc = heap.object("main.Service");
    heap.variable("main.svc", svc);
    let node = heap.child(svc, "sessions", "group<trie>");
    let deeper = heap.child(node, "children[…]", "group<trie>");
    let session = heap.child(deeper, "[…]", "main.Session");
    let heap = heap.finish();
    assert_eq!(
        lines(&single(&heap), |group| group.after.objects),
        [
            "main.svc main.Service: 1",
            "main.svc.sessions group<trie> (inside): 2",
            "main.svc.sessions.[…] main.Session: 1",
        ]
    );
    let names: Vec<String> = heap.path(ObjectId(session)).into_iter().map(|step| step.name).collect();
    assert_eq!(names, ["main.svc", "sessions", "[…]"]);
}
