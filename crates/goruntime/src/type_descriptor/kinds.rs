//! The kinds of types by their numbers, and the structures that describe each.

/// Numbers of the public `reflect.Kind`, which no release may change.
pub(super) const ARRAY: u64 = 17;
pub(super) const CHAN: u64 = 18;
pub(super) const FUNC: u64 = 19;
pub(super) const INTERFACE: u64 = 20;
pub(super) const MAP: u64 = 21;
pub(super) const POINTER: u64 = 22;
pub(super) const SLICE: u64 = 23;
pub(super) const STRING: u64 = 24;
pub(super) const STRUCT: u64 = 25;
pub(super) const UNSAFE_POINTER: u64 = 26;

/// The kinds whose descriptor is longer than `abi.Type`, with the structures that may describe them.
const DESCRIPTORS: [(u64, &[&str]); 8] = [
    (ARRAY, &["abi.ArrayType"]),
    (CHAN, &["abi.ChanType"]),
    (FUNC, &["abi.FuncType"]),
    (INTERFACE, &["abi.InterfaceType"]),
    (MAP, &["abi.MapType", "abi.SwissMapType", "abi.OldMapType"]),
    (POINTER, &["abi.PtrType"]),
    (SLICE, &["abi.SliceType"]),
    (STRUCT, &["abi.StructType"]),
];

/// A structure that describes maps, and its fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct MapStructure {
    pub(super) name: &'static str,
    pub(super) key: &'static str,
    pub(super) elem: &'static str,
    /// The type of a group, of Swiss tables.
    pub(super) group: &'static str,
    /// Bytes of a key in a bucket and of an element, of the maps before: 8 for one that lies behind a pointer.
    pub(super) sizes: (&'static str, &'static str),
}

/// While there were two kinds of maps to choose from, each had a name of its own.
pub(super) const MAPS: [MapStructure; 3] = [
    MapStructure {
        name: "abi.MapType",
        key: "abi.MapType.Key",
        elem: "abi.MapType.Elem",
        group: "abi.MapType.Group",
        sizes: ("abi.MapType.KeySize", "abi.MapType.ValueSize"),
    },
    MapStructure {
        name: "abi.SwissMapType",
        key: "abi.SwissMapType.Key",
        elem: "abi.SwissMapType.Elem",
        group: "abi.SwissMapType.Group",
        sizes: ("", ""),
    },
    MapStructure {
        name: "abi.OldMapType",
        key: "abi.OldMapType.Key",
        elem: "abi.OldMapType.Elem",
        group: "",
        sizes: ("abi.OldMapType.KeySize", "abi.OldMapType.ValueSize"),
    },
];

/// Whether there is a kind of this number; 0 is that of no type.
pub(super) fn is_kind(kind: u64) -> bool {
    (1..=UNSAFE_POINTER).contains(&kind)
}

/// The size in bytes of every type of a kind, where it is the same for all.
pub(super) fn size(kind: u64) -> Option<u64> {
    match kind {
        1 | 3 | 8 => Some(1),
        4 | 9 => Some(2),
        5 | 10 | 13 => Some(4),
        2 | 6 | 7 | 11 | 12 | 14 | 15 => Some(8),
        CHAN | FUNC | MAP | POINTER | UNSAFE_POINTER => Some(8),
        16 | INTERFACE | STRING => Some(16),
        SLICE => Some(24),
        _ => None,
    }
}

/// The structures that may describe types of a kind.
pub(super) fn structures(kind: u64) -> &'static [&'static str] {
    DESCRIPTORS.iter().find(|(known, _)| *known == kind).map_or(&["abi.Type"][..], |(_, names)| names)
}

/// The name of a kind, for a type that has no other.
pub(super) fn word(kind: u64) -> &'static str {
    match kind {
        ARRAY => "array",
        CHAN => "chan",
        FUNC => "func",
        INTERFACE => "interface",
        MAP => "map",
        POINTER => "pointer",
        SLICE => "slice",
        STRUCT => "struct",
        _ => "type",
    }
}
