//! Who holds what: package variables, goroutines with their local variables, the runtime's records, each with all
//! that would be freed without it.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_model::Addr;

use crate::exclusive::{Exclusive, RootTree, exclusive};
use crate::graph::{Heap, ObjectId, Root, RootOrigin};
use crate::reach::Reach;
use crate::retained::Tally;
use crate::root_order::by_stack;

/// What holds something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HolderName {
    /// All roots together.
    All,
    /// A package variable: `main.server`.
    Variable(Arc<str>),
    /// A place in one: `main.server.baseCtx`.
    Place(Arc<str>),
    /// A word of data outside every known variable.
    Data(Addr),
    /// A record of the runtime: `finalizer`, `cleanup`, `weak handle`.
    Record(Arc<str>),
    /// Records of one kind that hold objects of one type.
    RecordOf(Arc<str>),
    /// Goroutines with one stack that wait for the same: index into [`Holders::groups`].
    Group(u32),
    /// One goroutine: index into [`Heap::goroutines`].
    Goroutine(u32),
    /// A local variable, of all goroutines of a group or of one.
    Local {
        /// The function of its frame.
        function: Arc<str>,
        /// Where the frame stands.
        file: Arc<str>,
        /// The line.
        line: u32,
        /// Its name; `None` for spill slots and registers.
        name: Option<Arc<str>>,
    },
}

/// One node of the tree of holders.
#[derive(Debug, Clone, PartialEq)]
pub struct Holder {
    /// The node above it, whose index is smaller; 0 for node 0 itself.
    pub parent: u32,
    /// What it is.
    pub name: HolderName,
    /// Words from which it holds something.
    pub words: u64,
    /// What it holds at the end of one of these words.
    pub example: Option<ObjectId>,
    /// What was reached through it first, by the order in which roots are asked.
    pub first: Tally,
    /// What would be freed without it.
    pub alone: Tally,
}

/// The tree of holders; node 0 is all roots.
#[derive(Debug, Clone, Default)]
pub struct Holders {
    /// Its nodes, each behind the one above it.
    pub nodes: Vec<Holder>,
    /// The goroutines of each group, as indices into [`Heap::goroutines`].
    pub groups: Vec<Vec<usize>>,
    /// The objects that no single object dominates, each with the lowest node that holds it alone.
    pub tops: Vec<(ObjectId, u32)>,
}

/// How goroutines are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goroutines {
    /// Group, then local variable of the whole group.
    ByVariable,
    /// Group, then goroutine, then its local variables.
    OneByOne,
}

impl Holders {
    /// Everything that holds something in `heap`.
    pub fn of(heap: &Heap, goroutines: Goroutines) -> Holders {
        let groups: Vec<Vec<usize>> = by_stack(&heap.goroutines).into_values().collect();
        let mut group_of = vec![0u32; heap.goroutines.len()];
        for (number, members) in (0u32..).zip(&groups) {
            members.iter().for_each(|member| group_of[*member] = number);
        }
        let mut build = Build { heap, goroutines, group_of, nodes: Vec::new(), known: HashMap::new() };
        build.node(0, HolderName::All);
        let of_root: Vec<u32> = heap.roots.iter().map(|root| build.leaf(root)).collect();
        let mut nodes = build.nodes;
        add_first(heap, &mut nodes, &of_root);
        let tree = RootTree { parents: nodes.iter().map(|node| node.parent).collect(), of_root };
        let Exclusive { alone, tops } = exclusive(heap, &tree);
        for (node, alone) in nodes.iter_mut().zip(alone) {
            node.alone = alone;
        }
        Holders { nodes, groups, tops }
    }

    /// The nodes right below one, those that hold most alone first.
    pub fn below(&self, node: u32) -> Vec<u32> {
        let mut below: Vec<u32> = (1u32..)
            .zip(self.nodes.iter().skip(1))
            .filter(|(_, held)| held.parent == node)
            .map(|(at, _)| at)
            .collect();
        below.sort_by_key(|at| (std::cmp::Reverse(self.nodes[*at as usize].alone.bytes), *at));
        below
    }

