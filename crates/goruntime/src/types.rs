//! Go types: what a word at an offset means and points at.

use std::sync::Arc;

use leakscope_model::{LinkAddr, Via};

/// A type of the program, dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// A field of a struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// As the source writes it; the type's name for an embedded field.
    pub name: Arc<str>,
    /// Bytes from the start of the struct.
    pub offset: u64,
    /// Its type.
    pub ty: TypeId,
}

/// Structures that Go's maps and channels are made of: paths fold them into one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A type of the program.
    Plain,
    /// `maps.Map` or `hmap`.
    MapHeader,
    /// Anything between the header and the slots: directory, table, groups, buckets, `hmap.extra`.
    MapInside,
    /// `hchan`.
    ChanHeader,
    /// `sudog` and wait queues.
    ChanInside,
}

/// What a type is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `bool`.
    Bool,
    /// Signed integers of every width.
    Int,
    /// Unsigned integers of every width, `uintptr` among them.
    Uint,
    /// `float32`, `float64`.
    Float,
    /// `complex64`, `complex128`.
    Complex,
    /// `string`: data pointer and length.
    String,
    /// `[]T`: data pointer, length, capacity.
    Slice {
        /// `T`.
        elem: TypeId,
    },
    /// `[n]T`.
    Array {
        /// `T`.
        elem: TypeId,
        /// `n`.
        len: u64,
    },
    /// A struct.
    Struct {
        /// In order of offset.
        fields: Vec<Field>,
    },
    /// `*T`.
    Pointer {
        /// `T`.
        elem: TypeId,
    },
    /// `unsafe.Pointer`.
    UnsafePointer,
    /// A func value: a word that points at a closure object, whose first word is the code address.
    Func,
    /// A map value: a word that points at the header.
    Map {
        /// Key.
        key: TypeId,
        /// Element.
        elem: TypeId,
        /// `map<K,V>` or `hash<K,V>`.
        header: TypeId,
    },
    /// A channel value: a word that points at `hchan`.
    Chan {
        /// Element.
        elem: TypeId,
        /// `hchan<T>`.
        header: TypeId,
    },
    /// An interface value: type word (empty) or itab word, then data word.
    Interface {
        /// `interface{}`, whose first word is the type itself.
        empty: bool,
    },
    /// Nothing is known but the size.
    Opaque,
}

/// One type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoType {
    /// As Go writes it with the full package path: `*google.golang.org/grpc.Server`.
    pub name: Arc<str>,
    /// Bytes of one value.
    pub size: u64,
    /// What it is.
    pub kind: Kind,
    /// Whether it is a part of a map or channel.
    pub role: Role,
    /// The runtime's own descriptor (`abi.Type`), where the linker kept one.
    pub runtime_type: Option<LinkAddr>,
}

/// What a pointer-sized word of a typed object points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pointee {
    /// At a value of this type, possibly the first of more.
    One(TypeId),
    /// At an array of values of this type: backing of a slice, groups of a map, buffer of a channel.
    Many(TypeId),
    /// At the bytes of a string.
    Bytes,
    /// At a closure: its first word is the code address.
    Closure,
    /// At whatever the interface's first word, one word before this one, says.
    Dynamic {
        /// Whether that word is the type itself (else an itab).
        empty: bool,
    },
    /// At a map header whose `dirPtr` this is: at one group if `dirLen` is 0, else at a directory of tables.
    MapDirectory {
        /// The group, `group<K,V>`.
        group: TypeId,
        /// `table<K,V>`, to which the directory's entries point.
        table: TypeId,
    },
    /// At a node of a concurrent trie (`internal/sync.HashTrieMap`, so `sync.Map`): the bool at its offset
    /// `flag` tells which of two structs it is.
    TrieNode {
        /// Its type where the flag is set.
        entry: TypeId,
        /// Its type where the flag is not set.
        indirect: TypeId,
        /// Bytes from the node's start to the flag.
        flag: u32,
    },
    /// Not told by the type: `unsafe.Pointer`.
    Untyped,
}

/// One named step inside an object: from its start to the word at an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// `children`, `mu.state`, `[…]`: every field on the way, joined with dots; array indices folded to `[…]`.
    pub name: Arc<str>,
    /// How it hangs on its object.
    pub via: Via,
}

/// A word of a type that can point into the heap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointerWord {
    /// Bytes from the start of the value.
    pub offset: u64,
    /// What it points at.
    pub pointee: Pointee,
    /// Its name.
    pub label: Label,
}

/// Every type that the debug information or the runtime's data names.
#[derive(Debug, Clone, Default)]
pub struct Types {
    types: Vec<GoType>,
}

impl Types {
    /// One type; `None` for an id of another table.
    pub fn get(&self, id: TypeId) -> Option<&GoType> {
        self.types.get(id.0 as usize)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// What the word at `offset` of an object of this type points at; `None` for what is no pointer.
    ///
    /// An object may hold several values in a row: an offset behind the first counts from the start of its own.
    pub fn pointee_at(&self, id: TypeId, offset: u64) -> Option<Pointee> {
        let _ = (id, offset);
        None
    }

    /// The name of what lies at `offset` of an object of this type.
    ///
    /// `[…]` is an index or key. Where the offset lies behind the first value, or the value has no fields,
    /// the name starts with `[…]`. Keys and elements of maps start with `[…]`, by [`Via::Key`] and [`Via::Value`].
    pub fn label_at(&self, id: TypeId, offset: u64) -> Option<Label> {
        let _ = (id, offset);
        None
    }

    /// The words of one value that can point into the heap, in order; empty for a type above some KB.
    pub fn pointer_words(&self, id: TypeId) -> &[PointerWord] {
        let _ = id;
        &[]
    }

    /// The type of this name.
    pub fn by_name(&self, name: &str) -> Option<TypeId> {
        let _ = name;
        None
    }

    /// Adds a type.
    pub fn push(&mut self, ty: GoType) -> Option<TypeId> {
        let id = u32::try_from(self.types.len()).ok()?;
        self.types.push(ty);
        Some(TypeId(id))
    }
}
