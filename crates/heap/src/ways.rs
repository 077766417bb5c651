//! The most different ways from roots to one object, and everybody who reaches it.
//!
//! The first way is the one that a person would name ([`Heap::path`]). Each further one is a cheapest way where every
//! step costs 1, and an object, or a root of a name, that an earlier way went through costs far more: so it avoids all
//! that is known as long as there is anything else, and where all ways share a piece, it differs in the rest. It ends
//! when the cheapest way is one that is known.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use hashbrown::HashSet;
use leakscope_model::PathStep;

use crate::graph::{Heap, ObjectId};
use crate::paths::Hop;
use crate::reach::Reach;
use crate::reverse::Incoming;

/// What a step costs that leads through what an earlier way used: more than any way without.
const USED: u64 = 1 << 32;
const UNSEEN: u64 = u64::MAX;

/// A way from a root to an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// Index into [`Heap::roots`].
    pub root: u32,
    /// The edges from there.
    pub hops: Vec<Hop>,
}

/// At most `count` ways from roots to `object`, each as different from those before it as can be; none for an
/// unreachable one.
pub fn most_different(heap: &Heap, object: ObjectId, count: usize) -> Vec<Way> {
    let Some(first) = first_way(heap, object) else { return Vec::new() };
    let mut ways = vec![first];
    if count > 1 {
        let incoming = Incoming::of(heap);
        let mut used = Used::default();
        while ways.len() < count {
            if let Some(last) = ways.last() {
                used.add(heap, last, object);
            }
            match cheapest(heap, &incoming, object, &used) {
                Some(way) if !ways.contains(&way) => ways.push(way),
                _ => break,
            }
        }
    }
    ways.truncate(count);
    ways
}

fn first_way(heap: &Heap, object: ObjectId) -> Option<Way> {
    let (_, hops) = heap.way(object)?;
    let start = hops.first().map_or(object, |hop| hop.0);
    match heap.reached_by.get(start.0 as usize)?.unpack() {
        Reach::Root(root) => Some(Way { root, hops }),
        Reach::Not | Reach::Edge(_) => None,
    }
}

/// What earlier ways went through.
#[derive(Debug, Default)]
struct Used {
    objects: HashSet<ObjectId>,
    roots: BTreeSet<String>,
}

impl Used {
    fn add(&mut self, heap: &Heap, way: &Way, end: ObjectId) {
        self.objects.extend(way.hops.iter().map(|hop| hop.0).filter(|inner| *inner != end));
        if let Some(root) = heap.roots.get(way.root as usize) {
            self.roots.insert(heap.root_step(root).name);
        }
    }

    fn cost(&self, object: ObjectId) -> u64 {
        if self.objects.contains(&object) { USED + 1 } else { 1 }
    }
}

/// Dijkstra's search, from the object backwards.
fn cheapest(heap: &Heap, incoming: &Incoming, object: ObjectId, used: &Used) -> Option<Way> {
    let mut costs = vec![UNSEEN; heap.objects.len() as usize];
    let mut onward: BTreeMap<ObjectId, (u32, ObjectId)> = BTreeMap::new();
    let mut open = BinaryHeap::from([(Reverse(0u64), Reverse(object))]);
    *costs.get_mut(object.0 as usize)? = 0;
    let mut best: Option<(u64, u32, ObjectId)> = None;
    while let Some((Reverse(cost), Reverse(at))) = open.pop() {
        if best.is_some_and(|(known, ..)| known <= cost) {
            break;
        }
        if costs[at.0 as usize] < cost {
            continue;
        }
        for &root in incoming.roots(at) {
            let name = heap.roots.get(root as usize).map(|root| heap.root_step(root).name);
            let known = name.is_some_and(|name| used.roots.contains(&name));
            let whole = (cost + if known { USED } else { 0 }, root, at);
            if best.is_none_or(|best| whole < best) {
                best = Some(whole);
            }
        }
        for &(from, edge) in incoming.edges(at) {
            let next = cost + used.cost(from);
            if next < costs[from.0 as usize] {
                costs[from.0 as usize] = next;
                onward.insert(from, (edge, at));
                open.push((Reverse(next), Reverse(from)));
            }
        }
    }
    let (_, root, start) = best?;
    Some(Way { root, hops: hops_to(&onward, start, object) })
}

