//! How much one pointer says about the object behind it.

use leakscope_goruntime::{GoType, Pointee, Role, TypeId, Types};

use super::shape_table::{Kind, ShapeTable};
use super::slot_classes::SlotClass;
use crate::graph::{How, ShapeId};

/// How far a claim is to be trusted; the better one wins, and of two equal ones the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trust {
    /// No claim.
    None,
    /// A pointer to a value smaller than its slot: maybe the first field or element of something larger.
    Loose,
    /// A code address in the first word, or a type word before a pointer, without a type that says it is one.
    Guess,
    /// A slice or string that starts inside its object.
    Inside,
    /// A slice, string or func value that starts at its object.
    Row,
    /// A pointer to a value that fills its slot.
    Exact,
    /// The type word of an interface, and the value fills its slot.
    Interface,
    /// The runtime's own record.
    Header,
}

/// What one pointer says of its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) shape: ShapeId,
    pub(super) how: How,
    pub(super) trust: Trust,
}

/// What a word of this meaning says of an object in a slot of this class, at whose `offset` it points.
///
/// `None` where it says nothing, or contradicts the slot: the runtime keeps values with and without pointers
/// apart, so a type of the wrong kind belongs to a part of the object only.
pub(super) fn claim(
    shapes: &mut ShapeTable<'_>,
    pointee: Pointee,
    offset: u64,
    class: SlotClass,
) -> Option<Claim> {
    let types = shapes.source().types();
    let (kind, trust) = match pointee {
        Pointee::One(ty) => one(types, ty, offset, class)?,
        Pointee::Many(ty) => many(types, ty, offset, class)?,
        Pointee::Bytes if class.noscan => (Kind::Bytes, if offset == 0 { Trust::Row } else { Trust::Inside }),
        Pointee::MapDirectory { group, table } => match one(types, group, offset, class) {
            Some((kind, Trust::Exact)) => (kind, Trust::Exact),
            _ if class.noscan || offset > 0 => return None,
            _ => (Kind::Directory { table }, Trust::Row),
        },
        Pointee::TrieNode { entry, indirect, .. } => {
            // Both at once is told by memory, before this is asked.
            let exact = |ty| one(types, ty, offset, class).filter(|(_, trust)| *trust == Trust::Exact);
            exact(entry).or_else(|| exact(indirect))?
        }
        Pointee::Bytes | Pointee::Closure | Pointee::Dynamic { .. } | Pointee::Untyped => return None,
    };
    let how = shapes.source().how_of_pointer(kind.ty());
    Some(Claim { shape: shapes.id(kind), how, trust })
}

fn one(types: &Types, id: TypeId, offset: u64, class: SlotClass) -> Option<(Kind, Trust)> {
    let &GoType { size, role, ref name, .. } = types.get(id)?;
    // The runtime's own functions know every map and channel by one type, which tells nothing of elements.
    let generic = role != Role::Plain
        && (name.starts_with("runtime.") || name.starts_with("internal/runtime/"))
        || is_shape(name);
    if offset == 0 && role == Role::ChanHeader && size <= class.capacity() {
        // The buffer follows in the same slot where elements have no pointers (runtime/chan.go, makechan).
        let trust = if generic { Trust::Loose } else { Trust::Exact };
        return Some((Kind::Values { ty: id, repeated: false }, trust));
    }
    if class.is_tiny() && size < class.slot_size && offset.saturating_add(size) <= class.slot_size {
        let loose = (Kind::Values { ty: id, repeated: false }, Trust::Loose);
        return (!contradicts(types, id, class)).then_some(loose);
    }
    if offset > 0 || size == 0 || size > class.capacity() || contradicts(types, id, class) {
        return None;
    }
    let trust = if class.fits(size) && !generic { Trust::Exact } else { Trust::Loose };
    Some((Kind::Values { ty: id, repeated: false }, trust))
}

/// Whether it stands for all types of one shape, in code that serves them all.
fn is_shape(name: &str) -> bool {
    name.contains("[go.shape.")
}

fn many(types: &Types, id: TypeId, offset: u64, class: SlotClass) -> Option<(Kind, Trust)> {
    let size = types.get(id)?.size;
    let aligned = offset.checked_rem(size)? == 0;
    if !aligned || size > class.capacity() || contradicts(types, id, class) {
        return None;
    }
    let trust = if offset == 0 { Trust::Row } else { Trust::Inside };
    Some((Kind::Values { ty: id, repeated: true }, trust))
}

/// Whether the type has pointers and the slot none, or the other way round.
///
/// The types of the insides of maps are written by the linker, which gives a pointer to the overflow of every
/// bucket; the runtime has none where keys and elements have none (cmd/link/internal/ld/dwarf.go).
fn contradicts(types: &Types, id: TypeId, class: SlotClass) -> bool {
    let inside = types.get(id).is_some_and(|ty| ty.role == Role::MapInside);
    match has_pointers(types, id) {
        Some(true) => class.noscan && !inside,
        Some(false) => !class.noscan,
        None => false,
    }
}

/// The largest type of which [`Types::pointer_words`] lists the words for certain, in bytes.
const LISTED: u64 = 8 << 10;

fn has_pointers(types: &Types, id: TypeId) -> Option<bool> {
    match types.pointer_words(id) {
        [] if types.get(id)?.size > LISTED => None,
        words => Some(!words.is_empty()),
    }
}
