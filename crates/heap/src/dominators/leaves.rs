//! Dominators of what leads to no other object with pointers: the nearest common dominator of all that point at it.

use super::depth_first::TWIG;
use crate::graph::ObjectId;
use crate::inner_graph::LEAF;

/// Pairs whose memory is asked for together.
const TOGETHER: usize = 32;

/// A number in the dominator tree.
#[derive(Debug, Clone, Copy, Default)]
struct Rung {
    immediate: u32,
    depth: u32,
    /// A second, longer way up.
    jump: u32,
}

/// The dominator tree with two ways up from each number (Myers, "An applicative random-access stack", 1983), so that
/// two numbers meet after a logarithmic number of steps even below a long list.
struct Ladder {
    rungs: Vec<Rung>,
}

/// Finds the dominators of twigs and leaves.
///
/// `immediate` says of each number its immediate dominator, and of a twig ([`TWIG`]) one that points at it; it becomes
/// the immediate dominator of all. What points at a twig is none itself. `links` are those of the graph; that of a leaf
/// then names its dominator.
pub(super) fn meet(
    immediate: &mut [u32],
    mut twig_edges: Vec<(u32, u32)>,
    links: &mut [u32],
    leaf_edges: Vec<(ObjectId, u32)>,
) {
    let mut ladder = Ladder::without_twigs(immediate);
    twig_edges.sort_unstable();
    for group in twig_edges.chunk_by(|one, other| one.0 == other.0) {
        let Some(&(twig, _)) = group.first() else { continue };
        let first = immediate[twig as usize] & !TWIG;
        let common = group.iter().fold(first, |common, &(_, from)| ladder.nearest_common(common, from));
        immediate[twig as usize] = TWIG | common;
    }
    drop(twig_edges);
    for (number, slot) in immediate.iter_mut().enumerate().filter(|(_, slot)| **slot & TWIG != 0) {
        *slot &= !TWIG;
        ladder.add(number, *slot);
    }
    for edges in leaf_edges.chunks(TOGETHER) {
        ladder.touch(edges.iter().map(|edge| edge.1));
        std::hint::black_box(edges.iter().fold(0, |touched, edge| touched ^ links[edge.0.0 as usize]));
        ladder.touch(edges.iter().map(|edge| links[edge.0.0 as usize] & !LEAF));
        for &(leaf, from) in edges {
            let slot = &mut links[leaf.0 as usize];
            *slot = LEAF | ladder.nearest_common(*slot & !LEAF, from);
        }
    }
}

impl Ladder {
    fn without_twigs(immediate: &[u32]) -> Ladder {
        let mut ladder = Ladder { rungs: vec![Rung::default(); immediate.len()] };
        let others = immediate.iter().enumerate().skip(1).filter(|(_, above)| **above & TWIG == 0);
        for (number, &above) in others {
            ladder.add(number, above);
        }
        ladder
    }

    /// Adds a number below its dominator, which is there already and has a smaller number.
    fn add(&mut self, number: usize, immediate: u32) {
        let above = self.rungs[immediate as usize];
        let far = self.rungs[above.jump as usize];
        let equal_steps = above.depth - far.depth == far.depth - self.rungs[far.jump as usize].depth;
        let jump = if equal_steps { far.jump } else { immediate };
        self.rungs[number] = Rung { immediate, depth: above.depth + 1, jump };
    }

    /// Reads the rungs of some numbers, so that they are at hand soon after.
    fn touch(&self, numbers: impl Iterator<Item = u32>) {
        let depth = |number: u32| self.rungs[number as usize].depth;
        std::hint::black_box(numbers.fold(0, |touched, number| touched ^ depth(number)));
    }

    fn nearest_common(&self, left: u32, right: u32) -> u32 {
        if left == right {
            return left;
        }
        let rung = |number: u32| self.rungs[number as usize];
        let ((mut low, mut below), (mut high, above)) = if rung(left).depth < rung(right).depth {
            ((right, rung(right)), (left, rung(left)))
        } else {
            ((left, rung(left)), (right, rung(right)))
        };
        while below.depth > above.depth {
            low = if rung(below.jump).depth < above.depth { below.immediate } else { below.jump };
            below = rung(low);
        }
        while low != high {
            let (one, other) = (rung(low), rung(high));
            (low, high) = if one.jump == other.jump {
                (one.immediate, other.immediate)
            } else {
                (one.jump, other.jump)
            };
        }
        low
    }
}
