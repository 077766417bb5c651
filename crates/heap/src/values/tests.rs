//! Values out of bytes that are written down here, and out of any bytes at all.

use std::sync::Arc;

use leakscope_goruntime::{Capture, Field, GoType, Kind, Layout, Role, Slot, TypeId, Types};
use leakscope_model::{Addr, Value, What};
use leakscope_target::Image;
use proptest::prelude::*;

use super::{Limits, Values};
use crate::graph::How;
use crate::typing::TypeSource;

const BASE: u64 = 0x1_0000;

/// Types alone.
#[derive(Default)]
struct Source(Types);

impl TypeSource for Source {
    fn types(&self) -> &Types {
        &self.0
    }

    fn type_of_runtime(&self, descriptor: Addr) -> Option<TypeId> {
        u32::try_from(descriptor.get().wrapping_sub(BASE) / 8)
            .ok()
            .map(TypeId)
            .filter(|id| self.0.get(*id).is_some())
    }

    fn how_of_pointer(&self, _: Option<TypeId>) -> How {
        How::Dwarf
    }

    fn function_starting_at(&self, _: Addr) -> Option<Arc<str>> {
        None
    }

    fn captures(&self, code: Addr) -> Vec<Capture> {
        let ty = TypeId((code.get() % 8) as u32);
        vec![Capture { name: "captured".into(), ty, offset: 8, by_reference: false }]
    }

    fn itab_type(&self) -> Option<Slot> {
        Some(Slot { offset: 8, width: 8 })
    }
}

fn add(types: &mut Types, name: &str, size: u64, kind: Kind) -> TypeId {
    types.push(GoType { name: name.into(), size, kind, role: Role::Plain, runtime_type: None }).unwrap()
}

fn fields(fields: &[(&str, u64, TypeId)]) -> Kind {
    let field = |&(name, offset, ty): &(&str, u64, TypeId)| Field { name: name.into(), offset, ty };
    Kind::Struct { fields: fields.iter().map(field).collect() }
}

fn layout(slots: &[(&str, u64, u64)]) -> Layout {
    let slots = slots.iter().map(|&(path, offset, width)| (path.to_owned(), Slot { offset, width }));
    Layout { slots: slots.collect(), ..Layout::default() }
}

/// Both generations of maps cannot be in one program; each has its layout.
fn swiss() -> Layout {
    layout(&[
        ("maps.Map.used", 0, 8),
        ("maps.Map.dirPtr", 16, 8),
        ("maps.Map.dirLen", 24, 8),
        ("maps.table.groups", 16, 16),
        ("maps.groupsReference.data", 0, 8),
        ("maps.groupsReference.lengthMask", 8, 8),
        ("hchan.qcount", 0, 8),
        ("hchan.dataqsiz", 8, 8),
        ("hchan.buf", 16, 8),
        ("hchan.recvx", 24, 8),
        ("hchan.closed", 32, 4),
    ])
}

fn chained() -> Layout {
    layout(&[
        ("hmap.count", 0, 8),
        ("hmap.flags", 8, 1),
        ("hmap.B", 9, 1),
        ("hmap.buckets", 16, 8),
        ("hmap.oldbuckets", 24, 8),
    ])
}