    /// What each goroutine holds alone: by index into [`Heap::goroutines`]. Only of a tree that tells them apart
    /// one by one.
    pub fn of_each_goroutine(&self, heap: &Heap) -> Vec<Tally> {
        let mut held = vec![Tally::default(); heap.goroutines.len()];
        for node in &self.nodes {
            if let HolderName::Goroutine(index) = node.name
                && let Some(slot) = held.get_mut(index as usize)
            {
                *slot = node.alone;
            }
        }
        held
    }
}

struct Build<'h> {
    heap: &'h Heap,
    goroutines: Goroutines,
    group_of: Vec<u32>,
    nodes: Vec<Holder>,
    known: HashMap<(u32, HolderName), u32>,
}

impl Build<'_> {
    fn node(&mut self, parent: u32, name: HolderName) -> u32 {
        if let Some(&known) = self.known.get(&(parent, name.clone())) {
            return known;
        }
        let index = self.nodes.len() as u32;
        self.known.insert((parent, name.clone()), index);
        let (first, alone) = (Tally::default(), Tally::default());
        self.nodes.push(Holder { parent, name, words: 0, example: None, first, alone });
        index
    }

    /// The node of one root; every node above it counts its word.
    fn leaf(&mut self, root: &Root) -> u32 {
        let leaf = match root.origin {
            RootOrigin::Global { name } => {
                let place = self.name(name);
                let variable: Arc<str> = variable_of(&place).into();
                let above = self.node(0, HolderName::Variable(variable.clone()));
                if variable == place { above } else { self.node(above, HolderName::Place(place)) }
            }
            RootOrigin::Data => self.node(0, HolderName::Data(root.slot)),
            RootOrigin::Special { name } => {
                let kind = self.name(name);
                let above = self.node(0, HolderName::Record(kind));
                let ty =
                    self.heap.shape(root.target).map_or_else(|| Arc::from("?"), |shape| shape.name.clone());
                self.node(above, HolderName::RecordOf(ty))
            }
            RootOrigin::Frame { goroutine, frame, name } => self.local(goroutine, frame, name),
        };
        let mut at = leaf;
        loop {
            let node = &mut self.nodes[at as usize];
            node.words += 1;
            node.example.get_or_insert(root.target);
            if at == 0 {
                return leaf;
            }
            at = node.parent;
        }
    }

    fn local(&mut self, goroutine: u32, frame: u32, name: Option<u32>) -> u32 {
        let group = self.group_of.get(goroutine as usize).copied().unwrap_or(0);
        let mut above = self.node(0, HolderName::Group(group));
        if self.goroutines == Goroutines::OneByOne {
            above = self.node(above, HolderName::Goroutine(goroutine));
        }
        let stack = self.heap.goroutines.get(goroutine as usize).map(|goroutine| &goroutine.stack);
        let (function, file, line) = match stack.and_then(|stack| stack.get(frame as usize)) {
            Some(frame) => (frame.function.clone(), frame.file.clone(), frame.line),
            None => (Arc::from("?"), Arc::from(""), 0),
        };
        let name = name.map(|name| self.name(name));
        self.node(above, HolderName::Local { function, file, line, name })
    }

    fn name(&self, index: u32) -> Arc<str> {
        self.heap.names.get(index as usize).cloned().unwrap_or_else(|| Arc::from("?"))
    }
}

/// Counts every object at the root by which it was reached first, and above.
fn add_first(heap: &Heap, nodes: &mut [Holder], of_root: &[u32]) {
    let roots = heap.first_roots();
    for (object, root) in heap.objects.iter().zip(roots) {
        if let Some(&node) = root.and_then(|root| of_root.get(root as usize)) {
            nodes[node as usize].first += Tally::one(object.size);
        }
    }
    for node in (1..nodes.len()).rev() {
        let own = nodes[node].first;
        nodes[nodes[node].parent as usize].first += own;
    }
}

