//! The shapes that a heap uses, each once, with what its words point at.
#![allow(clippy::indexing_slicing, reason = "shape ids of our own making index the table that made them")]

use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_goruntime::{Kind as GoKind, Pointee, Role, TypeId, Types};
use leakscope_model::{Addr, Via};

use super::slot_classes::ClassId;
use super::source::TypeSource;
use crate::graph::{Shape, ShapeId};

/// What makes a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// Nothing is known but the slot.
    Unknown { slot_size: u64, noscan: bool },
    /// One value, or an array of them.
    Values { ty: TypeId, repeated: bool },
    /// The bytes of strings.
    Bytes,
    /// A closure of the function that starts at this address.
    Closure { code: Addr },
    /// An array of pointers to the tables of a map.
    Directory { table: TypeId },
}

impl Kind {
    /// The type that it is made of, if of one.
    pub(super) fn ty(self) -> Option<TypeId> {
        match self {
            Kind::Values { ty, .. } | Kind::Directory { table: ty } => Some(ty),
            Kind::Unknown { .. } | Kind::Bytes | Kind::Closure { .. } => None,
        }
    }
}

/// A word of a shape that can point into the heap.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) index: u32,
    pub(super) pointee: Pointee,
    /// The answer that was given last for this word: for a slot of this class, this claim.
    pub(super) last: Option<(ClassId, super::evidence::Claim)>,
    name: Arc<str>,
    via: Via,
}

/// One shape while objects are being typed.
#[derive(Debug)]
pub(super) struct Entry {
    kind: Kind,
    size: u64,
    /// Whether the word's index counts from the start of each value.
    repeated: bool,
    /// In order of index.
    pub(super) words: Vec<Word>,
    /// The type to ask word by word, where it is too large for a list.
    large: Option<TypeId>,
}

/// Every shape that was asked for.
pub(super) struct ShapeTable<'s> {
    source: &'s dyn TypeSource,
    entries: Vec<Entry>,
    ids: HashMap<Kind, ShapeId>,
}

impl<'s> ShapeTable<'s> {
    /// A table whose entry 0 is the unknown shape of no particular size.
    pub(super) fn new(source: &'s dyn TypeSource) -> ShapeTable<'s> {
        let mut table = ShapeTable { source, entries: Vec::new(), ids: HashMap::new() };
        table.id(Kind::Unknown { slot_size: 0, noscan: false });
        table
    }

    pub(super) fn source(&self) -> &'s dyn TypeSource {
        self.source
    }

    /// The id of a shape; a new one where it is asked for the first time.
    pub(super) fn id(&mut self, kind: Kind) -> ShapeId {
        if let Some(&id) = self.ids.get(&kind) {
            return id;
        }
        let id = ShapeId(u32::try_from(self.entries.len()).unwrap_or(0));
        self.entries.push(entry(self.source, kind));
        self.ids.insert(kind, id);
        id
    }

    /// The shape of closures of the function that starts at `code`; `None` where no function does.
    pub(super) fn closure(&mut self, code: Addr) -> Option<ShapeId> {
        let kind = Kind::Closure { code };
        match self.ids.get(&kind) {
            Some(&known) => Some(known),
            None => self.source.function_starting_at(code).map(|_| self.id(kind)),
        }
    }

    /// What the word `index` of an object of a shape is; `None` where it is no pointer by its type.
    pub(super) fn word(&mut self, shape: ShapeId, index: u32) -> Option<&mut Word> {
        let entry = &mut self.entries[shape.0 as usize];
        let within = entry.within_one_value(index);
        let found = entry.words.binary_search_by_key(&within, |word| word.index);
        let at = match (found, entry.large) {
            (Ok(at), _) => at,
            (Err(_), None) => return None,
            (Err(at), Some(ty)) => {
                let types = self.source.types();
                let pointee = types.pointee_at(ty, u64::from(within) * 8)?;
                let label = types.label_at(ty, u64::from(within) * 8)?;
                entry.words.insert(
                    at,
                    Word { index: within, pointee, last: None, name: label.name, via: label.via },
                );
                at
            }
        };
        Some(&mut entry.words[at])
    }

    /// The finished shapes.
    pub(super) fn finish(self) -> Vec<Shape> {
        let ShapeTable { source, entries, .. } = self;
        entries
            .into_iter()
            .map(|entry| Shape {
                name: name(source, entry.kind),
                size: entry.size,
                repeated: entry.repeated,
                role: role(source, entry.kind),
                ty: match entry.kind {
                    Kind::Values { ty, .. } => Some(ty),
                    Kind::Unknown { .. } | Kind::Bytes | Kind::Closure { .. } | Kind::Directory { .. } => {
                        None
                    }
                },
                words: entry.words.into_iter().map(|word| (word.index, word.name, word.via)).collect(),
            })
            .collect()
    }
}

impl Entry {
    fn within_one_value(&self, index: u32) -> u32 {
        match u32::try_from(self.size / 8) {
            Ok(words) if words > 0 && index >= words && self.size.is_multiple_of(8) => index % words,
            _ => index,
        }
    }
}

