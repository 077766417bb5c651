//! Heaps written down by names, for tests: types, fields and variables instead of words and offsets.

use std::collections::BTreeMap;
use std::sync::Arc;

use leakscope_goruntime::Role;
use leakscope_model::{Addr, Goroutine, Via};

use crate::edges::EdgesBuilder;
use crate::graph::{Edges, Heap, How, ObjectId, Objects, Root, RootOrigin, Shape, ShapeId, SpanRow};

/// A heap under construction. Objects have ids in the order of their making and take 64 bytes each; words are
/// given to field names in the order of their first use.
#[derive(Default)]
pub(crate) struct NamedHeap {
    types: Vec<&'static str>,
    /// By type the names of its words.
    fields: BTreeMap<&'static str, Vec<&'static str>>,
    pointers: Vec<(u32, &'static str, u32)>,
    roots: Vec<(RootOrigin, u32)>,
    names: Vec<Arc<str>>,
    /// The goroutines that frames may name.
    pub(crate) goroutines: Vec<Goroutine>,
    /// Address of the object with id 0; those that follow lie behind it.
    skipped: u32,
}

impl NamedHeap {
    /// Leaves the first `slots` slots free.
    pub(crate) fn skipping(slots: u32) -> NamedHeap {
        NamedHeap { skipped: slots, ..NamedHeap::default() }
    }

    /// A new object; types that start with `map<` and `group<` are headers and inner pieces of maps.
    pub(crate) fn object(&mut self, ty: &'static str) -> u32 {
        self.types.push(ty);
        u32::try_from(self.types.len() - 1).unwrap()
    }

    /// A pointer from a field of one object to another.
    pub(crate) fn pointer(&mut self, from: u32, field: &'static str, to: u32) {
        let fields = self.fields.entry(self.types[from as usize]).or_default();
        if !fields.contains(&field) {
            fields.push(field);
        }
        self.pointers.push((from, field, to));
    }

    /// A new object behind a field of another.
    pub(crate) fn child(&mut self, from: u32, field: &'static str, ty: &'static str) -> u32 {
        let child = self.object(ty);
        self.pointer(from, field, child);
        child
    }

    /// A package variable that points at an object.
    pub(crate) fn variable(&mut self, name: &str, to: u32) {
        let name = self.name(name);
        self.roots.push((RootOrigin::Global { name }, to));
    }

    /// A local variable of a goroutine's innermost frame that points at an object.
    pub(crate) fn local(&mut self, goroutine: u32, name: &str, to: u32) {
        let name = Some(self.name(name));
        self.roots.push((RootOrigin::Frame { goroutine, frame: 0, name }, to));
    }

    fn name(&mut self, name: &str) -> u32 {
        self.names.push(name.into());
        u32::try_from(self.names.len() - 1).unwrap()
    }

    /// The finished heap, analysed.
    pub(crate) fn finish(self) -> Heap {
        let type_names: Vec<&str> = {
            let mut names = self.types.clone();
            names.sort_unstable();
            names.dedup();
            names
        };
        let shape_of = |ty: &str| ShapeId(u32::try_from(type_names.binary_search(&ty).unwrap()).unwrap());
        let mut heap = Heap {
            objects: self.objects(),
            edges: self.edges(),
            shape_of: self.types.iter().map(|ty| shape_of(ty)).collect(),
            how_of: vec![How::Dwarf; self.types.len()],
            shapes: type_names.iter().map(|ty| self.shape(ty)).collect(),
            roots: self.roots(),
            names: self.names,
            goroutines: self.goroutines,
            ..Heap::default()
        };
        heap.search_again();
        heap
    }

    fn objects(&self) -> Objects {
        let slots = self.skipped + u32::try_from(self.types.len()).unwrap();
        let mut allocated = vec![0u64; slots.div_ceil(64) as usize];
        for slot in self.skipped..slots {
            allocated[slot as usize / 64] |= 1 << (slot % 64);
        }
        let span = SpanRow {
            base: Addr::new(0xc000_0000),
            slot_size: 64,
            header: 0,
            slots,
            noscan: false,
            allocated: allocated.into(),
            first: ObjectId(0),
        };
        Objects::new(vec![span]).unwrap().0
    }

    fn edges(&self) -> Edges {
        let mut edges = EdgesBuilder::default();
        for (id, ty) in (0u32..).zip(&self.types) {
            let mut own: Vec<(u32, u32)> = self
                .pointers
                .iter()
                .filter(|pointer| pointer.0 == id)
                .map(|pointer| (self.word(ty, pointer.1), pointer.2))
                .collect();
            own.sort_unstable();
            for (word, target) in own {
                edges.push(ObjectId(id), ObjectId(target), word);
            }
        }
        edges.finish()
    }

    fn word(&self, ty: &str, field: &str) -> u32 {
        u32::try_from(self.fields[ty].iter().position(|name| *name == field).unwrap()).unwrap()
    }

    fn shape(&self, ty: &str) -> Shape {
        let role = match ty {
            ty if ty.starts_with("map<") => Role::MapHeader,
            ty if ty.starts_with("group<") => Role::MapInside,
            _ => Role::Plain,
        };
        let via = |name: &str| if name == "[…]" { Via::Value } else { Via::Field };
        let fields = self.fields.get(ty).map_or(&[][..], Vec::as_slice);
        let words = (0..).zip(fields).map(|(word, name)| (word, Arc::from(*name), via(name)));
        Shape { name: ty.into(), size: 64, repeated: false, role, words: words.collect(), ty: None }
    }

    fn roots(&self) -> Vec<Root> {
        let root = |(origin, target): &(RootOrigin, u32)| Root {
            origin: origin.clone(),
            slot: Addr::new(0x50_0000),
            ty: None,
            type_word: None,
            target: ObjectId(*target),
            offset: 0,
            conservative: false,
        };
        self.roots.iter().map(root).collect()
    }
}
