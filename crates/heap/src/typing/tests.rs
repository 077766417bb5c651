//! Small heaps with types written down by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use leakscope_goruntime::{Capture, Field, GoType, Kind as GoKind, Role, Slot, TypeId, Types};
use leakscope_model::Addr;
use leakscope_target::Image;

use super::*;
use crate::edges::EdgesBuilder;
use crate::graph::{Objects, Root, RootOrigin, SpanRow};

/// Where descriptors, itabs and code lie.
const TYPE: u64 = 0x1000;
const ITAB: u64 = 0x2000;
const CODE: u64 = 0x3000;

#[derive(Default)]
struct Program {
    types: Types,
    captures: Vec<Capture>,
    scan: Scan,
    spans: Vec<SpanRow>,
    pointers: BTreeMap<(u32, u32), (u32, u64)>,
}

impl TypeSource for Program {
    fn types(&self) -> &Types {
        &self.types
    }

    fn type_of_runtime(&self, descriptor: Addr) -> Option<TypeId> {
        let id = u32::try_from(descriptor.get().checked_sub(TYPE)?).ok().map(TypeId)?;
        self.types.get(id).map(|_| id)
    }

    fn how_of_pointer(&self, _: Option<TypeId>) -> How {
        How::Dwarf
    }

    fn function_starting_at(&self, code: Addr) -> Option<Arc<str>> {
        (code.get() == CODE).then(|| "main.f.func1".into())
    }

    fn captures(&self, _: Addr) -> Vec<Capture> {
        self.captures.clone()
    }

    fn itab_type(&self) -> Option<Slot> {
        Some(Slot { offset: 8, width: 8 })
    }
}

impl Program {
    fn ty(&mut self, name: &str, size: u64, kind: GoKind, role: Role) -> TypeId {
        let ty = GoType { name: name.into(), size, kind, role, runtime_type: None };
        self.types.push(ty).unwrap()
    }

    fn pointer_to(&mut self, elem: TypeId) -> TypeId {
        self.ty("*T", 8, GoKind::Pointer { elem }, Role::Plain)
    }

    /// A struct of `size` bytes with these fields: name, offset, type.
    fn record(&mut self, name: &str, size: u64, fields: &[(&str, u64, TypeId)]) -> TypeId {
        let field = |&(name, offset, ty): &(&str, u64, TypeId)| Field { name: name.into(), offset, ty };
        self.ty(name, size, GoKind::Struct { fields: fields.iter().map(field).collect() }, Role::Plain)
    }

    /// An object in a slot of its own; ids are given in the order of the calls.
    fn object(&mut self, slot_size: u64, noscan: bool) -> u32 {
        let page = self.spans.len() as u64 + 16;
        let header = if !noscan && 512 < slot_size { 8 } else { 0 };
        let base = Addr::new(page << 13);
        let allocated = Box::new([1]);
        self.spans.push(SpanRow { base, slot_size, header, slots: 1, noscan, allocated, first: ObjectId(0) });
        u32::try_from(self.spans.len() - 1).unwrap()
    }

    fn pointer(&mut self, from: u32, word: u32, to: u32, offset: u64) {
        self.pointers.insert((from, word), (to, offset));
    }

    fn variable(&mut self, ty: TypeId, target: u32) {
        let origin = RootOrigin::Data;
        let (slot, ty, target) = (Addr::new(0), Some((ty, 0)), ObjectId(target));
        let root = Root { origin, slot, ty, type_word: None, target, offset: 0, conservative: false };
        self.scan.roots.push(root);
    }

    /// The edge that the pointer in this word became.
    fn edge(&self, from: u32, word: u32) -> u32 {
        let at = self.pointers.keys().position(|place| *place == (from, word)).unwrap();
        u32::try_from(at).unwrap()
    }

