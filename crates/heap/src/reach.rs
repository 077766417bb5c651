//! What is reachable, and by which edge or root it was reached first.
//!
//! Breadth-first search in phases: all that package variables hold is found before any goroutine is asked, and
//! goroutines that are alone with their stack before those of which there are many. So an object that a variable
//! holds is told by that variable, and not by one of 6,000 goroutines that use it; inside a phase the path is a
//! shortest one.
use std::ops::Range;

use crate::graph::{Edges, ObjectId, ReachedBy, Root};

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

/// The result of the search.
#[derive(Debug, Default)]
pub struct Reached {
    /// For each object, how it was reached.
    pub by: Vec<ReachedBy>,
    /// The reachable objects that hold pointers, in the order in which they were found.
    pub order: Vec<ObjectId>,
}

/// Searches from `roots`, one range of `phases` after the other.
///
/// Roots outside every range and targets outside the heap are left out.
pub fn reach(objects: usize, edges: &Edges, roots: &[Root], phases: &[Range<usize>]) -> Reached {
    let mut search = Search { by: vec![ReachedBy::NOT; objects], found: Vec::new() };
    let mut order = Vec::new();
    let mut head = 0;
    for phase in phases {
        for (index, root) in (0u32..).zip(roots).take(phase.end).skip(phase.start) {
            search.take(root.target, ReachedBy::pack(Reach::Root(index)));
        }
        while let Some(object) = search.found.get(head).copied() {
            head += 1;
            if edges.any(object) {
                order.push(object);
            }
            for edge in edges.of(object) {
                search.take(edge.target, ReachedBy(edge.index));
            }
        }
        // What was asked is not asked again: the memory of large heaps counts.
        search.found.clear();
        head = 0;
    }
    Reached { by: search.by, order }
}

struct Search {
    by: Vec<ReachedBy>,
    /// Objects found in this phase.
    found: Vec<ObjectId>,
}

impl Search {
    fn take(&mut self, target: ObjectId, by: ReachedBy) {
        if let Some(slot) = self.by.get_mut(target.0 as usize)
            && *slot == ReachedBy::NOT
        {
            *slot = by;
            self.found.push(target);
        }
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
        let reached = reach(4, &edges, &roots(&[0, 2, 3]), &[0..1, 1..2]);
        let by: Vec<Reach> = reached.by.iter().map(|by| by.unpack()).collect();
        assert_eq!(by, [Reach::Root(0), Reach::Edge(0), Reach::Edge(1), Reach::Not]);
        assert_eq!(reached.order, [ObjectId(0), ObjectId(1)]);
    }

    #[test]
    fn inside_a_phase_the_path_is_a_shortest_one() {
        let edges = edges(4, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        let reached = reach(4, &edges, &roots(&[0]), &[0..1, 1..1]);
        assert_eq!(reached.by[3].unpack(), Reach::Edge(1), "the second edge of object 0");
        assert_eq!(edges.source(1), Some(ObjectId(0)));
        assert_eq!(edges.source(3), Some(ObjectId(2)));
        assert_eq!(edges.source(4), None);
    }
}
