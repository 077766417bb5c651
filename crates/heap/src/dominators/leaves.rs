//! Dominators of what leads to no other object with pointers: the nearest common dominator of all that point at it.

use crate::graph::ObjectId;
use crate::inner_graph::LEAF;

/// The dominator tree with a second, longer way up from each number (Myers, "An applicative random-access
/// stack", 1983), so that two numbers meet after a logarithmic number of steps even below a long list.
struct Ladder<'t> {
    immediate: &'t [u32],
    depth: Vec<u32>,
    jump: Vec<u32>,
}

/// Takes each further edge to a leaf into account; its link then names the leaf's dominator by number.
pub(super) fn meet(links: &mut [u32], immediate: &[u32], leaf_edges: Vec<(ObjectId, u32)>) {
    if leaf_edges.is_empty() {
        return;
    }
    let ladder = Ladder::new(immediate);
    for (leaf, from) in leaf_edges {
        let slot = &mut links[leaf.0 as usize];
        *slot = LEAF | ladder.nearest_common(*slot & !LEAF, from);
    }
}

/// The same for twigs, whose `immediate` is one that points at them. What points at a twig is none itself.
pub(super) fn meet_twigs(immediate: &mut [u32], twig_edges: &[(u32, u32)]) {
    if twig_edges.is_empty() {
        return;
    }
    let ladder = Ladder::new(immediate);
    let mut met: Vec<(u32, u32)> = Vec::with_capacity(twig_edges.len());
    let mut edges = twig_edges.iter().peekable();
    while let Some(&(twig, from)) = edges.next() {
        let mut common = ladder.nearest_common(ladder.immediate[twig as usize], from);
        while let Some(&(_, from)) = edges.next_if(|(next, _)| *next == twig) {
            common = ladder.nearest_common(common, from);
        }
        met.push((twig, common));
    }
    for (twig, common) in met {
        immediate[twig as usize] = common;
    }
}

impl<'t> Ladder<'t> {
    fn new(immediate: &'t [u32]) -> Ladder<'t> {
        let count = immediate.len();
        let (mut depth, mut jump) = (vec![0u32; count], vec![0u32; count]);
        for number in 1..count {
            // A dominator's number is smaller than that of what it dominates.
            let above = immediate[number] as usize;
            let far = jump[above] as usize;
            depth[number] = depth[above] + 1;
            let equal_steps = depth[above] - depth[far] == depth[far] - depth[jump[far] as usize];
            jump[number] = if equal_steps { jump[far] } else { immediate[number] };
        }
        Ladder { immediate, depth, jump }
    }

    fn nearest_common(&self, left: u32, right: u32) -> u32 {
        let (left, right) = (left as usize, right as usize);
        let (mut low, mut high) =
            if self.depth[left] < self.depth[right] { (right, left) } else { (left, right) };
        while self.depth[low] > self.depth[high] {
            let far = self.jump[low] as usize;
            low = if self.depth[far] < self.depth[high] { self.immediate[low] as usize } else { far };
        }
        while low != high {
            if self.jump[low] == self.jump[high] {
                (low, high) = (self.immediate[low] as usize, self.immediate[high] as usize);
            } else {
                (low, high) = (self.jump[low] as usize, self.jump[high] as usize);
            }
        }
        low as u32
    }
}