    /// Types the heap: for each object its type's name and how it was found.
    fn typed(mut self, memory: &dyn TargetMemory) -> Vec<(String, How)> {
        let mut edges = EdgesBuilder::default();
        for id in 0..u32::try_from(self.spans.len()).unwrap() {
            for (&(_, word), &(target, offset)) in self.pointers.range((id, 0)..(id + 1, 0)) {
                edges.push(ObjectId(id), ObjectId(target), word);
                if offset > 0 {
                    edges.points_inside(u32::try_from(edges.len() - 1).unwrap(), offset);
                }
            }
        }
        let edges = edges.finish();
        let (objects, refused) = Objects::new(std::mem::take(&mut self.spans)).unwrap();
        assert!(refused.is_empty());
        let scan = Scan { objects, edges, ..std::mem::take(&mut self.scan) };
        let everything = 0..scan.roots.len();
        let mut typing = Typing::new(&scan, &self, memory);
        let objects = scan.objects.len() as usize;
        crate::reach::search(objects, &scan.edges, &scan.roots, &[everything, 0..0], &mut typing);
        let typed = typing.finish();
        let name = |shape: &ShapeId| typed.shapes[shape.0 as usize].name.to_string();
        typed.shape_of.iter().map(name).zip(typed.how_of).collect()
    }
}

fn no_memory() -> Image {
    Image::new(Addr::new(0), Vec::new())
}

#[test]
fn a_better_pointer_that_comes_late_types_what_hangs_below_anew() {
    let mut program = Program::default();
    let number = program.ty("int", 8, GoKind::Int, Role::Plain);
    let number_pointer = program.pointer_to(number);
    // A mutex that is the first field of a service, whose second field is a pointer.
    let mutex = program.record("sync.Mutex", 8, &[("state", 0, number_pointer)]);
    let service = program.record("main.Service", 48, &[("mu", 0, mutex), ("count", 40, number_pointer)]);
    let (mutex, service) = (program.pointer_to(mutex), program.pointer_to(service));
    let holder = program.record("main.holder", 16, &[("mu", 0, mutex), ("service", 8, service)]);
    let holder_pointer = program.pointer_to(holder);
    let (root, shared, leaf) =
        (program.object(16, false), program.object(48, false), program.object(8, true));
    let smaller = program.object(32, false);
    program.variable(holder_pointer, root);
    program.pointer(root, 0, shared, 0);
    program.pointer(root, 1, shared, 0);
    program.pointer(shared, 5, leaf, 0);
    let typed = program.typed(&no_memory());
    assert_eq!(typed[root as usize], ("main.holder".into(), How::Dwarf));
    assert_eq!(typed[shared as usize], ("main.Service".into(), How::Dwarf));
    assert_eq!(typed[leaf as usize], ("int".into(), How::Dwarf));
    assert_eq!(typed[smaller as usize], ("unknown 32 bytes".into(), How::None));
}

#[test]
fn a_type_with_pointers_is_not_that_of_a_slot_without() {
    let mut program = Program::default();
    let byte = program.ty("uint8", 1, GoKind::Uint, Role::Plain);
    let bytes = program.ty("[]uint8", 24, GoKind::Slice { elem: byte }, Role::Plain);
    let text = program.ty("string", 16, GoKind::String, Role::Plain);
    let pair = program.record("main.pair", 40, &[("name", 0, text), ("data", 16, bytes)]);
    let pair_pointer = program.pointer_to(pair);
    let (root, scanned, data) =
        (program.object(48, false), program.object(64, false), program.object(64, true));
    program.variable(pair_pointer, root);
    // A slice of an array that is a field of something with pointers says nothing of it.
    program.pointer(root, 0, data, 8);
    program.pointer(root, 2, scanned, 0);
    let typed = program.typed(&no_memory());
    assert_eq!(typed[scanned as usize].0, "unknown 64 bytes");
    assert_eq!(typed[data as usize], ("string bytes".into(), How::Dwarf));
}

