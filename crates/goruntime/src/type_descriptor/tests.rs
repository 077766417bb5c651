//! Descriptors written here word by word, and in memory of any bytes.
#![allow(clippy::indexing_slicing, reason = "tests index what they made")]

use std::sync::Arc;

use leakscope_model::Addr;
use leakscope_target::Image;
use proptest::prelude::*;

use super::*;
use crate::layout::Slot;
use crate::types::{Kind, Role, Types};

const BASE: u64 = 0x60_0000;
const LENGTH: usize = 0x800;

/// Fields in an order that no release has, so that nothing but the layout can tell.
fn layout() -> Layout {
    let slots = [
        ("abi.Type.Kind_", 0, 1),
        ("abi.Type.TFlag", 1, 1),
        ("abi.Type.Align_", 2, 1),
        ("abi.Type.Str", 4, 4),
        ("abi.Type.Size_", 8, 8),
        ("abi.Type.PtrBytes", 16, 8),
        ("abi.Type.GCData", 24, 8),
        ("abi.PtrType.Elem", 32, 8),
        ("abi.SliceType.Elem", 32, 8),
        ("abi.ArrayType.Elem", 32, 8),
        ("abi.ArrayType.Len", 40, 8),
        ("abi.ChanType.Elem", 32, 8),
        ("abi.ChanType.Dir", 40, 8),
        ("abi.FuncType.InCount", 32, 2),
        ("abi.FuncType.OutCount", 34, 2),
        ("abi.MapType.Key", 32, 8),
        ("abi.MapType.Elem", 40, 8),
        ("abi.MapType.Group", 48, 8),
        ("abi.StructType.Fields", 32, 24),
        ("abi.StructField.Offset", 0, 8),
        ("abi.StructField.Name", 8, 8),
        ("abi.StructField.Typ", 16, 8),
        ("abi.InterfaceType.Methods", 32, 24),
        ("abi.Imethod.Name", 0, 4),
        ("abi.Imethod.Typ", 4, 4),
        ("maps.Map.dirPtr", 0, 8),
        ("maps.table.groups", 0, 16),
        ("maps.groupsReference.data", 0, 8),
    ];
    let sizes = [
        ("abi.Type", 32),
        ("abi.PtrType", 40),
        ("abi.SliceType", 40),
        ("abi.ArrayType", 48),
        ("abi.ChanType", 48),
        ("abi.FuncType", 40),
        ("abi.MapType", 56),
        ("abi.StructType", 56),
        ("abi.StructField", 24),
        ("abi.InterfaceType", 56),
        ("abi.Imethod", 8),
        ("abi.UncommonType", 16),
        ("maps.Map", 48),
        ("maps.table", 32),
        ("maps.groupsReference", 16),
        ("hchan", 96),
        ("sudog", 88),
        ("waitq", 16),
    ];
    let slot = |(path, offset, width): (&str, u64, u64)| (path.to_owned(), Slot { offset, width });
    Layout {
        slots: slots.into_iter().map(slot).collect(),
        sizes: sizes.into_iter().map(|(name, size)| (name.to_owned(), size)).collect(),
        ..Layout::default()
    }
}

/// At 0 `int`, at 0x40 `struct { Next *struct; Count int }` as reflection makes it, at 0x80 the pointer to it,
/// at 0xc0 `map[int]*struct`, at 0x100 `chan int`, at 0x140 `[3]int`, at 0x180 `func(int)`.
fn memory() -> Vec<u8> {
    let mut memory = vec![0; LENGTH];
    let mut word = |at: usize, value: u64| memory[at..at + 8].copy_from_slice(&value.to_le_bytes());
    let mut head = |at: usize, kind: u64, size: u64, pointers: u64| {
        word(at, kind | 8 << 16);
        word(at + 8, size);
        word(at + 16, pointers);
    };
    head(0, 2, 8, 0);
    head(0x40, 25, 16, 8);
    head(0x80, 22, 8, 8);
    head(0xc0, 21, 8, 8);
    head(0x100, 18, 8, 8);
    head(0x140, 17, 24, 0);
    head(0x180, 19, 8, 8);
    [(0x60, BASE + 0x200), (0x68, 2), (0x70, 2)].into_iter().for_each(|(at, value)| word(at, value));
    [(0x208, BASE + 0x300), (0x210, BASE + 0x80)].into_iter().for_each(|(at, value)| word(at, value));
    [(0x218, 8), (0x220, BASE + 0x310), (0x228, BASE)].into_iter().for_each(|(at, value)| word(at, value));
    word(0xa0, BASE + 0x40);
    [(0xe0, BASE), (0xe8, BASE + 0x80), (0xf0, BASE + 0x40)]
        .into_iter()
        .for_each(|(at, value)| word(at, value));
    [(0x120, BASE), (0x128, 3), (0x160, BASE), (0x168, 3)]
        .into_iter()
        .for_each(|(at, value)| word(at, value));
    [(0x1a0, 1), (0x1a8, BASE)].into_iter().for_each(|(at, value)| word(at, value));
    memory[0x300..0x306].copy_from_slice(b"\x01\x04Next");
    memory[0x310..0x317].copy_from_slice(b"\x01\x05Count");
    memory
}

