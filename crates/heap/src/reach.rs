//! What is reachable, and by which edge or root it was reached first.
//!
//! Breadth-first search in phases: all that package variables hold is found before any goroutine is asked, and
//! goroutines that are alone with their stack before those of which there are many. So an object that a variable
//! holds is told by that variable, and not by one of 6,000 goroutines that use it; inside a phase the path is a
//! shortest one.
//!
//! The search is bound by memory: hardly anything of what it asks for is in a cache. So it asks for what a few
//! objects need all together before it looks at the first of them ([`Search::touch_objects`]), and whoever wants to see the
//! objects in the same order ([`Visitor`]) sees them in the same walk.
#![allow(clippy::indexing_slicing, reason = "numbers of our own making index arrays of the same length")]
use std::ops::Range;

use crate::graph::{Edges, ObjectId, ReachedBy, Root};
use crate::inner_graph::{InnerGraph, LEAF, ROOTS, UNSEEN, UNSEEN_INNER};

/// How an object was reached, unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Not at all: the next collection frees it.
    Not,
    /// By a root: index into `Heap::roots`.
    Root(u32),
    /// By an edge: the number of an edge.
    Edge(u32),
}

/// Set in a packed value that is an index of a root.
const ROOT: u32 = 1 << 31;

/// Indices of edges and of roots lie below this.
pub const LIMIT: u32 = ROOT - 1;

impl ReachedBy {
    /// Not reached.
    pub const NOT: ReachedBy = ReachedBy(u32::MAX);

    /// Packs; an index at or above [`LIMIT`] does not fit and becomes `NOT`.
    pub fn pack(reach: Reach) -> ReachedBy {
        match reach {
            Reach::Edge(edge) if edge < LIMIT => ReachedBy(edge),
            Reach::Root(root) if root < LIMIT => ReachedBy(root | ROOT),
            Reach::Not | Reach::Edge(_) | Reach::Root(_) => ReachedBy::NOT,
        }
    }

    /// Unpacks.
    pub fn unpack(self) -> Reach {
        match self {
            ReachedBy::NOT => Reach::Not,
            ReachedBy(root) if root & ROOT != 0 => Reach::Root(root & !ROOT),
            ReachedBy(edge) => Reach::Edge(edge),
        }
    }

    /// Whether the object was reached.
    pub fn is_reached(self) -> bool {
        self != ReachedBy::NOT
    }
}

/// Objects whose memory is asked for together.
const TOGETHER: usize = 32;
/// Edges of one object that are looked at together.
const PART: u32 = 32;

/// Sees the reachable objects that hold pointers, as they are reached.
pub(crate) trait Visitor {
    /// Reads something of what it keeps of each of these objects, which it will be asked about soon, so that it is at
    /// hand then.
    fn touch(&self, objects: &[ObjectId]);
    /// Sees these edges of an object. Objects come in the order in which they were found, the edges of each in
    /// order.
    fn visit(&mut self, object: ObjectId, edges: Range<u32>);
}

/// Sees nothing.
impl Visitor for () {
    fn touch(&self, _: &[ObjectId]) {}

    fn visit(&mut self, _: ObjectId, _: Range<u32>) {}
}

/// The result of the search.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    places: Vec<Place>,
    inner: InnerGraph,
}

impl Reached {
    /// For each object, how it was reached, and what dominators are found on.
    ///
    /// They lie side by side until they are asked for, so that they take no memory twice while others still need much.
    pub(crate) fn apart(self) -> (Vec<ReachedBy>, InnerGraph) {
        let Reached { places, mut inner } = self;
        let by = places.iter().map(|place| ReachedBy(place.by)).collect();
        let seen = |place: Place| if place.link == UNSEEN_INNER { UNSEEN } else { place.link };
        inner.links = places.into_iter().map(seen).collect();
        inner.links.shrink_to_fit();
        (by, inner)
    }
}

/// Searches from `roots`, one range of `phases` after the other.
///
/// Roots outside every range and targets outside the heap are left out.
pub(crate) fn search(
    objects: usize,
    edges: &Edges,
    roots: &[Root],
    phases: &[Range<usize>],
    visitor: &mut impl Visitor,
) -> Reached {
    let unseen = |inner| Place { by: ReachedBy::NOT.0, link: if inner { UNSEEN_INNER } else { UNSEEN } };
    let places = edges.any_of(objects).map(unseen).collect();
    let inner = InnerGraph { objects: vec![ObjectId(UNSEEN)], ..InnerGraph::default() };
    let (parts, ahead) = (Vec::new(), Vec::new());
    let mut search = Search { edges, places, inner, expanded: 1, parts, ahead, visitor };
    for phase in phases {
        for (index, root) in (0u32..).zip(roots).take(phase.end).skip(phase.start) {
            let top = search.look(ROOTS, root.target, ReachedBy::pack(Reach::Root(index)));
            search.inner.tops.extend(top);
        }
        search.expand();
    }
    search.finish()
}

