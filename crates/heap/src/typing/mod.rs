//! Which type each object has, and how that is known.
//!
//! The runtime records the type of few objects. All others are told by who points at them: types spread from
//! typed roots along the pointers, in the search for reachable objects itself ([`crate::reach`]). Every pointer makes a *claim*
//! ([`evidence`]); the most trusted one wins, and when a better one comes late, the object is asked again what
//! its own pointers say. What no typed pointer reaches is then told by interface words and code addresses alone.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

mod evidence;
mod interfaces;
mod program_types;
mod shape_table;
mod slot_classes;
mod source;
#[cfg(test)]
mod tests;
mod told;

use std::ops::Range;

use leakscope_goruntime::Pointee;
use leakscope_model::Addr;
use leakscope_target::{TargetMemory, read_u64};

use crate::graph::{Edge, How, ObjectId, Scan, Shape, ShapeId};

use crate::reach::Visitor;
use evidence::{Claim, Trust, claim};

pub(crate) use interfaces::DynamicTypes;
pub use program_types::ProgramTypes;
use shape_table::{Kind, ShapeTable, points_inside_map};
use slot_classes::{ClassId, SlotClasses};
pub use source::TypeSource;
use told::Told;

/// The types of a heap.
#[derive(Debug, Default)]
pub struct Typed {
    /// The shape of each object.
    pub shape_of: Vec<ShapeId>,
    /// How it was found, each object.
    pub how_of: Vec<How>,
    /// All shapes; entry 0 is the unknown one.
    pub shapes: Vec<Shape>,
}

/// What is known of one object, in 8 bytes.
#[derive(Debug, Clone, Copy)]
struct State {
    shape: ShapeId,
    class: ClassId,
    trust: Trust,
    told: Told,
}

/// Finds the type of every object while the search goes over the reachable ones.
pub(crate) struct Typing<'s> {
    scan: &'s Scan,
    memory: &'s dyn TargetMemory,
    classes: SlotClasses,
    shapes: ShapeTable<'s>,
    dynamic: DynamicTypes<'s>,
    states: Vec<State>,
    /// Objects that were asked and then got a better type.
    again: Vec<ObjectId>,
}

/// An object is asked what its pointers say when the search comes to it.
impl Visitor for Typing<'_> {
    fn touch(&self, objects: &[ObjectId]) {
        let shape = |object: &ObjectId| self.states.get(object.0 as usize).map_or(0, |state| state.shape.0);
        std::hint::black_box(objects.iter().fold(0, |touched, object| touched ^ shape(object)));
    }

    fn visit(&mut self, object: ObjectId, edges: Range<u32>) {
        if let Some(state) = self.states.get_mut(object.0 as usize) {
            state.told.set_asked();
        }
        self.spread(object, edges);
    }
}