fn read(memory: &Image, wanted: &[u64]) -> DescribedTypes {
    let wanted = wanted.iter().map(|at| Addr::new(BASE + at));
    DescribedTypes::read(memory, &layout(), &[], &Arc::default(), &|_| None, wanted)
}

#[test]
fn types_are_made_of_each_other() {
    let read = read(&Image::new(Addr::new(BASE), memory()), &[0x80, 0xc0, 0x100, 0x140, 0x180, 0x1f0]);
    let kind = |at| read.type_at(Addr::new(BASE + at)).map(|id| read.types().get(id).unwrap().kind.clone());
    let id = |at| read.type_at(Addr::new(BASE + at)).unwrap();
    assert_eq!(kind(0x80), Some(Kind::Pointer { elem: id(0x40) }));
    let fields: Vec<_> = read.types().fields(id(0x40)).iter().map(|field| (&*field.name, field.ty)).collect();
    assert_eq!(fields, [("Next", id(0x80)), ("Count", id(0))]);
    let Some(Kind::Map { key, elem, header }) = kind(0xc0) else { panic!("{:?}", kind(0xc0)) };
    assert_eq!((key, elem), (id(0), id(0x80)));
    assert_eq!(read.types().get(header).unwrap().role, Role::MapHeader);
    assert!(matches!(kind(0x100), Some(Kind::Chan { elem, .. }) if elem == id(0)));
    assert_eq!(kind(0x140), Some(Kind::Array { elem: id(0), len: 3 }));
    assert_eq!(kind(0x180), Some(Kind::Func));
    assert_eq!(read.type_at(Addr::new(BASE + 0x1f0)), None, "there is no descriptor");
}

#[test]
fn what_is_known_is_not_read_again() {
    let mut base = Types::default();
    let name: Arc<str> = "int".into();
    let ty = crate::types::GoType { name, size: 8, kind: Kind::Int, role: Role::Plain, runtime_type: None };
    let int = base.push(ty).unwrap();
    let memory = Image::new(Addr::new(BASE), memory());
    let known = |at: Addr| (at == Addr::new(BASE)).then_some(int);
    let wanted = [Addr::new(BASE + 0x140)];
    let read = DescribedTypes::read(&memory, &layout(), &[], &Arc::new(base), &known, wanted);
    let array = read.types().get(read.type_at(wanted[0]).unwrap()).unwrap();
    assert_eq!((&*array.name, &array.kind), ("[3]int", &Kind::Array { elem: int, len: 3 }));
    assert_eq!(read.types().get(int).unwrap().size, 8, "the id is the same in both tables");
}

proptest! {
    #[test]
    fn no_descriptors_panic(patches in prop::collection::vec((0..LENGTH, any::<u8>()), 0..60), at in 0u64..0x900) {
        let mut memory = memory();
        for (at, byte) in patches {
            memory[at] = byte;
        }
        ask(memory, at);
    }

    #[test]
    fn no_bytes_panic(memory in prop::collection::vec(any::<u8>(), LENGTH), at in 0u64..0x900) {
        ask(memory, at);
    }

    /// Words that lead back into the memory, so that descriptors nest in and hold each other.
    #[test]
    fn descriptors_in_circles_end(words in prop::collection::vec((0u64..64, 0u64..27, 0u64..40), LENGTH / 64)) {
        let mut memory = memory();
        for (index, (target, kind, size)) in words.into_iter().enumerate() {
            let at = index * 64;
            memory[at] = kind as u8;
            memory[at + 2] = 1;
            memory[at + 8] = size as u8;
            for word in [at + 32, at + 40, at + 48] {
                memory[word..word + 8].copy_from_slice(&(BASE + (target * 64) % LENGTH as u64).to_le_bytes());
            }
        }
        ask(memory, 0);
    }
}

fn ask(memory: Vec<u8>, at: u64) {
    let memory = Image::new(Addr::new(BASE), memory);
    let all: Vec<u64> = (0..LENGTH as u64).step_by(64).chain([at]).collect();
    let read = read(&memory, &all);
    for (id, ty) in read.types().iter() {
        assert!(read.types().pointer_words(id).iter().all(|word| word.offset + 8 <= ty.size));
    }
    for at in all {
        let _ = TypeDescriptor::read(&memory, &layout(), &[], Addr::new(BASE + at));
    }
}
