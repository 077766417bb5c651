//! Pointees and labels of types put together by hand, and of types that contradict themselves.

use std::sync::Arc;

use leakscope_model::Via;
use proptest::prelude::*;

use super::{Field, GoType, Kind, Label, Pointee, Role, TypeId, Types};

fn add(types: &mut Types, name: &str, size: u64, kind: Kind) -> TypeId {
    types.push(GoType { name: name.into(), size, kind, role: Role::Plain, runtime_type: None }).unwrap()
}

fn fields(of: &[(&str, u64, TypeId)]) -> Kind {
    let fields = of.iter().map(|(name, offset, ty)| Field { name: (*name).into(), offset: *offset, ty: *ty });
    Kind::Struct { fields: fields.collect() }
}

fn label(name: &str, via: Via) -> Option<Label> {
    Some(Label { name: Arc::from(name), via })
}

/// `type node struct { id int; next *node; names [2]string; in struct { any any } }`, 64 bytes.
fn node(types: &mut Types) -> TypeId {
    let int = add(types, "int", 8, Kind::Int);
    let string = add(types, "string", 16, Kind::String);
    let any = add(types, "interface {}", 16, Kind::Interface { empty: true });
    let names = add(types, "[2]string", 32, Kind::Array { elem: string, len: 2 });
    let inner = add(types, "struct { any interface {} }", 16, fields(&[("any", 0, any)]));
    let node = TypeId(6);
    let next = add(types, "*main.node", 8, Kind::Pointer { elem: node });
    let of = [("id", 0, int), ("next", 8, next), ("names", 16, names), ("in", 48, inner)];
    assert_eq!(add(types, "main.node", 64, fields(&of)), node);
    types.link_containers();
    node
}

#[test]
fn a_word_is_named_by_every_field_on_the_way_to_it() {
    let mut types = Types::default();
    let node = node(&mut types);
    assert_eq!(types.label_at(node, 8), label("next", Via::Field));
    assert_eq!(types.label_at(node, 32), label("names[…]", Via::Field));
    assert_eq!(types.label_at(node, 56), label("in.any", Via::Field));
    // No pointer, but it has a name too.
    assert_eq!(types.label_at(node, 0), label("id", Via::Field));
    assert_eq!(types.label_at(node, 24), label("names[…]", Via::Field));
}

#[test]
fn behind_the_first_value_of_an_object_come_its_neighbours() {
    let mut types = Types::default();
    let node = node(&mut types);
    assert_eq!(types.label_at(node, 64 + 8), label("[…].next", Via::Element));
    assert_eq!(types.pointee_at(node, 640 + 8), Some(Pointee::One(node)));
    let pointer = types.by_name("*main.node").unwrap();
    assert_eq!(types.label_at(pointer, 0), label("[…]", Via::Element));
    assert_eq!(types.label_at(pointer, 8), label("[…]", Via::Element));
    assert_eq!(types.pointee_at(pointer, 80), Some(Pointee::One(node)));
}

#[test]
fn only_the_data_word_of_an_interface_points_into_the_heap() {
    let mut types = Types::default();
    let node = node(&mut types);
    assert_eq!(types.pointee_at(node, 48), None);
    assert_eq!(types.pointee_at(node, 56), Some(Pointee::Dynamic { empty: true }));
    let pointers: Vec<u64> = types.pointer_words(node).iter().map(|word| word.offset).collect();
    assert_eq!(pointers, [8, 16, 32, 56]);
}

#[test]
fn an_array_too_large_for_a_table_answers_all_the_same() {
    let mut types = Types::default();
    let node = node(&mut types);
    let many = add(&mut types, "[1000000]main.node", 64_000_000, Kind::Array { elem: node, len: 1_000_000 });
    let whole = add(&mut types, "main.arena", 64_000_008, fields(&[("nodes", 8, many)]));
    assert!(types.pointer_words(whole).is_empty());
    assert_eq!(types.pointee_at(whole, 8 + 64 * 999_999 + 16), Some(Pointee::Bytes));
    assert_eq!(types.pointee_at(whole, 8 + 64 * 999_999 + 24), None);
    assert_eq!(types.label_at(whole, 8 + 64 * 5 + 8), label("nodes[…].next", Via::Field));
}