impl<'s> Typing<'s> {
    /// Starts with what the runtime records and what roots say.
    pub(crate) fn new(
        scan: &'s Scan,
        source: &'s dyn TypeSource,
        memory: &'s dyn TargetMemory,
    ) -> Typing<'s> {
        let (classes, class_of_span) = SlotClasses::of(&scan.objects);
        let mut shapes = ShapeTable::new(source);
        let unknown: Vec<ShapeId> = classes
            .iter()
            .map(|class| shapes.id(Kind::Unknown { slot_size: class.slot_size, noscan: class.noscan }))
            .collect();
        let mut states = Vec::with_capacity(scan.objects.len() as usize);
        let ends = class_of_span.iter().skip(1).map(|(first, _)| first.0).chain([scan.objects.len()]);
        for (&(_, class), end) in class_of_span.iter().zip(ends) {
            let shape = unknown[usize::from(class.0)];
            states.resize(end as usize, State { shape, class, trust: Trust::None, told: Told::NOT });
        }
        let dynamic = DynamicTypes::new(memory);
        let again = Vec::new();
        let mut typing = Typing { scan, memory, classes, shapes, dynamic, states, again };
        typing.take_headers();
        typing.take_roots();
        typing
    }

    fn take_headers(&mut self) {
        for &(object, descriptor) in &self.scan.headers {
            let Some(ty) = self.shapes.source().type_of_runtime(descriptor) else { continue };
            let Some(state) = self.states.get(object.0 as usize) else { continue };
            let class = self.classes.get(state.class);
            // `make([]T, n)` records T.
            let size = self.shapes.source().types().get(ty).map_or(0, |ty| ty.size);
            let shape = self.shapes.id(Kind::Values { ty, repeated: !class.fits(size) });
            // A map's directory says `[]*maps.table`, the same for all maps; its header knows better.
            let generic = points_inside_map(self.shapes.source().types(), ty);
            let trust = if generic { Trust::Guess } else { Trust::Header };
            self.settle(object, Claim { shape, how: How::Header, trust });
        }
    }

    fn take_roots(&mut self) {
        for root in &self.scan.roots {
            let types = self.shapes.source().types();
            let Some(pointee) = root.ty.and_then(|(ty, offset)| types.pointee_at(ty, offset)) else {
                continue;
            };
            match pointee {
                Pointee::Dynamic { .. } => {
                    let word = root.type_word;
                    if let Some(pointee) = self.behind_interface(word) {
                        self.offer_dynamic(root.target, root.offset, pointee, Trust::Interface);
                    }
                }
                pointee => self.offer(root.target, root.offset, pointee),
            }
        }
    }

    /// What the code says, where no pointer knew better.
    fn take_code(&mut self) {
        for said in &self.scan.said {
            let Some(state) = self.states.get(said.target.0 as usize).copied() else { continue };
            let class = self.classes.get(state.class);
            let closure =
                self.is_closure(said.pointee).then(|| self.closure(said.target, Trust::Row)).flatten();
            match closure.or_else(|| claim(&mut self.shapes, said.pointee, said.offset, class)) {
                Some(claim) => self.settle(said.target, Claim { how: How::Call, ..claim }),
                None => self.offer(said.target, said.offset, said.pointee),
            }
        }
    }

    /// Asks what these pointers of an object say about their targets.
    fn spread(&mut self, object: ObjectId, edges: Range<u32>) {
        let State { shape, trust, .. } = self.states[object.0 as usize];
        if trust == Trust::None {
            return;
        }
        let scan = self.scan;
        for edge in scan.edges.among(edges) {
            self.follow(shape, edge);
        }
    }

    fn spread_again(&mut self) {
        while let Some(object) = self.again.pop() {
            self.spread(object, self.scan.edges.range(object));
        }
    }

    fn follow(&mut self, shape: ShapeId, Edge { index: edge, target, word: index, inside }: Edge) {
        let Some(state) = self.states.get(target.0 as usize).copied() else { return };
        let Some(word) = self.shapes.word(shape, index) else { return };
        let pointee = word.pointee;
        if inside {
            self.offer_by_word(edge, target, self.scan.edges.offset_in_target(edge), pointee);
            return;
        }
        match word.last {
            // Nearly always: the same word led to the same kind of slot before.
            Some((class, claim)) if class == state.class => {
                if state.trust < claim.trust {
                    self.settle(target, claim);
                }
            }
            _ => match pointee {
                Pointee::One(_) | Pointee::Many(_) | Pointee::Bytes | Pointee::MapDirectory { .. } => {
                    let claim = claim(&mut self.shapes, pointee, 0, self.classes.get(state.class));
                    let claim = claim.unwrap_or(Claim { shape, how: How::None, trust: Trust::None });
                    if let Some(word) = self.shapes.word(shape, index) {
                        word.last = Some((state.class, claim));
                    }
                    self.settle(target, claim);
                }
                pointee => self.offer_by_word(edge, target, 0, pointee),
            },
        }
    }

    fn offer_by_word(&mut self, edge: u32, target: ObjectId, offset: u64, pointee: Pointee) {
        match pointee {
            Pointee::Dynamic { .. } => {
                let word = self.type_word(edge);
                if let Some(pointee) = self.behind_interface(word) {
                    self.offer_dynamic(target, offset, pointee, Trust::Interface);
                }
            }
            pointee => self.offer(target, offset, pointee),
        }
    }

    fn offer(&mut self, target: ObjectId, offset: u64, pointee: Pointee) {
        let Some(state) = self.states.get(target.0 as usize).copied() else { return };
        let class = self.classes.get(state.class);
        let claim = match pointee {
            Pointee::Closure => self.closure(target, Trust::Row),
            Pointee::TrieNode { .. } => {
                let pointee = self.trie_node(target, pointee);
                claim(&mut self.shapes, pointee, offset, class)
            }
            pointee => claim(&mut self.shapes, pointee, offset, class),
        };
        if let Some(claim) = claim {
            self.settle(target, claim);
        }
    }

    /// An offer by an interface: better than any pointer, if the value fills its slot.
    fn offer_dynamic(&mut self, target: ObjectId, offset: u64, pointee: Pointee, trust: Trust) {
        let Some(state) = self.states.get(target.0 as usize).copied() else { return };
        match (pointee, claim(&mut self.shapes, pointee, offset, self.classes.get(state.class))) {
            (_, Some(Claim { shape, trust: Trust::Exact | Trust::Row, .. })) => {
                self.settle(target, Claim { shape, how: How::Itab, trust });
            }
            (_, Some(Claim { shape, trust: loose, .. })) => {
                self.settle(target, Claim { shape, how: How::Itab, trust: loose.min(trust) });
            }
            (pointee, None) => self.offer(target, offset, pointee),
        }
    }

    fn behind_interface(&mut self, word: Option<Addr>) -> Option<Pointee> {
        self.dynamic.pointee(self.shapes.source(), word?)
    }

    fn type_word(&self, edge: u32) -> Option<Addr> {
        let words = &self.scan.type_words;
        words.binary_search_by_key(&edge, |&(edge, _)| edge).ok().map(|at| words[at].1)
    }

    fn closure(&mut self, target: ObjectId, trust: Trust) -> Option<Claim> {
        let shape = self.shapes.closure(self.code_in(target)?)?;
        Some(Claim { shape, how: How::Call, trust })
    }

    /// Whether it is a struct that the compiler makes for closures: the code, then what was captured.
    fn is_closure(&self, pointee: Pointee) -> bool {
        let Pointee::One(ty) = pointee else { return false };
        let types = self.shapes.source().types();
        types.get(ty).is_some_and(|ty| ty.name.starts_with("struct { F uintptr"))
    }

    /// The code that an object is a closure of, if it is one. Objects without pointers were not read for that.
    fn code_in(&self, object: ObjectId) -> Option<Addr> {
        let words = &self.scan.code_words;
        let known = words.binary_search_by_key(&object, |&(object, _)| object).ok().map(|at| words[at].1);
        let noscan = || self.classes.get(self.states[object.0 as usize].class).noscan;
        known.or_else(|| {
            noscan()
                .then(|| read_u64(self.memory, self.scan.objects.addr(object)).ok().map(Addr::new))
                .flatten()
        })
    }

    /// Which of two structs a node of a trie is, by the flag in it, where their sizes do not tell.
    fn trie_node(&self, target: ObjectId, node: Pointee) -> Pointee {
        let Pointee::TrieNode { entry, indirect, flag } = node else { return node };
        let types = self.shapes.source().types();
        let class = self.classes.get(self.states[target.0 as usize].class);
        let fits = |ty| types.get(ty).is_some_and(|ty| class.fits(ty.size));
        if fits(entry) != fits(indirect) {
            return node;
        }
        let mut byte = [0];
        let at = self.scan.objects.addr(target).checked_add(u64::from(flag));
        match at.map(|at| self.memory.read_exact(at, &mut byte)) {
            Some(Ok(())) => Pointee::One(if byte == [0] { indirect } else { entry }),
            Some(Err(_)) | None => Pointee::Untyped,
        }
    }

    /// Types what no typed pointer reached: by a type word before a pointer, by a code address.
    fn take_guesses(&mut self) {
        let scan = self.scan;
        for &(edge, word) in &scan.type_words {
            let Some(Edge { target, .. }) = scan.edges.get(edge) else { continue };
            let open = self.states.get(target.0 as usize).is_some_and(|state| state.trust < Trust::Guess);
            let Some(pointee) = open.then(|| self.behind_interface(Some(word))).flatten() else { continue };
            let offset = scan.edges.offset_in_target(edge);
            self.offer_dynamic(target, offset, pointee, Trust::Guess);
        }
        for root in scan.roots.iter().filter(|root| root.ty.is_none()) {
            let open =
                self.states.get(root.target.0 as usize).is_some_and(|state| state.trust < Trust::Guess);
            let pointee = root.type_word.filter(|_| open).and_then(|word| self.behind_interface(Some(word)));
            let state = self.states.get(root.target.0 as usize).copied();
            let Some((pointee, state)) = pointee.zip(state) else { continue };
            // Two words of a frame may stand side by side by chance: nothing but a value that fills its slot counts.
            let class = self.classes.get(state.class);
            let fills = |claim: &Claim| matches!(claim.trust, Trust::Exact | Trust::Row);
            if let Some(Claim { shape, .. }) =
                claim(&mut self.shapes, pointee, root.offset, class).filter(fills)
            {
                self.settle(root.target, Claim { shape, how: How::Itab, trust: Trust::Guess });
            }
        }
        for &(object, _) in &scan.code_words {
            if let Some(claim) = self.closure(object, Trust::Guess) {
                self.settle(object, claim);
            }
        }
    }

    /// Takes a claim if it is better than what is known.
    fn settle(&mut self, object: ObjectId, claim: Claim) {
        let Some(state) = self.states.get_mut(object.0 as usize) else { return };
        if claim.trust <= state.trust {
            return;
        }
        let news = state.shape != claim.shape;
        (state.shape, state.trust) = (claim.shape, claim.trust);
        state.told.set_how(claim.how);
        if news && state.told.is_asked() {
            self.again.push(object);
        }
    }

    /// Asks again what was asked too early, takes guesses for what no typed pointer reached, and says what is known.
    pub(crate) fn finish(mut self) -> Typed {
        self.spread_again();
        self.take_code();
        self.spread_again();
        self.take_guesses();
        self.spread_again();
        let how_of = self.states.iter().map(|state| state.told.how()).collect();
        // In the memory of the states.
        let mut shape_of: Vec<ShapeId> = self.states.into_iter().map(|state| state.shape).collect();
        shape_of.shrink_to_fit();
        Typed { shape_of, how_of, shapes: self.shapes.finish() }
    }
}