fn hops_to(onward: &BTreeMap<ObjectId, (u32, ObjectId)>, start: ObjectId, end: ObjectId) -> Vec<Hop> {
    let (mut hops, mut at) = (Vec::new(), start);
    while at != end
        && let Some(&(edge, to)) = onward.get(&at)
        && hops.len() <= onward.len()
    {
        hops.push((at, edge, to));
        at = to;
    }
    hops
}

/// From every root that reaches `object` a shortest way from it.
pub fn every_root(heap: &Heap, object: ObjectId) -> Vec<Way> {
    let incoming = Incoming::of(heap);
    let mut onward: BTreeMap<ObjectId, (u32, ObjectId)> = BTreeMap::new();
    let mut seen: HashSet<ObjectId> = [object].into_iter().collect();
    let (mut open, mut next) = (vec![object], 0);
    let mut roots = Vec::new();
    while let Some(&at) = open.get(next) {
        next += 1;
        roots.extend(incoming.roots(at).iter().map(|root| (*root, at)));
        for &(from, edge) in incoming.edges(at) {
            if seen.insert(from) {
                onward.insert(from, (edge, at));
                open.push(from);
            }
        }
    }
    roots.sort_unstable();
    roots.into_iter().map(|(root, start)| Way { root, hops: hops_to(&onward, start, object) }).collect()
}

impl Heap {
    /// The steps of a way, as [`Heap::path`] names them.
    pub fn steps(&self, way: &Way) -> Vec<PathStep> {
        self.roots.get(way.root as usize).map_or_else(Vec::new, |root| self.steps_from(root, &way.hops))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap_of_names::NamedHeap;

    fn names(heap: &Heap, ways: &[Way]) -> Vec<String> {
        let line = |way| heap.steps(way).into_iter().map(|step| step.name).collect::<Vec<_>>().join(" ");
        ways.iter().map(line).collect()
    }

    /// `main.a`, `main.b.x`, and a list `main.c` of three nodes all lead to one token.
    fn heap() -> (Heap, ObjectId) {
        let mut heap = NamedHeap::default();
        let token = heap.object("main.token");
        let holder = heap.object("main.holder");
        let list = heap.object("main.node");
        heap.pointer(holder, "x", token);
        heap.pointer(holder, "y", token);
        let second = heap.child(list, "next", "main.node");
        heap.pointer(second, "held", token);
        heap.variable("main.c", list);
        heap.variable("main.b", holder);
        heap.variable("main.a", token);
        (heap.finish(), ObjectId(token))
    }

    #[test]
    fn ways_avoid_what_earlier_ones_went_through() {
        let (heap, token) = heap();
        let found = names(&heap, &most_different(&heap, token, 9));
        assert_eq!(found, ["main.a", "main.b x", "main.c next held"]);
        assert_eq!(names(&heap, &most_different(&heap, token, 1)), ["main.a"]);
    }

    #[test]
    fn every_root_that_reaches_an_object_is_found_once() {
        let (heap, token) = heap();
        let found = names(&heap, &every_root(&heap, token));
        assert_eq!(found, ["main.c next held", "main.b x", "main.a"]);
    }

    #[test]
    fn what_nothing_holds_has_no_way() {
        let mut heap = NamedHeap::default();
        let garbage = heap.object("main.T");
        let heap = heap.finish();
        assert!(most_different(&heap, ObjectId(garbage), 3).is_empty());
        assert!(every_root(&heap, ObjectId(garbage)).is_empty());
    }
}