/// `map[string]*main.node` as Go 1.27 lays out its groups: control word, eight keys, eight elements.
#[test]
fn keys_and_elements_in_rows_of_their_own_are_told_apart() {
    let mut types = Types::default();
    let node = node(&mut types);
    let string = types.by_name("string").unwrap();
    let pointer = types.by_name("*main.node").unwrap();
    let uint = add(&mut types, "uint64", 8, Kind::Uint);
    let keys = add(&mut types, "noalg.[8]string", 128, Kind::Array { elem: string, len: 8 });
    let elems = add(&mut types, "noalg.[8]*main.node", 64, Kind::Array { elem: pointer, len: 8 });
    let of = [("ctrl", 0, uint), ("keys", 8, keys), ("elems", 136, elems)];
    let group = add(&mut types, "noalg.map.group[string]*main.node", 200, fields(&of));
    let to_group = add(&mut types, "*group", 8, Kind::Pointer { elem: group });
    let reference = add(&mut types, "groupReference<…>", 16, fields(&[("data", 0, to_group)]));
    let table = add(&mut types, "table<…>", 32, fields(&[("groups", 16, reference)]));
    let to_table = add(&mut types, "*table<…>", 8, Kind::Pointer { elem: table });
    let directory = add(&mut types, "**table<…>", 8, Kind::Pointer { elem: to_table });
    let header = add(&mut types, "map<…>", 48, fields(&[("dirPtr", 16, directory)]));
    let map = Kind::Map { key: string, elem: pointer, header };
    let map = add(&mut types, "map[string]*main.node", 8, map);
    types.link_containers();

    assert_eq!(types.pointee_at(map, 0), Some(Pointee::One(header)));
    assert_eq!(types.pointee_at(header, 16), Some(Pointee::MapDirectory { group, table }));
    assert_eq!(types.pointee_at(table, 16), Some(Pointee::Many(group)));
    assert_eq!(types.label_at(group, 8 + 16 * 3), label("[…]", Via::Key));
    assert_eq!(types.label_at(group, 136 + 8 * 7), label("[…]", Via::Value));
    assert_eq!(types.pointee_at(group, 200 + 136), Some(Pointee::One(node)));
    assert_eq!(types.get(group).unwrap().role, Role::MapInside);
    assert_eq!(types.get(header).unwrap().role, Role::MapHeader);
}

#[test]
fn a_struct_that_holds_itself_ends() {
    let mut types = Types::default();
    let within = TypeId(0);
    add(&mut types, "main.loop", 64, fields(&[("a", 0, within), ("b", 8, within)]));
    assert!(types.pointer_words(within).is_empty());
    assert_eq!(types.pointee_at(within, 40), None);
    assert!(types.label_at(within, 40).is_some());
}

proptest! {
    /// Types of any sizes that refer to any types, their own kind among them.
    #[test]
    fn no_types_panic_or_point_outside_themselves(
        shapes in prop::collection::vec((0u8..9, 0u64..200, 0u32..12, 0u64..20, 0u64..200), 1..12)
    ) {
        let mut types = Types::default();
        for (kind, size, other, len, offset) in shapes {
            let elem = TypeId(other);
            let kind = match kind {
                0 => Kind::Pointer { elem },
                1 => Kind::Array { elem, len: len << (len * 3) },
                2 => fields(&[("a", 0, elem), ("slots", offset, elem), ("data", 8, TypeId(other / 2))]),
                3 => Kind::Map { key: elem, elem, header: elem },
                4 => Kind::Chan { elem, header: elem },
                5 => Kind::Slice { elem },
                6 => Kind::Interface { empty: true },
                7 => fields(&[("buckets", offset, elem), ("dirPtr", len, elem), ("isEntry", 0, elem)]),
                _ => Kind::Opaque,
            };
            add(&mut types, ["sync/atomic.Pointer[x.node[a]]", "x.node[a]", "x.entry[a]"][usize::from(size < 100)], size, kind);
        }
        types.link_containers();
        for (id, ty) in types.iter() {
            for word in types.pointer_words(id) {
                prop_assert!(word.offset + 8 <= ty.size);
                prop_assert_eq!(types.pointee_at(id, word.offset), Some(word.pointee));
            }
            for offset in [0, 7, 8, 64, u64::MAX] {
                let _ = (types.pointee_at(id, offset), types.label_at(id, offset));
            }
        }
    }
}
