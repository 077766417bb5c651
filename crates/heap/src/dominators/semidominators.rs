//! Lengauer and Tarjan, "A fast algorithm for finding dominators in a flowgraph", TOPLAS 1979: the version with
//! path compression, O(edges · log nodes), on places of a depth-first walk, which it calls numbers.

/// What the algorithm keeps for a number, on one cache line.
#[derive(Clone, Copy)]
struct Node {
    /// The semidominator found so far.
    semi: u32,
    /// The number of smallest semidominator on the compressed way up.
    label: u32,
    /// Where the compressed way up goes on.
    ancestor: u32,
    /// The immediate dominator; before it is known, the next number in the same bucket.
    immediate: u32,
}

/// The end of a bucket.
const END: u32 = 0;

/// Of each number the number of its immediate dominator. `parents` is the tree of the walk, `others` are the
/// edges `(to, from)` beside it.
pub(super) fn immediate_dominators(parents: Vec<u32>, others: Vec<(u32, u32)>) -> Vec<u32> {
    let count = parents.len();
    let (starts, sources) = by_target(count, &others);
    drop(others);
    let mut forest = Forest {
        nodes: (0..)
            .zip(&parents)
            .map(|(number, &parent)| Node { semi: number, label: number, ancestor: parent, immediate: END })
            .collect(),
        way: Vec::new(),
    };
    let mut buckets = vec![END; count];
    for number in (1..count as u32).rev() {
        // Only the numbers above `number` are linked to their parents yet.
        let parent = parents[number as usize];
        let mut semi = parent;
        for &from in &sources[starts[number as usize] as usize..starts[number as usize + 1] as usize] {
            semi = semi.min(forest.evaluate(from, number + 1).1);
        }
        forest.nodes[number as usize].semi = semi;
        forest.nodes[number as usize].immediate = buckets[semi as usize];
        buckets[semi as usize] = number;
        forest.empty_bucket(&mut buckets[parent as usize], parent, number);
    }
    drop((starts, sources, buckets));
    let mut immediate = parents;
    for number in 1..count {
        let node = forest.nodes[number];
        immediate[number] =
            if node.immediate == node.semi { node.semi } else { immediate[node.immediate as usize] };
    }
    immediate
}

struct Forest {
    nodes: Vec<Node>,
    way: Vec<u32>,
}

impl Forest {
    /// Dominators of the numbers whose semidominator is `parent`, when all of them are linked.
    fn empty_bucket(&mut self, bucket: &mut u32, parent: u32, linked: u32) {
        let mut number = std::mem::replace(bucket, END);
        while number != END {
            let next = self.nodes[number as usize].immediate;
            let (least, semi) = self.evaluate(number, linked);
            self.nodes[number as usize].immediate =
                if semi < self.nodes[number as usize].semi { least } else { parent };
            number = next;
        }
    }

    /// The number of smallest semidominator on the way from `number` up to, without it, the first that is not
    /// linked (lies below `linked`), with that semidominator; `number` itself if it is not linked.
    fn evaluate(&mut self, number: u32, linked: u32) -> (u32, u32) {
        if number < linked {
            return (number, self.nodes[number as usize].semi);
        }
        let mut at = number;
        while self.nodes[at as usize].ancestor >= linked {
            self.way.push(at);
            at = self.nodes[at as usize].ancestor;
        }
        // From the top down: each takes over the better label of the one above and its ancestor.
        while let Some(below) = self.way.pop() {
            let above = self.nodes[at as usize];
            let above_semi = self.nodes[above.label as usize].semi;
            let label_semi = self.nodes[self.nodes[below as usize].label as usize].semi;
            let node = &mut self.nodes[below as usize];
            node.ancestor = above.ancestor;
            if above_semi < label_semi {
                node.label = above.label;
            }
            at = below;
        }
        let label = self.nodes[number as usize].label;
        (label, self.nodes[label as usize].semi)
    }
}

/// The sources of the edges of each number: `sources[starts[n]..starts[n + 1]]`.
fn by_target(count: usize, others: &[(u32, u32)]) -> (Vec<u32>, Vec<u32>) {
    let mut starts = vec![0u32; count + 1];
    for &(to, _) in others {
        starts[to as usize] += 1;
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut sources = vec![0; others.len()];
    for &(to, from) in others.iter().rev() {
        let start = &mut starts[to as usize];
        *start -= 1;
        sources[*start as usize] = from;
    }
    (starts, sources)
}
