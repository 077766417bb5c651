//! `leakscope heap dominators`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use anyhow::Result;
use leakscope_heap::census::holder_name;
use leakscope_heap::dominated::Dominated;
use leakscope_heap::holders::Goroutines;
use leakscope_heap::{Heap, HolderName, Holders, ObjectId};
use leakscope_report::tables::{DominatorRow, dominators};

use super::ask;
use super::object::found;
use super::object_rows::type_name;
use crate::args::{Collapse, DominatorsArgs};
use crate::opening::Inspection;
use crate::{NOTHING, output};

/// Prints the dominator tree.
pub(super) fn run(args: &DominatorsArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| rows(inspection, args))?;
    let output = &args.about.output;
    let page = dominators(&answered.answer, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

/// What one row stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Node {
    /// All roots, or one of them.
    Holder(u32),
    /// What several roots hold together.
    Shared,
    /// Objects of one type, or one object.
    Objects(Vec<ObjectId>),
}

/// A node that may become a row: what it keeps, its number, the row above it, its depth.
type Offer = (u64, Reverse<usize>, Node, Option<usize>, u32);

/// The tree while it is being opened, the biggest first.
struct Tree<'a> {
    heap: &'a Heap,
    args: &'a DominatorsArgs,
    holders: Holders,
    dominated: Dominated,
    /// By node of `holders` the tops that it holds alone.
    tops: BTreeMap<u32, Vec<ObjectId>>,
    rows: Vec<(DominatorRow, Node)>,
}

fn rows(inspection: &Inspection<'_, '_>, args: &DominatorsArgs) -> Result<Vec<DominatorRow>> {
    let heap = inspection.heap;
    let start = match args.at {
        Some(addr) => Some(found(inspection, addr)?.0),
        None => None,
    };
    let holders =
        if start.is_some() { Holders::default() } else { Holders::of(heap, Goroutines::ByVariable) };
    let mut tops: BTreeMap<u32, Vec<ObjectId>> = BTreeMap::new();
    for (top, node) in &holders.tops {
        tops.entry(*node).or_default().push(*top);
    }
    let mut tree = Tree { heap, args, holders, dominated: heap.dominated(), tops, rows: Vec::new() };
    let first = match start {
        Some(object) => vec![Node::Objects(vec![object])],
        None => tree.below(&Node::Holder(0)),
    };
    tree.open(first);
    Ok(tree.in_order())
}