impl Heap {
    /// By object the root by which it was reached first; `None` for an unreachable one.
    pub fn first_roots(&self) -> Vec<Option<u32>> {
        const OPEN: u32 = u32::MAX;
        const NOT: u32 = u32::MAX - 1;
        let mut found = vec![OPEN; self.reached_by.len()];
        let mut way = Vec::new();
        for id in 0..found.len() {
            let mut at = id;
            let root = loop {
                if found[at] != OPEN {
                    break found[at];
                }
                way.push(at);
                match self.reached_by[at].unpack() {
                    Reach::Root(root) => break root,
                    Reach::Edge(edge) if way.len() <= found.len() => match self.edges.source(edge) {
                        Some(from) if (from.0 as usize) < found.len() => at = from.0 as usize,
                        _ => break NOT,
                    },
                    Reach::Not | Reach::Edge(_) => break NOT,
                }
            };
            for below in way.drain(..) {
                found[below] = root;
            }
        }
        found.into_iter().map(|root| (root < NOT).then_some(root)).collect()
    }
}

impl Heap {
    /// What would be freed without the goroutines of each set, for all sets at once; a goroutine belongs to one set at
    /// most. Exact, as [`Heap::retained_by`] is for one set.
    pub fn retained_by_goroutine_sets(&self, sets: &[Vec<u64>]) -> Vec<Tally> {
        let mut set_of: HashMap<u64, u32> = HashMap::new();
        for (number, ids) in (1u32..).zip(sets) {
            set_of.extend(ids.iter().map(|id| (*id, number)));
        }
        let node = |root: &Root| match root.origin {
            RootOrigin::Frame { goroutine, .. } => {
                let id = self.goroutines.get(goroutine as usize).map(|goroutine| goroutine.id);
                id.and_then(|id| set_of.get(&id).copied()).unwrap_or(0)
            }
            RootOrigin::Global { .. } | RootOrigin::Data | RootOrigin::Special { .. } => 0,
        };
        let tree =
            RootTree { parents: vec![0; sets.len() + 1], of_root: self.roots.iter().map(node).collect() };
        exclusive(self, &tree).alone.into_iter().skip(1).collect()
    }
}

/// `main.server.baseCtx` → `main.server`; `example.org/shop.shards[…].m` → `example.org/shop.shards`.
fn variable_of(place: &str) -> &str {
    let package = place.rfind('/').map_or(0, |slash| slash + 1);
    let dot = place.get(package..).and_then(|rest| rest.find('.')).map(|dot| package + dot + 1);
    let end = dot.and_then(|start| Some(start + place.get(start..)?.find(['.', '['])?));
    end.and_then(|end| place.get(..end)).unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph_of_numbers::goroutine;
    use crate::heap_of_names::NamedHeap;

    #[test]
    fn the_variable_of_a_place() {
        for (place, variable) in [
            ("main.server.baseCtx", "main.server"),
            ("main.server", "main.server"),
            ("example.org/shop.shards[…].m", "example.org/shop.shards"),
            ("data+0x10", "data+0x10"),
        ] {
            assert_eq!(variable_of(place), variable);
        }
    }

    #[test]
    fn what_a_group_shares_is_held_by_the_group_and_by_no_one_of_it() {
        let mut heap = NamedHeap::default();
        for id in 1..=3 {
            heap.goroutines.push(goroutine(id, "main.work", "select"));
        }
        let shared = heap.object("main.shared");
        for index in 0..3 {
            heap.local(index, "with", shared);
            let own = heap.object("main.own");
            heap.local(index, "buffer", own);
        }
        let global = heap.object("main.T");
        heap.variable("main.svc.field", global);
        let heap = heap.finish();
        let each = Holders::of(&heap, Goroutines::OneByOne);
        let held: Vec<u64> = each.of_each_goroutine(&heap).iter().map(|held| held.bytes).collect();
        assert_eq!(held, [64, 64, 64]);
        let by_variable = Holders::of(&heap, Goroutines::ByVariable);
        let named = |wanted: &str| {
            let found = by_variable.nodes.iter().find(
                |node| matches!(&node.name, HolderName::Local { name: Some(name), .. } if &**name == wanted),
            );
            found.map(|node| (node.words, node.alone.bytes, node.first.objects)).unwrap()
        };
        assert_eq!((named("with"), named("buffer")), ((3, 64, 1), (3, 192, 3)));
        let top: Vec<&HolderName> =
            by_variable.below(0).into_iter().map(|at| &by_variable.nodes[at as usize].name).collect();
        assert_eq!(top, [&HolderName::Group(0), &HolderName::Variable("main.svc".into())]);
        assert_eq!(by_variable.nodes[0].alone, heap.live());
    }
}
