//! The way from a root to an object, with names.
//!
//! Pieces of maps and channels are folded into the step that leads through them: `orders` → `[…]`, not
//! `orders` → `dirPtr` → `groups` → `slots` → `[…]`.

use std::sync::Arc;

use leakscope_goruntime::Role;
use leakscope_model::{Frame, PathStep, Via};

use crate::graph::{Heap, ObjectId, Root, RootOrigin, Shape};
use crate::reach::Reach;

impl Heap {
    /// The way by which the object was reached first, from its root; empty for an unreachable one.
    ///
    /// The first step is the variable or record that is the root; where it points straight at a map's or
    /// channel's inner piece, or the object itself is one, the step of the container stands for it.
    pub fn path(&self, object: ObjectId) -> Vec<PathStep> {
        self.way(object).map_or_else(Vec::new, |(root, way)| self.steps_from(root, &way))
    }

    /// The steps of a way that begins at a root.
    pub(crate) fn steps_from(&self, root: &Root, way: &[Hop]) -> Vec<PathStep> {
        let mut steps = vec![self.root_step(root)];
        for &(from, edge, to) in way {
            if self.is_inside(to) && self.is_container(from) {
                continue;
            }
            let (name, via) = self.label(from, edge);
            let ty = self.shape(to).map_or_else(String::new, |shape| shape.name.to_string());
            steps.push(PathStep { name: name.to_string(), via, ty, addr: Some(self.objects.addr(to)) });
        }
        steps
    }

    /// The root by which an object was reached and the edges from there.
    pub(crate) fn way(&self, object: ObjectId) -> Option<(&Root, Vec<Hop>)> {
        let (mut way, mut at) = (Vec::new(), object);
        // Each edge leads to an object that was found earlier, so this ends; a damaged file may say otherwise.
        while way.len() <= self.reached_by.len() {
            match self.reached_by.get(at.0 as usize)?.unpack() {
                Reach::Not => return None,
                Reach::Root(root) => {
                    way.reverse();
                    return Some((self.roots.get(root as usize)?, way));
                }
                Reach::Edge(edge) => {
                    let from = self.edges.source(edge)?;
                    way.push((from, edge, at));
                    at = from;
                }
            }
        }
        None
    }

    /// The shape of an object.
    pub fn shape(&self, object: ObjectId) -> Option<&Shape> {
        let id = self.shape_of.get(object.0 as usize)?;
        self.shapes.get(id.0 as usize)
    }

    /// Whether an object is a piece between the header of a map or channel and what the program stored in it.
    pub fn is_inside(&self, object: ObjectId) -> bool {
        self.shape(object).is_some_and(|shape| matches!(shape.role, Role::MapInside | Role::ChanInside))
    }

    /// The map or channel that an inner piece belongs to, and any other object itself.
    pub fn container_of(&self, object: ObjectId) -> ObjectId {
        const MOST_PIECES: usize = 8;
        let mut at = object;
        for _ in 0..MOST_PIECES {
            if !self.is_inside(at) {
                break;
            }
            let by = self.reached_by.get(at.0 as usize).map(|by| by.unpack());
            match by {
                Some(Reach::Edge(edge)) => match self.edges.source(edge) {
                    Some(above) if self.is_container(above) => at = above,
                    _ => break,
                },
                _ => break,
            }
        }
        at
    }

    /// Whether an object is the header of a map or channel, or a piece of one.
    ///
    /// A header may also lie inside another object (a `sync.Map` in a struct): then it is no object.
    pub(crate) fn is_container(&self, object: ObjectId) -> bool {
        self.shape(object).is_some_and(|shape| shape.role != Role::Plain)
    }

    /// Where an object was allocated, innermost frame first; `None` unless it was sampled.
    pub fn allocation_stack(&self, object: ObjectId) -> Option<&[Frame]> {
        let at = self.samples.binary_search_by_key(&object, |&(sampled, _)| sampled).ok()?;
        let (_, stack) = self.samples.get(at)?;
        self.stacks.get(*stack as usize).map(Vec::as_slice)
    }

    /// What the word of an edge is called, and how its target hangs on its source.
    pub fn label(&self, source: ObjectId, edge: u32) -> (Arc<str>, Via) {
        let index = self.edges.get(edge).map_or(0, |edge| edge.word);
        match self.shape(source).and_then(|shape| shape.word(index)) {
            Some((name, via)) => (name.clone(), via),
            None => (format!("+{:#x}", u64::from(index) * 8).into(), Via::Field),
        }
    }

    /// The first step of a path.
    pub fn root_step(&self, root: &Root) -> PathStep {
        let name = |name: u32| self.names.get(name as usize).map_or("?", |name| name);
        let (name, via) = match root.origin {
            RootOrigin::Global { name: index } => (name(index).to_owned(), Via::Global),
            RootOrigin::Data => (format!("data {}", root.slot), Via::Global),
            RootOrigin::Special { name: index } => (name(index).to_owned(), Via::Special),
            RootOrigin::Frame { goroutine, frame, name: local } => {
                let goroutine = self.goroutines.get(goroutine as usize);
                let frame = goroutine.and_then(|goroutine| goroutine.stack.get(frame as usize));
                let function = frame.map_or("?", |frame| &frame.function);
                match local {
                    Some(local) => (format!("{function}: {}", name(local)), Via::Local),
                    None => (format!("{function}: stack"), Via::Stack),
                }
            }
        };
        let target = self.shape(root.target).map_or_else(String::new, |shape| shape.name.to_string());
        PathStep { name, via, ty: target, addr: Some(self.objects.addr(root.target)) }
    }
}

/// One edge of a way: source, edge, target.
pub type Hop = (ObjectId, u32, ObjectId);

impl Shape {
    /// The name of the word `index` of an object of this shape, and how what it points at hangs on it.
    pub fn word(&self, index: u32) -> Option<(&Arc<str>, Via)> {
        let within = self.within(index);
        let at = self.words.binary_search_by_key(&within, |word| word.0).ok()?;
        self.words.get(at).map(|word| (&word.1, word.2))
    }

    /// Where in its own value the word `index` of an object lies: an object may hold several in a row.
    pub fn within(&self, index: u32) -> u32 {
        match u32::try_from(self.size / 8) {
            Ok(words) if words > 0 && self.size.is_multiple_of(8) => index % words,
            _ => index,
        }
    }
}
