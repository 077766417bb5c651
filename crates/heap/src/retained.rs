//! How much memory goes when something goes.
//!
//! What each object alone keeps is found with the dominators ([`crate::dominators`]). Here is what a set of objects and
//! goroutines keeps together (one search that goes around them: dominators of single objects cannot be added
//! up where two of the set hold the same).
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use std::ops::{Add, AddAssign, Sub};

use crate::bits::Bits;
use crate::graph::{Edges, Heap, ObjectId, ReachedBy, Root, RootOrigin};
use crate::objects::Run;

/// A number of objects and their bytes (slots, as the runtime charges them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Tally {
    /// How many.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
}

impl Tally {
    /// One object of `bytes`.
    pub fn one(bytes: u64) -> Tally {
        Tally { objects: 1, bytes }
    }
}

impl Add for Tally {
    type Output = Tally;

    fn add(self, other: Tally) -> Tally {
        Tally { objects: self.objects + other.objects, bytes: self.bytes.saturating_add(other.bytes) }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        *self = *self + other;
    }
}

impl Sub for Tally {
    type Output = Tally;

    /// The difference, and 0 where `other` is larger.
    fn sub(self, other: Tally) -> Tally {
        Tally {
            objects: self.objects.saturating_sub(other.objects),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Tally>>(tallies: I) -> Tally {
        tallies.fold(Tally::default(), Add::add)
    }
}

impl Heap {
    /// What would be freed if these objects went away, and with them all that the goroutines of these ids hold
    /// on their stacks: exact, by a search that goes around them.
    ///
    /// The objects themselves count, as far as they are reachable.
    pub fn retained_by(&self, set: &[ObjectId], without_goroutines: &[u64]) -> Tally {
        let mut gone: Vec<u64> = without_goroutines.to_vec();
        gone.sort_unstable();
        let left_out: Vec<bool> =
            self.goroutines.iter().map(|goroutine| gone.binary_search(&goroutine.id).is_ok()).collect();
        let keeps = |root: &&Root| match root.origin {
            RootOrigin::Frame { goroutine, .. } => {
                !left_out.get(goroutine as usize).is_some_and(|&gone| gone)
            }
            RootOrigin::Global { .. } | RootOrigin::Data | RootOrigin::Special { .. } => true,
        };
        let roots = self.roots.iter().filter(keeps).map(|root| root.target);
        let rest = around(set, self.reached_by.len(), &self.edges, roots);
        let lost = |id: ObjectId| self.reached_by[id.0 as usize].is_reached() && !rest.holds(id.0);
        self.objects.iter().filter(|object| lost(object.id)).map(|object| Tally::one(object.size)).sum()
    }

    /// All reachable objects.
    pub fn live(&self) -> Tally {
        self.tally_of(|by| by.is_reached())
    }

    /// All allocated objects that nothing reaches.
    pub fn garbage(&self) -> Tally {
        self.tally_of(|by| !by.is_reached())
    }

    /// All objects of which this is true; counted span by span, since all objects of a span are of one size.
    fn tally_of(&self, counts: impl Fn(ReachedBy) -> bool) -> Tally {
        let of_run = |run: Run| {
            let reached =
                self.reached_by.get(run.ids.start as usize..run.ids.end as usize).unwrap_or_default();
            let objects = reached.iter().filter(|by| counts(**by)).count() as u64;
            Tally { objects, bytes: objects.saturating_mul(run.size) }
        };
        self.objects.runs().map(of_run).sum()
    }
}

/// The objects that `roots` reach without passing through `set`.
fn around(set: &[ObjectId], objects: usize, edges: &Edges, roots: impl Iterator<Item = ObjectId>) -> Bits {
    let mut closed = Bits::new(objects);
    for object in set {
        closed.add(object.0);
    }
    let (mut seen, mut open) = (closed.clone(), Vec::new());
    for root in roots {
        if seen.add(root.0) {
            open.push(root);
        }
        while let Some(object) = open.pop() {
            for target in edges.targets(object) {
                if seen.add(target.0) {
                    open.push(target);
                }
            }
        }
    }
    seen.without(&closed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph_of_numbers::{edges, goroutine, roots};
    use crate::heap_of_names::NamedHeap;
    use proptest::prelude::*;

    /// The objects that `roots` reach when `without` are not there: the definition, searched node by node.
    fn reachable(pairs: &[(u32, u32)], roots: &[u32], without: &[u32]) -> Vec<u32> {
        let mut found: Vec<u32> = Vec::new();
        let mut open: Vec<u32> = roots.to_vec();
        while let Some(object) = open.pop() {
            if !without.contains(&object) && !found.contains(&object) {
                found.push(object);
                open.extend(pairs.iter().filter(|pair| pair.0 == object).map(|pair| pair.1));
            }
        }
        found
    }

    fn heap_of(objects: u32, pairs: &[(u32, u32)], held: &[u32]) -> Heap {
        let mut named = NamedHeap::default();
        for _ in 0..objects {
            named.object("main.T");
        }
        named.goroutines.push(goroutine(1, "main.main", "sleep"));
        let mut heap = named.finish();
        (heap.edges, heap.roots) = (edges(objects, pairs), roots(held));
        heap.search_again();
        heap
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn what_goes_with_an_object_is_what_cannot_be_reached_around_it(
            objects in 1u32..16,
            pairs in prop::collection::vec((0u32..16, 0u32..16), 0..40),
            held in prop::collection::vec(0u32..16, 0..4),
            set in prop::collection::vec(0u32..16, 0..4),
        ) {
            let pairs: Vec<_> = pairs.iter().map(|pair| (pair.0 % objects, pair.1 % objects)).collect();
            let held: Vec<_> = held.iter().map(|root| root % objects).collect();
            let set: Vec<_> = set.iter().map(|object| object % objects).collect();
            let heap = heap_of(objects, &pairs, &held);
            let live = reachable(&pairs, &held, &[]).len() as u64;
            prop_assert_eq!(heap.live(), Tally { objects: live, bytes: live * 64 });
            for object in 0..objects {
                let lost = live - reachable(&pairs, &held, &[object]).len() as u64;
                prop_assert_eq!(heap.retained_of(ObjectId(object)), lost * 64);
            }
            let lost = live - reachable(&pairs, &held, &set).len() as u64;
            let set: Vec<ObjectId> = set.into_iter().map(ObjectId).collect();
            prop_assert_eq!(heap.retained_by(&set, &[]), Tally { objects: lost, bytes: lost * 64 });
        }
    }
}
