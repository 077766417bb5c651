//! Go types: what a word at an offset means and points at.

mod containers;
mod labels;
mod parts;
#[cfg(test)]
mod tests;
mod timers;
mod words;

use std::sync::{Arc, OnceLock};

use hashbrown::HashMap;
use leakscope_model::{LinkAddr, Via};

use self::parts::Mark;
use self::words::WordTable;

/// Bytes of a pointer on both processors that we read.
pub(crate) const WORD: u64 = 8;

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
    /// The table that this one adds to; its ids come first.
    base: Option<Arc<Types>>,
    types: Vec<GoType>,
    /// One table a type, made when it is first asked for.
    tables: Vec<OnceLock<Option<Box<WordTable>>>>,
    names: OnceLock<HashMap<Arc<str>, TypeId>>,
    /// Types that are more than their fields say.
    marks: HashMap<TypeId, Mark>,
    /// Fields whose own type does not tell what they point at: by struct and offset.
    known_pointees: HashMap<(TypeId, u64), Pointee>,
}

impl Types {
    /// A table that starts with all types of `base`, under the same ids, without a copy of them; types that are
    /// added come behind.
    pub fn extending(base: Arc<Types>) -> Types {
        Types { base: Some(base), ..Types::default() }
    }

    /// One type; `None` for an id of another table.
    pub fn get(&self, id: TypeId) -> Option<&GoType> {
        match self.own_place(id) {
            Some(place) => self.types.get(place),
            None => self.base.as_ref()?.get(id),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.first_own() + self.types.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every type with its id, in order.
    pub fn iter(&self) -> impl Iterator<Item = (TypeId, &GoType)> {
        (0u32..).map(TypeId).map_while(|id| Some((id, self.get(id)?)))
    }

    /// The type of this name; the first one where several packages' types print alike.
    pub fn by_name(&self, name: &str) -> Option<TypeId> {
        if let Some(id) = self.base.as_ref().and_then(|base| base.by_name(name)) {
            return Some(id);
        }
        let names = self.names.get_or_init(|| {
            let mut names = HashMap::with_capacity(self.types.len());
            for (id, ty) in self.own_ids().zip(&self.types) {
                names.entry(ty.name.clone()).or_insert(id);
            }
            names
        });
        names.get(name).copied()
    }

    /// Adds a type; call [`Types::link_containers`] when all are there.
    pub fn push(&mut self, ty: GoType) -> Option<TypeId> {
        let id = u32::try_from(self.len()).ok()?;
        self.types.push(ty);
        self.tables.push(OnceLock::new());
        self.names = OnceLock::new();
        Some(TypeId(id))
    }

    /// Notes where a type's runtime descriptor lies.
    pub(crate) fn set_runtime_type(&mut self, id: TypeId, descriptor: LinkAddr) {
        if let Some(ty) = self.own_mut(id) {
            ty.runtime_type = Some(descriptor);
        }
    }

    /// How many types the table has that this one adds to.
    fn first_own(&self) -> usize {
        self.base.as_ref().map_or(0, |base| base.len())
    }

    /// The ids of the types that were added here.
    fn own_ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        let first = u32::try_from(self.first_own()).unwrap_or(u32::MAX);
        (first..).map(TypeId).take(self.types.len())
    }

    /// Where in this table's own lists a type stands; `None` for those of the table that it adds to.
    fn own_place(&self, id: TypeId) -> Option<usize> {
        (id.0 as usize).checked_sub(self.first_own())
    }

    /// A type that was added here, to complete it.
    pub(crate) fn own_mut(&mut self, id: TypeId) -> Option<&mut GoType> {
        let place = self.own_place(id)?;
        self.types.get_mut(place)
    }

    fn mark(&self, id: TypeId) -> Option<Mark> {
        let own = self.marks.get(&id).copied();
        own.or_else(|| self.base.as_ref()?.mark(id))
    }

    fn known_pointee(&self, id: TypeId, offset: u64) -> Option<Pointee> {
        let own = self.known_pointees.get(&(id, offset)).copied();
        own.or_else(|| self.base.as_ref()?.known_pointee(id, offset))
    }

    /// The fields of a struct; none for any other type.
    pub fn fields(&self, id: TypeId) -> &[Field] {
        match self.get(id).map(|ty| &ty.kind) {
            Some(Kind::Struct { fields }) => fields,
            _ => &[],
        }
    }

    /// The field of this name.
    pub fn field(&self, id: TypeId, name: &str) -> Option<&Field> {
        self.fields(id).iter().find(|field| &*field.name == name)
    }

    /// What a pointer type points at, by one step.
    fn target(&self, id: TypeId) -> Option<TypeId> {
        match self.get(id)?.kind {
            Kind::Pointer { elem } => Some(elem),
            _ => None,
        }
    }

    fn size(&self, id: TypeId) -> u64 {
        self.get(id).map_or(0, |ty| ty.size)
    }
}