impl Tree<'_> {
    /// Opens what keeps most first, until there are as many rows as are wanted.
    fn open(&mut self, first: Vec<Node>) {
        let mut open: BinaryHeap<Offer> = BinaryHeap::new();
        let mut number = 0;
        let mut offer = |open: &mut BinaryHeap<_>, tree: &Self, nodes: Vec<Node>, parent, depth| {
            let mut kept: Vec<(u64, Node)> =
                nodes.into_iter().map(|node| (tree.keeps(&node), node)).collect();
            kept.retain(|(bytes, _)| *bytes >= tree.args.min.max(1));
            kept.sort_by_key(|(bytes, _)| Reverse(*bytes));
            kept.truncate(tree.most_children(parent));
            for (bytes, node) in kept {
                open.push((bytes, Reverse(number), node, parent, depth));
                number += 1;
            }
        };
        offer(&mut open, self, first, None, 0);
        while let Some((_, _, node, parent, depth)) = open.pop() {
            if self.rows.len() == self.args.limit {
                break;
            }
            let index = self.rows.len();
            self.rows.push((self.row(&node, parent, depth), node.clone()));
            if depth + 1 < self.args.depth {
                let below = self.below(&node);
                offer(&mut open, self, below, Some(index), depth + 1);
            }
        }
    }

    fn most_children(&self, parent: Option<usize>) -> usize {
        const FEW: usize = 5;
        if parent.is_none() { self.args.limit } else { (self.args.limit / 4).max(FEW) }
    }

    fn below(&self, node: &Node) -> Vec<Node> {
        match node {
            Node::Holder(at) if self.only_top(*at).is_some() => {
                self.objects(self.only_top(*at).map(|top| self.children(top)).unwrap_or_default())
            }
            Node::Holder(at) => {
                let mut below: Vec<Node> =
                    self.holders.below(*at).into_iter().map(|at| Node::Holder(self.only_child(at))).collect();
                match at {
                    0 => below.push(Node::Shared),
                    at => below.extend(self.objects(self.tops.get(at).cloned().unwrap_or_default())),
                }
                below
            }
            Node::Shared => self.objects(self.tops.get(&0).cloned().unwrap_or_default()),
            Node::Objects(objects) => {
                let children = objects.iter().flat_map(|object| self.children(*object)).collect();
                self.objects(children)
            }
        }
    }

    /// A node with one child that holds all that it holds is that child.
    fn only_child(&self, at: u32) -> u32 {
        let nodes = &self.holders.nodes;
        let mut children =
            (0u32..).zip(nodes).skip(1).filter(|(_, node)| node.parent == at && node.alone.bytes > 0);
        match (children.next(), children.next()) {
            (Some((child, node)), None)
                if nodes.get(at as usize).is_some_and(|own| own.alone == node.alone) =>
            {
                child
            }
            _ => at,
        }
    }

    /// The object that a holder holds alone, where that is all that it holds.
    fn only_top(&self, at: u32) -> Option<ObjectId> {
        match self.tops.get(&at)?.as_slice() {
            [only] if self.heap.retained_of(*only) == self.keeps(&Node::Holder(at)) => Some(*only),
            _ => None,
        }
    }

    /// What an object dominates; the inner pieces of maps and channels are stepped over.
    fn children(&self, object: ObjectId) -> Vec<ObjectId> {
        let mut children = Vec::new();
        let mut open = self.dominated.by(object).to_vec();
        while let Some(child) = open.pop() {
            if self.heap.is_inside(child) {
                open.extend(self.dominated.by(child));
            } else {
                children.push(child);
            }
        }
        children.sort_unstable();
        children
    }

    /// One node each, or one for all of a type.
    fn objects(&self, objects: Vec<ObjectId>) -> Vec<Node> {
        match self.args.by {
            None => objects.into_iter().map(|object| Node::Objects(vec![object])).collect(),
            Some(Collapse::Type) => {
                let mut by_type: BTreeMap<&str, Vec<ObjectId>> = BTreeMap::new();
                for object in objects {
                    by_type.entry(type_name(self.heap, object)).or_default().push(object);
                }
                by_type.into_values().map(Node::Objects).collect()
            }
        }
    }

    fn keeps(&self, node: &Node) -> u64 {
        let of = |objects: &[ObjectId]| objects.iter().map(|object| self.heap.retained_of(*object)).sum();
        match node {
            Node::Holder(at) => self.holders.nodes.get(*at as usize).map_or(0, |node| node.alone.bytes),
            Node::Shared => self.tops.get(&0).map_or(0, |tops| of(tops)),
            Node::Objects(objects) => of(objects),
        }
    }

    fn row(&self, node: &Node, parent: Option<usize>, depth: u32) -> DominatorRow {
        let mut row = DominatorRow {
            depth,
            parent,
            kind: "object",
            name: String::new(),
            ty: String::new(),
            addr: None,
            objects: 0,
            size: 0,
            retained_bytes: self.keeps(node),
        };
        match node {
            Node::Holder(at) => {
                (row.kind, row.name) = self.holder(*at);
                if let Some(only) = self.only_top(*at) {
                    row.objects = 1;
                    row.size = self.heap.objects.size(only);
                    row.ty = type_name(self.heap, only).to_owned();
                    row.addr = Some(self.heap.objects.addr(only).to_string());
                }
            }
            Node::Shared => (row.kind, row.name) = ("shared", "held by several of these".to_owned()),
            Node::Objects(objects) => {
                row.objects = objects.len() as u64;
                row.size = objects.iter().map(|object| self.heap.objects.size(*object)).sum();
                if let Some(first) = objects.first() {
                    row.ty = type_name(self.heap, *first).to_owned();
                }
                if let [only] = objects.as_slice() {
                    row.addr = Some(self.heap.objects.addr(*only).to_string());
                }
            }
        }
        row
    }

    /// Its kind and what it is called.
    fn holder(&self, at: u32) -> (&'static str, String) {
        let Some(node) = self.holders.nodes.get(at as usize) else { return ("root", String::new()) };
        let mut name = holder_name(self.heap, &self.holders, &node.name);
        let kind = match &node.name {
            HolderName::All => "root",
            HolderName::Variable(_) | HolderName::Place(_) => "global",
            HolderName::Data(_) => "data",
            HolderName::Record(_) | HolderName::RecordOf(_) => "record",
            HolderName::Group(_) | HolderName::Goroutine(_) | HolderName::Local { .. } => "goroutine",
        };
        let above = self.holders.nodes.get(node.parent as usize).map(|above| &above.name);
        if let (HolderName::Local { .. }, Some(HolderName::Group(group))) = (&node.name, above) {
            let count = self.holders.groups.get(*group as usize).map_or(0, Vec::len);
            if count > 1 {
                name.push_str(&format!(" × {count} goroutines"));
            }
        }
        (kind, name)
    }

    /// The rows, each behind the one above it.
    fn in_order(self) -> Vec<DominatorRow> {
        let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for (index, (row, _)) in self.rows.iter().enumerate() {
            children.entry(row.parent).or_default().push(index);
        }
        let mut place = BTreeMap::new();
        let mut open: Vec<usize> = children.get(&None).into_iter().flatten().rev().copied().collect();
        let mut rows = Vec::new();
        while let Some(index) = open.pop() {
            let Some((row, _)) = self.rows.get(index) else { continue };
            place.insert(index, rows.len());
            let parent = row.parent.and_then(|parent| place.get(&parent).copied());
            rows.push(DominatorRow { parent, ..row.clone() });
            open.extend(children.get(&Some(index)).into_iter().flatten().rev());
        }
        rows
    }
}