/// What is known of one object: side by side, since whoever asks for one of them asks for the other.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// A [`ReachedBy`].
    by: u32,
    /// As [`InnerGraph::links`].
    link: u32,
}

struct Search<'s, V> {
    edges: &'s Edges,
    places: Vec<Place>,
    inner: InnerGraph,
    /// The next number whose edges are to be followed.
    expanded: usize,
    /// Where the edges lie of those that are followed next, and what they lead to.
    parts: Vec<Range<u32>>,
    ahead: Vec<ObjectId>,
    visitor: &'s mut V,
}

impl<V: Visitor> Search<'_, V> {
    /// Looks along an edge from number `from`; the number of its target, if that has one.
    #[inline]
    fn look(&mut self, from: u32, target: ObjectId, by: ReachedBy) -> Option<u32> {
        let place = self.places.get_mut(target.0 as usize)?;
        match place.link {
            UNSEEN => {
                *place = Place { by: by.0, link: LEAF | from };
                None
            }
            UNSEEN_INNER => {
                let number = self.inner.objects.len() as u32;
                *place = Place { by: by.0, link: number };
                self.inner.objects.push(target);
                Some(number)
            }
            leaf if leaf & LEAF != 0 => {
                if leaf & !LEAF != from {
                    self.inner.leaf_edges.push((target, from));
                }
                None
            }
            number => Some(number).filter(|&number| number != from),
        }
    }

    /// Follows the edges of all that was found and not followed yet.
    fn expand(&mut self) {
        while self.expanded < self.inner.objects.len() {
            let end = self.inner.objects.len().min(self.expanded + TOGETHER);
            self.touch_objects(self.expanded..end);
            for number in self.expanded..end {
                self.inner.starts.push(self.inner.targets.len() as u32);
                self.follow(number);
            }
            self.expanded = end;
        }
    }

    fn follow(&mut self, number: usize) {
        let object = self.inner.objects[number];
        let Range { start, end } = self.edges.range(object);
        let mut at = start;
        while at < end {
            let part = at..end.min(at.saturating_add(PART));
            at = part.end;
            if part.start > start {
                self.ahead.clear();
                self.ahead.extend(self.edges.among(part.clone()).map(|edge| edge.target));
                self.touch_targets();
            }
            for edge in self.edges.among(part.clone()) {
                let inner = self.look(number as u32, edge.target, ReachedBy(edge.index));
                self.inner.targets.extend(inner);
            }
            self.visitor.visit(object, part);
        }
    }

    /// Reads what following these numbers will need: where their edges lie, the edges, what they lead to. Reads
    /// that do not wait for each other are served together, so each of these is a tight loop of its own.
    fn touch_objects(&mut self, numbers: Range<usize>) {
        let objects = &self.inner.objects[numbers];
        self.parts.clear();
        self.parts.extend(objects.iter().map(|&object| self.edges.range(object)));
        let edges = self.parts.iter().fold(0, |touched, part| touched ^ self.edges.touch(part.start));
        std::hint::black_box(edges);
        self.ahead.clear();
        for part in &self.parts {
            let part = part.start..part.end.min(part.start.saturating_add(PART));
            self.ahead.extend(self.edges.among(part).map(|edge| edge.target));
        }
        self.touch_targets();
        self.visitor.touch(objects);
    }

    /// Reads what looking at the targets in `ahead` will need.
    fn touch_targets(&self) {
        let link = |object: &ObjectId| self.places.get(object.0 as usize).map_or(0, |place| place.link);
        std::hint::black_box(self.ahead.iter().fold(0, |touched, object| touched ^ link(object)));
        self.visitor.touch(&self.ahead);
    }

    fn finish(self) -> Reached {
        let mut inner = self.inner;
        inner.starts.push(inner.targets.len() as u32);
        Reached { places: self.places, inner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph_of_numbers::{edges, roots};

    #[test]
    fn a_later_phase_does_not_take_what_an_earlier_one_reaches_by_a_longer_path() {
        // 0 → 1 → 2 from the first phase; the second phase points straight at 2.
        let edges = edges(4, &[(0, 1), (1, 2)]);
        let reached = search(4, &edges, &roots(&[0, 2, 3]), &[0..1, 1..2], &mut ());
        let (by, inner) = reached.apart();
        let by: Vec<Reach> = by.iter().map(|by| by.unpack()).collect();
        assert_eq!(by, [Reach::Root(0), Reach::Edge(0), Reach::Edge(1), Reach::Not]);
        assert_eq!(inner.objects[1..], [ObjectId(0), ObjectId(1)]);
    }

    #[test]
    fn inside_a_phase_the_path_is_a_shortest_one() {
        let edges = edges(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        let reached = search(4, &edges, &roots(&[0]), &[0..1, 1..1], &mut ());
        assert_eq!(reached.apart().0[3].unpack(), Reach::Edge(1), "the second edge of object 0");
        assert_eq!(edges.source(1), Some(ObjectId(0)));
        assert_eq!(edges.source(3), Some(ObjectId(2)));
        assert_eq!(edges.source(4), None);
    }
}
