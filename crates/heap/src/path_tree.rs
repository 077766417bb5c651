//! The ways to many objects, alike ones merged, as a tree.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_model::PathStep;

use crate::graph::{Heap, ObjectId};
use crate::groups::{SignatureId, Signatures};
use crate::retained::Tally;

/// One step of the tree.
#[derive(Debug, Clone, PartialEq)]
pub struct PathNode {
    /// The step; the address is that of the only object that is asked for, where there is one.
    pub step: PathStep,
    /// The objects that are asked for, at this step and below.
    pub below: Tally,
    /// Those that are the step itself.
    pub here: Tally,
    /// The steps that go on, those to most bytes first.
    pub children: Vec<PathNode>,
}

/// All objects on one way.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedPath {
    /// From the root.
    pub steps: Vec<PathStep>,
    /// The objects at its end.
    pub objects: Tally,
}

/// The ways to some objects.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PathTree {
    /// By root, those to most bytes first.
    pub roots: Vec<PathNode>,
    /// The same one by one.
    pub paths: Vec<MergedPath>,
}

/// Merges the ways to the reachable ones of `objects`, and keeps the `limit` that lead to most bytes.
pub fn merged(heap: &Heap, objects: &[ObjectId], limit: usize) -> PathTree {
    let mut signatures = Signatures::default();
    let (signed, _) = signatures.sign(heap);
    let mut ends: BTreeMap<SignatureId, (Tally, ObjectId)> = BTreeMap::new();
    for &object in objects {
        let Some(&signature) = signed.get(object.0 as usize) else { continue };
        if signature != SignatureId::NONE {
            let end = ends.entry(signature).or_insert((Tally::default(), object));
            end.0 += Tally::one(heap.objects.size(object));
        }
    }
    let mut ends: Vec<(SignatureId, Tally, ObjectId)> =
        ends.into_iter().map(|(signature, (tally, example))| (signature, tally, example)).collect();
    ends.sort_by_key(|(signature, tally, _)| (Reverse(tally.bytes), *signature));
    ends.truncate(limit);
    let mut tree = PathTree::default();
    for (signature, tally, example) in ends {
        let steps: Vec<PathStep> = if tally.objects == 1 {
            heap.path(example)
        } else {
            signatures.path(signature).into_iter().map(|(_, step)| step).collect()
        };
        add(&mut tree.roots, &steps, tally);
        tree.paths.push(MergedPath { steps, objects: tally });
    }
    sort(&mut tree.roots);
    tree
}

fn add(mut nodes: &mut Vec<PathNode>, steps: &[PathStep], tally: Tally) {
    for (index, step) in steps.iter().enumerate() {
        let same = |node: &PathNode| {
            node.step.name == step.name && node.step.via == step.via && node.step.ty == step.ty
        };
        let at = match nodes.iter().position(same) {
            Some(at) => at,
            None => {
                let (below, here) = (Tally::default(), Tally::default());
                nodes.push(PathNode { step: step.clone(), below, here, children: Vec::new() });
                nodes.len() - 1
            }
        };
        let Some(node) = nodes.get_mut(at) else { return };
        node.below += tally;
        if node.step.addr != step.addr {
            node.step.addr = None;
        }
        if index + 1 == steps.len() {
            node.here += tally;
        }
        nodes = &mut node.children;
    }
}

fn sort(roots: &mut Vec<PathNode>) {
    let mut open = vec![roots];
    while let Some(nodes) = open.pop() {
        nodes.sort_by(|a, b| b.below.bytes.cmp(&a.below.bytes).then_with(|| a.step.name.cmp(&b.step.name)));
        open.extend(nodes.iter_mut().map(|node| &mut node.children));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap_of_names::NamedHeap;

    #[test]
    fn ways_that_begin_alike_share_their_steps() {
        let mut heap = NamedHeap::default();
        let registry = heap.object("main.registry");
        heap.variable("main.reg", registry);
        let sessions = heap.child(registry, "sessions", "map<sessions>");
        let mut carts = Vec::new();
        for _ in 0..3 {
            let session = heap.child(sessions, "[…]", "main.session");
            carts.push(heap.child(session, "cart", "main.cart"));
        }
        carts.push(heap.child(registry, "newest", "main.cart"));
        let garbage = heap.object("main.cart");
        let heap = heap.finish();
        let ids: Vec<ObjectId> = carts.into_iter().chain([garbage]).map(ObjectId).collect();
        let tree = merged(&heap, &ids, 10);
        let [root] = tree.roots.as_slice() else { panic!("{tree:?}") };
        assert_eq!((root.step.name.as_str(), root.below.objects, root.here.objects), ("main.reg", 4, 0));
        let below: Vec<(&str, u64)> =
            root.children.iter().map(|node| (node.step.name.as_str(), node.below.objects)).collect();
        assert_eq!(below, [("sessions", 3), ("newest", 1)]);
        let counts: Vec<u64> = tree.paths.iter().map(|path| path.objects.objects).collect();
        assert_eq!(counts, [3, 1]);
        assert_eq!(merged(&heap, &ids, 1).paths.len(), 1);
        assert!(tree.paths[1].steps.last().is_some_and(|step| step.addr.is_some()), "of one object alone");
    }
}
