//! Path signatures: one number for each way of names from a root, shared by two snapshots.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_model::{PathStep, Via};

use super::names::{NameId, Names};
use crate::graph::{Edge, Heap, ObjectId, ShapeId};
use crate::reach::Reach;

/// The deepest path that is told apart; what lies below is folded onto it.
const DEEPEST: u16 = 48;
/// The most signatures that are told apart: a program has some thousands.
const MOST: usize = 1 << 20;

/// A path signature, dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SignatureId(pub(crate) u32);

impl SignatureId {
    /// Of what is not reachable.
    pub(crate) const NONE: SignatureId = SignatureId(u32::MAX);
}

/// What makes a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Step {
    /// The signature one step up, never an inner piece of a container.
    parent: SignatureId,
    name: NameId,
    via: Via,
    ty: NameId,
    /// Inner pieces of the container that `parent` is.
    inside: bool,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    step: Step,
    depth: u16,
    /// Whether it stands for all further objects of its parent's own type: the rest of a list or tree.
    recursive: bool,
}

/// Every signature of the snapshots that were signed.
#[derive(Debug, Default)]
pub(crate) struct Signatures {
    names: Names,
    rows: Vec<Row>,
    ids: HashMap<Step, SignatureId>,
}

/// One heap's objects under signatures.
struct Signer<'s> {
    heap: &'s Heap,
    signatures: &'s mut Signatures,
    /// The name of each shape.
    types: Vec<NameId>,
    /// Where a word of a signature and shape leads: asked once, not once an object.
    known: HashMap<(SignatureId, ShapeId, u32, ShapeId), SignatureId>,
    signed: Vec<SignatureId>,
    open: Vec<ObjectId>,
}

