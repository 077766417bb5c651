//! Which words of a value point where: a flat table a type, so that a walk over millions of words is cheap.

use super::labels::Name;
use super::{Kind, Pointee, PointerWord, TypeId, Types, WORD};

/// Types up to this size get a table; for larger ones, nearly always arrays, the way down is walked each time.
const TABLE_LIMIT: u64 = 8 << 10;
/// Structs in structs, more than any compiler takes: ends the walk over a type that holds itself.
pub(super) const DEEPEST: usize = 64;
/// Parts looked at for one table: ends the walk over types whose sizes contradict each other.
const MOST_PARTS: usize = 1 << 16;
/// In a table's index: no pointer here.
const NONE: u16 = u16::MAX;

/// The pointers of one type.
#[derive(Debug, Clone, Default)]
pub(super) struct WordTable {
    words: Vec<PointerWord>,
    /// For every word of the value its place in `words`.
    index: Box<[u16]>,
}

impl WordTable {
    fn at(&self, offset: u64) -> Option<&PointerWord> {
        let place = *self.index.get(usize::try_from(offset / WORD).ok()?)?;
        self.words.get(usize::from(place)).filter(|word| word.offset == offset)
    }
}

impl Types {
    /// What the word at `offset` of an object of this type points at; `None` for what is no pointer.
    ///
    /// An object may hold several values in a row: an offset behind the first counts from the start of its own.
    pub fn pointee_at(&self, id: TypeId, offset: u64) -> Option<Pointee> {
        let (mut id, mut offset) = (id, offset.checked_rem(self.get(id)?.size)?);
        for _ in 0..DEEPEST {
            if let Some(table) = self.table(id) {
                return table.at(offset).map(|word| word.pointee);
            }
            let Some(part) = self.part_at(id, offset) else {
                return self.own_pointee(id, offset);
            };
            (id, offset) = (part.ty, offset.checked_sub(part.offset)?);
            if part.pointee.is_some() && offset == 0 {
                return part.pointee;
            }
            offset = offset.checked_rem(self.size(id))?;
        }
        None
    }

    /// The words of one value that can point into the heap, in order; empty for a type above 8 KB.
    pub fn pointer_words(&self, id: TypeId) -> &[PointerWord] {
        self.table(id).map_or(&[], |table| &table.words)
    }

    /// The pointer at exactly this offset of a value that has a table.
    pub(super) fn word_at(&self, id: TypeId, offset: u64) -> Option<&PointerWord> {
        self.table(id)?.at(offset)
    }

    fn table(&self, id: TypeId) -> Option<&WordTable> {
        let Some(place) = self.own_place(id) else { return self.base.as_ref()?.table(id) };
        let table = self.tables.get(place)?;
        table.get_or_init(|| self.build_table(id).map(Box::new)).as_deref()
    }

    fn build_table(&self, id: TypeId) -> Option<WordTable> {
        let size = self.get(id)?.size;
        if TABLE_LIMIT < size {
            return None;
        }
        let mut words =
            Words { types: self, size, left: MOST_PARTS, name: Name::default(), found: Vec::new() };
        words.collect(id, 0, 0);
        let mut found = words.found;
        found.sort_by_key(|word| word.offset);
        found.dedup_by_key(|word| word.offset);
        let mut index = vec![NONE; usize::try_from(size / WORD).ok()?].into_boxed_slice();
        for (place, word) in (0u16..).zip(&found) {
            if let Some(slot) = usize::try_from(word.offset / WORD).ok().and_then(|at| index.get_mut(at)) {
                *slot = place;
            }
        }
        Some(WordTable { words: found, index })
    }

    /// What a value without parts points at, by its own type.
    fn own_pointee(&self, id: TypeId, offset: u64) -> Option<Pointee> {
        let pointee = match self.get(id)?.kind {
            Kind::Pointer { elem } => Pointee::One(elem),
            Kind::UnsafePointer => Pointee::Untyped,
            Kind::String => Pointee::Bytes,
            Kind::Slice { elem } => Pointee::Many(elem),
            Kind::Func => Pointee::Closure,
            Kind::Map { header, .. } | Kind::Chan { header, .. } => Pointee::One(header),
            // The collector never follows the first word of an interface: it points at a type or an itab.
            // Runtime: cmd/compile/internal/typebits/typebits.go, set
            Kind::Interface { empty } => {
                return (offset == WORD).then_some(Pointee::Dynamic { empty });
            }
            _ => return None,
        };
        (offset == 0).then_some(pointee)
    }
}

/// Collects the pointer words of one value.
struct Words<'t> {
    types: &'t Types,
    size: u64,
    left: usize,
    name: Name,
    found: Vec<PointerWord>,
}

impl Words<'_> {
    fn collect(&mut self, id: TypeId, base: u64, depth: usize) {
        if !self.types.has_parts(id) {
            return self.collect_own(id, base);
        }
        for part in self.types.parts(id) {
            let Some(at) = base.checked_add(part.offset).filter(|at| *at < self.size) else { break };
            if self.left == 0 || DEEPEST <= depth {
                return;
            }
            self.left -= 1;
            let mark = self.name.mark();
            self.name.push(part.step);
            match part.pointee {
                Some(pointee) => self.add(at, pointee),
                None => self.collect(part.ty, at, depth + 1),
            }
            self.name.back_to(mark);
        }
    }

    fn collect_own(&mut self, id: TypeId, base: u64) {
        for offset in [0, WORD] {
            if let (Some(pointee), Some(at)) = (self.types.own_pointee(id, offset), base.checked_add(offset))
            {
                self.add(at, pointee);
            }
        }
    }

    fn add(&mut self, offset: u64, pointee: Pointee) {
        let fits = offset.checked_add(WORD).is_some_and(|end| end <= self.size);
        if fits && offset.is_multiple_of(WORD) {
            self.found.push(PointerWord { offset, pointee, label: self.name.label() });
        }
    }
}