/// A type of every kind; those that are made of others refer to earlier and later ones alike.
fn every_type() -> Source {
    let mut types = Types::default();
    let int = add(&mut types, "int", 8, Kind::Int);
    let string = add(&mut types, "string", 16, Kind::String);
    let node = TypeId(2);
    let pointer = TypeId(3);
    let any = TypeId(4);
    add(&mut types, "main.node", 48, fields(&[("next", 0, pointer), ("name", 8, string), ("any", 24, any)]));
    add(&mut types, "*main.node", 8, Kind::Pointer { elem: node });
    add(&mut types, "interface {}", 16, Kind::Interface { empty: true });
    let error = add(&mut types, "error", 16, Kind::Interface { empty: false });
    let slice = add(&mut types, "[]main.node", 24, Kind::Slice { elem: node });
    let slices = add(&mut types, "[][]main.node", 24, Kind::Slice { elem: slice });
    let func = add(&mut types, "func()", 8, Kind::Func);
    let u64s = add(&mut types, "uint64", 8, Kind::Uint);
    let slot = add(&mut types, "slot", 24, fields(&[("key", 0, string), ("elem", 16, pointer)]));
    let slots = add(&mut types, "[8]slot", 192, Kind::Array { elem: slot, len: 8 });
    let group = add(&mut types, "group", 200, fields(&[("ctrl", 0, u64s), ("slots", 8, slots)]));
    let to_group = add(&mut types, "*group", 8, Kind::Pointer { elem: group });
    let groups =
        add(&mut types, "groupReference", 16, fields(&[("data", 0, to_group), ("lengthMask", 8, u64s)]));
    let table = add(&mut types, "table", 32, fields(&[("groups", 16, groups)]));
    let to_table = add(&mut types, "*table", 8, Kind::Pointer { elem: table });
    let directory = add(&mut types, "**table", 8, Kind::Pointer { elem: to_table });
    let swiss = add(&mut types, "swiss", 48, fields(&[("used", 0, u64s), ("dirPtr", 16, directory)]));
    add(&mut types, "map[string]*main.node", 8, Kind::Map { key: string, elem: pointer, header: swiss });
    let keys = add(&mut types, "[8]string", 128, Kind::Array { elem: string, len: 8 });
    let bytes = add(&mut types, "[8]uint8", 8, Kind::Array { elem: u64s, len: 1 });
    let parts =
        [("topbits", 0, bytes), ("keys", 8, keys), ("elems", 136, slots), ("overflow", 328, to_group)];
    let bucket = add(&mut types, "bucket", 336, fields(&parts));
    let to_bucket = add(&mut types, "*bucket", 8, Kind::Pointer { elem: bucket });
    let parts = [("count", 0, u64s), ("buckets", 16, to_bucket), ("oldbuckets", 24, to_bucket)];
    let hmap = add(&mut types, "hmap<…>", 48, fields(&parts));
    add(&mut types, "map[string]slot", 8, Kind::Map { key: string, elem: slot, header: hmap });
    let header = add(&mut types, "hchan<int>", 96, fields(&[("qcount", 0, u64s)]));
    add(&mut types, "chan int", 8, Kind::Chan { elem: int, header });
    let time = [("wall", 0, u64s), ("ext", 8, int), ("loc", 16, pointer)];
    let time = add(&mut types, "time.Time", 24, fields(&time));
    let f32s = add(&mut types, "float32", 4, Kind::Float);
    let c64 = add(&mut types, "complex64", 8, Kind::Complex);
    let odd = [
        ("a", 0, f32s),
        ("b", 4, c64),
        ("t", 16, time),
        ("s", 40, slices),
        ("e", 64, error),
        ("f", 80, func),
    ];
    add(&mut types, "main.odd", 88, fields(&odd));
    let within = TypeId(u32::try_from(types.len()).unwrap());
    add(&mut types, "main.self", 64, fields(&[("a", 0, within), ("b", 8, int)]));
    add(&mut types, "opaque", 1 << 40, Kind::Opaque);
    add(&mut types, "[huge]opaque", u64::MAX, Kind::Array { elem: time, len: u64::MAX });
    types.link_containers();
    Source(types)
}

fn id(source: &Source, name: &str) -> TypeId {
    // A header goes by the name of its map, which stands behind it.
    source.0.iter().filter(|(_, ty)| &*ty.name == name).last().map(|(id, _)| id).unwrap()
}

/// Words from `BASE` on; what is not written is 0.
fn image(words: &[(u64, u64)], bytes: &[(u64, &[u8])]) -> Image {
    let mut memory = vec![0u8; 4096];
    for &(at, word) in words {
        memory[at as usize..at as usize + 8].copy_from_slice(&word.to_le_bytes());
    }
    for &(at, text) in bytes {
        memory[at as usize..at as usize + text.len()].copy_from_slice(text);
    }
    Image::new(Addr::new(BASE), memory)
}

fn read(image: &Image, name: &str, layout: &Layout, limits: Limits) -> Value {
    let source = every_type();
    Values::new(image, &source, layout, limits).read(id(&source, name), Addr::new(BASE))
}

fn count(value: &Value) -> (u32, u64) {
    let (mut nodes, mut bytes) = (0, 0);
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        nodes += 1;
        if let What::Text { bytes: text, .. } | What::Raw(text) = &value.what {
            bytes += text.len() as u64;
        }
        open.extend(value.parts().into_iter().map(|(_, part)| part));
    }
    (nodes, bytes)
}

#[test]
fn a_small_map_is_one_group_of_which_the_marked_slots_count() {
    // Control: slots 0 and 2 are full, 1 was deleted, the others are empty.
    let control = u64::from_le_bytes([0x11, 0xfe, 0x22, 0x80, 0x80, 0x80, 0x80, 0x80]);
    let (header, group) = (0x100, 0x200);
    let words = [
        (0, BASE + header),
        (header, 2),
        (header + 16, BASE + group),
        (group, control),
        (group + 8, BASE + 0x400),
        (group + 16, 3),
        (group + 8 + 48, BASE + 0x403),
        (group + 16 + 48, 3),
        (group + 24 + 48, 0xdead_0000),
    ];
    let memory = image(&words, &[(0x400, b"onetwo")]);
    let value = read(&memory, "map[string]*main.node", &swiss(), Limits { depth: 2, ..Limits::default() });
    let What::Map { len: 2, entries, .. } = &value.what else { panic!("{value:?}") };
    let keys: Vec<&What> = entries.iter().map(|(key, _)| &key.what).collect();
    let text = |bytes: &[u8]| What::Text { bytes: bytes.to_vec(), len: 3 };
    assert_eq!(keys, [&text(b"one"), &text(b"two")]);
    assert_eq!(entries[0].1.what, What::Pointer { to: Addr::new(0), target: None });
    // What lies behind the second cannot be read, and that is said where it would stand.
    let lost = value.unreadable();
    assert_eq!(lost.len(), 3, "each of its fields: {lost:?}");
    assert_eq!((lost[0].0.as_str(), lost[0].1), ("[value 1].any", Addr::new(0xdead_0018)));
}