impl Signatures {
    /// The signature of each object of `heap`, and the type names of its shapes.
    pub(crate) fn sign(&mut self, heap: &Heap) -> (Vec<SignatureId>, Vec<NameId>) {
        let types = heap.shapes.iter().map(|shape| self.names.id(&shape.name)).collect();
        let signed = vec![SignatureId::NONE; heap.reached_by.len()];
        let open = Vec::new();
        let mut signer = Signer { heap, signatures: self, types, known: HashMap::new(), signed, open };
        signer.sign_roots();
        while let Some(object) = signer.open.pop() {
            signer.sign_children(object);
        }
        (signer.signed, signer.types)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The signature one step up.
    pub(crate) fn parent(&self, id: SignatureId) -> Option<SignatureId> {
        Some(self.rows.get(id.0 as usize)?.step.parent).filter(|parent| *parent != SignatureId::NONE)
    }

    /// Whether it is that of inner pieces of a container.
    pub(crate) fn is_inside(&self, id: SignatureId) -> bool {
        self.rows.get(id.0 as usize).is_some_and(|row| row.step.inside)
    }

    /// The type of its objects.
    pub(crate) fn type_name(&self, id: SignatureId) -> &str {
        self.rows.get(id.0 as usize).map_or("", |row| self.names.text(row.step.ty))
    }

    /// From the root to it, without addresses.
    pub(crate) fn path(&self, id: SignatureId) -> Vec<(SignatureId, PathStep)> {
        let (mut steps, mut at) = (Vec::new(), Some(id));
        while let Some((id, row)) = at.and_then(|id| Some((id, self.rows.get(id.0 as usize)?))) {
            let parent = self.parent(id);
            if !row.step.inside || parent.is_none() {
                let name = self.names.text(row.step.name);
                let name = if row.recursive { format!("{name}…") } else { name.to_owned() };
                let ty = self.names.text(row.step.ty).to_owned();
                steps.push((id, PathStep { name, via: row.step.via, ty, addr: None }));
            }
            at = parent;
        }
        steps.reverse();
        steps
    }

    /// The container that an inner piece belongs to, and every other signature itself.
    fn base(&self, id: SignatureId) -> SignatureId {
        match self.rows[id.0 as usize].step {
            Step { inside: true, parent, .. } if parent != SignatureId::NONE => parent,
            _ => id,
        }
    }

    /// The signature of what hangs by `name` on an object of signature `from`.
    fn below(&mut self, from: SignatureId, name: NameId, via: Via, ty: NameId) -> SignatureId {
        let mut base = self.base(from);
        let row = self.rows[base.0 as usize];
        if row.step.ty == ty {
            let step = Step { parent: base, name, via, ty, inside: false };
            return if row.recursive { base } else { self.recursive(base, step) };
        }
        if let Some(same) = self.same_above(base, name, via, ty) {
            return same;
        }
        if row.depth >= DEEPEST {
            base = row.step.parent;
        }
        self.id(Step { parent: base, name, via, ty, inside: false }, false)
    }

    /// The signature of the inner pieces of the container `from`, or that `from` is a piece of.
    fn inside(&mut self, from: SignatureId) -> SignatureId {
        let parent = self.base(from);
        let ty = self.rows[parent.0 as usize].step.ty;
        self.id(Step { parent, name: NameId::ANY, via: Via::Field, ty, inside: true }, false)
    }

    /// All objects that hang on `base` and are of its own type share one signature, whatever the field.
    fn recursive(&mut self, base: SignatureId, step: Step) -> SignatureId {
        let any = Step { name: NameId::ANY, parent: base, ..step };
        let any = Step { via: Via::Field, ..any };
        if let Some(&known) = self.ids.get(&any) {
            return known;
        }
        let id = self.id(step, true);
        self.ids.insert(any, id);
        id
    }

    /// The signature above that was made by the same step to the same type: a recursive structure of more parts.
    fn same_above(&self, base: SignatureId, name: NameId, via: Via, ty: NameId) -> Option<SignatureId> {
        let mut at = base;
        while let Some(row) = self.rows.get(at.0 as usize) {
            let is_root = row.step.parent == SignatureId::NONE;
            if !is_root && (row.step.name, row.step.via, row.step.ty) == (name, via, ty) {
                return Some(at);
            }
            at = row.step.parent;
        }
        None
    }

    fn id(&mut self, step: Step, recursive: bool) -> SignatureId {
        if let Some(&known) = self.ids.get(&step) {
            return known;
        }
        if self.rows.len() >= MOST {
            return if step.parent == SignatureId::NONE { SignatureId(0) } else { step.parent };
        }
        let depth = self.rows.get(step.parent.0 as usize).map_or(0, |row| row.depth + 1);
        let id = SignatureId(self.rows.len() as u32);
        self.rows.push(Row { step, depth, recursive });
        self.ids.insert(step, id);
        id
    }
}

impl Signer<'_> {
    fn sign_roots(&mut self) {
        for (index, root) in (0u32..).zip(&self.heap.roots) {
            let at = root.target.0 as usize;
            if self.heap.reached_by.get(at).map(|by| by.unpack()) != Some(Reach::Root(index)) {
                continue;
            }
            let step = self.heap.root_step(root);
            // Data outside variables has no name, only places.
            let name: Arc<str> =
                if step.name.starts_with("data ") { "data".into() } else { step.name.into() };
            let name = self.signatures.names.id(&name);
            let ty = self.type_of(root.target);
            let inside = self.heap.is_inside(root.target);
            let step = Step { parent: SignatureId::NONE, name, via: step.via, ty, inside };
            self.signed[at] = self.signatures.id(step, false);
            self.open.push(root.target);
        }
    }

    fn sign_children(&mut self, object: ObjectId) {
        let from = self.signed[object.0 as usize];
        let shape = self.heap.shape_of.get(object.0 as usize).copied().unwrap_or(ShapeId(0));
        for Edge { index: edge, target, word, .. } in self.heap.edges.of(object) {
            let at = target.0 as usize;
            if self.heap.reached_by.get(at).map(|by| by.unpack()) != Some(Reach::Edge(edge)) {
                continue;
            }
            let word = self.heap.shapes.get(shape.0 as usize).map_or(word, |shape| shape.within(word));
            let target_shape = self.heap.shape_of.get(at).copied().unwrap_or(ShapeId(0));
            let key = (from, shape, word, target_shape);
            self.signed[at] = match self.known.get(&key) {
                Some(&known) => known,
                None => {
                    let (name, via) = self.heap.label(object, edge);
                    let name = self.signatures.names.id(&name);
                    let ty = self.type_of(target);
                    let id = match (self.heap.is_inside(target), self.heap.is_container(object)) {
                        (false, _) => self.signatures.below(from, name, via, ty),
                        (true, true) => self.signatures.inside(from),
                        (true, false) => {
                            let header = self.signatures.below(from, name, via, ty);
                            self.signatures.inside(header)
                        }
                    };
                    self.known.insert(key, id);
                    id
                }
            };
            self.open.push(target);
        }
    }

    fn type_of(&self, object: ObjectId) -> NameId {
        let shape = self.heap.shape_of.get(object.0 as usize).map_or(0, |shape| shape.0 as usize);
        self.types.get(shape).copied().unwrap_or(NameId::ANY)
    }
}