#[test]
fn the_record_of_the_runtime_wins_and_tells_arrays() {
    let mut program = Program::default();
    let number = program.ty("int", 8, GoKind::Int, Role::Plain);
    let pointer = program.pointer_to(number);
    let item = program.record("main.Item", 600, &[("p", 0, pointer)]);
    let other = program.record("main.Other", 1000, &[("p", 0, pointer)]);
    let other_pointer = program.pointer_to(other);
    let (one, many) = (program.object(640, false), program.object(2048, false));
    program.variable(other_pointer, many);
    let descriptor = Addr::new(TYPE + u64::from(item.0));
    program.scan.headers = vec![(ObjectId(one), descriptor), (ObjectId(many), descriptor)];
    let typed = program.typed(&no_memory());
    assert_eq!(typed, [("main.Item".into(), How::Header), ("[]main.Item".into(), How::Header)]);
}

#[test]
fn an_interface_tells_the_type_by_its_itab_and_pointers_in_it_what_is_behind() {
    let mut program = Program::default();
    let number = program.ty("int", 8, GoKind::Int, Role::Plain);
    let record = program.record("main.record", 24, &[("n", 0, number)]);
    let record_pointer = program.pointer_to(record);
    let any = program.ty("error", 16, GoKind::Interface { empty: false }, Role::Plain);
    let holder = program.record("main.holder", 32, &[("err", 0, any), ("value", 16, any)]);
    let holder_pointer = program.pointer_to(holder);
    let root = program.object(32, false);
    let (behind_pointer, boxed, guessed) =
        (program.object(24, true), program.object(24, true), program.object(24, true));
    let unknown = program.object(64, false);
    program.variable(holder_pointer, root);
    program.pointer(root, 1, behind_pointer, 0);
    program.pointer(root, 3, boxed, 0);
    program.pointer(unknown, 5, guessed, 0);
    program.variable(number, unknown);
    let words =
        [(root, 1, ITAB), (root, 3, TYPE + u64::from(record.0)), (unknown, 5, TYPE + u64::from(record.0))];
    program.scan.type_words =
        words.iter().map(|&(from, word, at)| (program.edge(from, word), Addr::new(at))).collect();
    let itab = [0u64.to_le_bytes(), (TYPE + u64::from(record_pointer.0)).to_le_bytes()].concat();
    let typed = program.typed(&Image::new(Addr::new(ITAB), itab));
    assert_eq!(typed[behind_pointer as usize], ("main.record".into(), How::Itab));
    assert_eq!(typed[boxed as usize], ("main.record".into(), How::Itab));
    assert_eq!(
        typed[guessed as usize],
        ("main.record".into(), How::Itab),
        "no type says that it is an interface"
    );
}

#[test]
fn closures_are_told_by_their_code_and_name_what_they_captured() {
    let mut program = Program::default();
    let number = program.ty("int", 8, GoKind::Int, Role::Plain);
    let number_pointer = program.pointer_to(number);
    let function = program.ty("func()", 8, GoKind::Func, Role::Plain);
    let capture = Capture { name: "count".into(), ty: number_pointer, offset: 8, by_reference: true };
    program.captures = vec![capture];
    let (closure, count, stray) =
        (program.object(16, false), program.object(8, true), program.object(32, false));
    program.variable(function, closure);
    program.pointer(closure, 1, count, 0);
    let code = |object| (ObjectId(object), Addr::new(CODE));
    program.scan.code_words = vec![code(closure), code(stray)];
    let typed = program.typed(&no_memory());
    assert_eq!(typed[closure as usize], ("closure main.f.func1".into(), How::Call));
    assert_eq!(typed[count as usize], ("int".into(), How::Dwarf));
    assert_eq!(typed[stray as usize], ("closure main.f.func1".into(), How::Call));
}

#[test]
fn a_channel_of_numbers_has_its_buffer_behind_the_header_in_one_slot() {
    let mut program = Program::default();
    let number = program.ty("int", 8, GoKind::Int, Role::Plain);
    let pointer = program.pointer_to(number);
    let header = program.record("hchan<int>", 96, &[("buf", 16, pointer)]);
    let channel = program.ty("chan int", 8, GoKind::Chan { elem: number, header }, Role::Plain);
    program.types.link_containers();
    let object = program.object(1024, true);
    program.variable(channel, object);
    assert_eq!(program.typed(&no_memory())[object as usize], ("chan int".into(), How::Dwarf));
}