#[test]
fn a_table_that_stands_twice_in_its_directory_is_read_once() {
    let control = u64::from_le_bytes([0x11, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]);
    let (header, directory, table, groups) = (0x40, 0x80, 0xc0, 0x100);
    let words = [
        (0, BASE + header),
        (header, 1),
        (header + 16, BASE + directory),
        (header + 24, 2),
        (directory, BASE + table),
        (directory + 8, BASE + table),
        (table + 16, BASE + groups),
        (table + 24, 1),
        (groups, u64::from_le_bytes([0x80; 8])),
        (groups + 200, control),
        (groups + 208, BASE + 0x400),
        (groups + 216, 2),
    ];
    let value = read(&image(&words, &[(0x400, b"it")]), "map[string]*main.node", &swiss(), Limits::default());
    let What::Map { entries, .. } = &value.what else { panic!("{value:?}") };
    assert_eq!(entries.len(), 1, "{entries:?}");
}

#[test]
fn of_a_map_that_grows_what_has_not_moved_is_in_the_old_buckets() {
    let (header, new, old) = (0x40, 0x100, 0x600);
    let text = |slot: u64, at: u64, len: u64| [(slot, BASE + at), (slot + 8, len)];
    let mut words = vec![
        (0, BASE + header),
        (header, 3),
        // hmap.B is the second byte: two buckets, and before them one.
        (header + 8, 1 << 8),
        (header + 16, BASE + new),
        (header + 24, BASE + old),
        (new, u64::from_le_bytes([0x20, 0, 0, 0, 0, 0, 0, 0])),
        (new + 336, u64::from_le_bytes([0, 0x21, 0, 0, 0, 0, 0, 0])),
        (old, u64::from_le_bytes([0x99, 1, 1, 1, 1, 1, 1, 1])),
    ];
    words.extend(text(new + 8, 0xd00, 1));
    words.extend(text(new + 336 + 8 + 16, 0xd01, 1));
    words.extend(text(old + 8, 0xd02, 1));
    let value = read(&image(&words, &[(0xd00, b"abc")]), "map[string]slot", &chained(), Limits::default());
    let What::Map { len: 3, entries, .. } = &value.what else { panic!("{value:?}") };
    let keys: Vec<&What> = entries.iter().map(|(key, _)| &key.what).collect();
    let one = |byte| What::Text { bytes: vec![byte], len: 1 };
    assert_eq!(keys, [&one(b'c'), &one(b'a'), &one(b'b')]);
}

#[test]
fn times_with_and_without_a_monotonic_clock() {
    let read = |wall: u64, ext: u64| {
        read(&image(&[(0, wall), (8, ext)], &[]), "time.Time", &swiss(), Limits::default()).what
    };
    assert_eq!(read(0, 0), What::Time { seconds: -62_135_596_800, nanoseconds: 0 });
    // time.Date(2024, 2, 29, 12, 34, 56, 789000000, time.UTC) and the same instant as time.Now would keep it.
    assert_eq!(
        read(789_000_000, 63_844_806_896),
        What::Time { seconds: 1_709_210_096, nanoseconds: 789_000_000 }
    );
    let since_1885 = 63_844_806_896u64 - 59_453_308_800;
    let wall = 1 << 63 | since_1885 << 30 | 789_000_000;
    assert_eq!(read(wall, 42), What::Time { seconds: 1_709_210_096, nanoseconds: 789_000_000 });
}

#[test]
fn a_list_that_bites_its_tail_ends_at_the_depth() {
    let value =
        read(&image(&[(0, BASE)], &[]), "*main.node", &swiss(), Limits { depth: 5, ..Limits::default() });
    let (nodes, _) = count(&value);
    assert!((15..30).contains(&nodes), "{nodes} values: {value:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Words that point back into the image, and others.
    #[test]
    fn no_bytes_panic_or_grow_beyond_the_limits(
        words in prop::collection::vec(prop_oneof![0u64..64, BASE..BASE + 4096, any::<u64>()], 512),
        depth in 0u32..6,
        elements in 0u64..20,
        new in any::<bool>(),
    ) {
        let source = every_type();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let memory = Image::new(Addr::new(BASE), bytes);
        let layout = if new { swiss() } else { chained() };
        let limits = Limits { depth, elements, text: 50, nodes: 500 };
        for (id, _) in source.0.iter() {
            let value = Values::new(&memory, &source, &layout, limits).read(id, Addr::new(BASE));
            let (nodes, bytes) = count(&value);
            // Each value that is read may be cut into one that is not.
            prop_assert!(nodes <= 20_000 && bytes <= 50 * 501, "{} values, {} bytes", nodes, bytes);
        }
    }
}