fn entry(source: &dyn TypeSource, kind: Kind) -> Entry {
    match kind {
        Kind::Unknown { slot_size, .. } => {
            Entry { kind, size: slot_size, repeated: false, words: Vec::new(), large: None }
        }
        Kind::Bytes => Entry { kind, size: 1, repeated: true, words: Vec::new(), large: None },
        Kind::Directory { table } => {
            let word = Word {
                index: 0,
                pointee: Pointee::One(table),
                last: None,
                name: Arc::from("[…]"),
                via: Via::Element,
            };
            Entry { kind, size: 8, repeated: true, words: vec![word], large: None }
        }
        Kind::Values { ty, repeated } => {
            let size = source.types().get(ty).map_or(0, |ty| ty.size);
            let words: Vec<Word> = words_of(source, ty, 0).collect();
            let large = (words.is_empty() && size > 0).then_some(ty);
            let words = if repeated { words.into_iter().map(as_element).collect() } else { words };
            Entry { kind, size, repeated, words, large }
        }
        Kind::Closure { code } => closure(source, kind, code),
    }
}

fn closure(source: &dyn TypeSource, kind: Kind, code: Addr) -> Entry {
    let types = source.types();
    let (mut words, mut size) = (Vec::new(), 8);
    for capture in source.captures(code) {
        let bytes = types.get(capture.ty).map_or(0, |ty| ty.size);
        size = size.max(capture.offset.saturating_add(bytes));
        words.extend(words_of(source, capture.ty, capture.offset).map(|word| {
            // A captured variable without fields has no name of its own.
            let name = match word.name.strip_prefix("[…]") {
                Some("") => capture.name.clone(),
                Some(rest) => format!("{}[…]{rest}", capture.name).into(),
                None => format!("{}.{}", capture.name, word.name).into(),
            };
            Word { name, via: Via::Captured, ..word }
        }));
    }
    words.sort_by_key(|word| word.index);
    words.dedup_by_key(|word| word.index);
    Entry { kind, size, repeated: false, words, large: None }
}

fn words_of(source: &dyn TypeSource, ty: TypeId, base: u64) -> impl Iterator<Item = Word> + '_ {
    source.types().pointer_words(ty).iter().filter_map(move |word| {
        let index = u32::try_from(base.checked_add(word.offset)? / 8).ok()?;
        let (name, via) = (word.label.name.clone(), word.label.via);
        Some(Word { index, pointee: word.pointee, last: None, name, via })
    })
}

/// The word of an element: `[…].name`, and `[…]` for an element without fields.
fn as_element(word: Word) -> Word {
    if word.name.starts_with("[…]") {
        return word;
    }
    let name = if word.name.is_empty() { Arc::from("[…]") } else { format!("[…].{}", word.name).into() };
    Word { name, via: Via::Element, ..word }
}

fn name(source: &dyn TypeSource, kind: Kind) -> Arc<str> {
    let of = |ty: TypeId| source.types().get(ty).map_or_else(|| Arc::from("?"), |ty| ty.name.clone());
    match kind {
        Kind::Unknown { slot_size, noscan: true } => {
            format!("unknown {slot_size} bytes without pointers").into()
        }
        Kind::Unknown { slot_size, noscan: false } => format!("unknown {slot_size} bytes").into(),
        // `[]T` is the name of an array of T, which is what nearly all people mean by it.
        Kind::Values { ty, repeated: false } => match source.types().get(ty).map(|ty| &ty.kind) {
            Some(GoKind::Slice { .. }) => format!("{} header", of(ty)).into(),
            _ => of(ty),
        },
        Kind::Values { ty, repeated: true } => format!("[]{}", of(ty)).into(),
        Kind::Bytes => Arc::from("string bytes"),
        Kind::Closure { code } => match source.function_starting_at(code) {
            Some(function) => format!("closure {function}").into(),
            None => format!("closure {code}").into(),
        },
        Kind::Directory { table } => format!("[]*{}", of(table)).into(),
    }
}

fn role(source: &dyn TypeSource, kind: Kind) -> Role {
    let role_of = |ty: TypeId| source.types().get(ty).map_or(Role::Plain, |ty| ty.role);
    match kind {
        Kind::Values { ty, repeated: true } if points_inside_map(source.types(), ty) => Role::MapInside,
        Kind::Values { ty, .. } => role_of(ty),
        Kind::Directory { .. } => Role::MapInside,
        Kind::Unknown { .. } | Kind::Bytes | Kind::Closure { .. } => Role::Plain,
    }
}

/// Whether this is the element of a map's directory: a pointer to one of its tables.
pub(super) fn points_inside_map(types: &Types, ty: TypeId) -> bool {
    match types.get(ty).map(|ty| &ty.kind) {
        Some(&GoKind::Pointer { elem }) => types.get(elem).is_some_and(|elem| elem.role == Role::MapInside),
        _ => false,
    }
}
