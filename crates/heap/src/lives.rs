//! Births and deaths over several moments of one process: what came, what went, and what stayed too long.
//!
//! Go's collector does not move objects: what lies at one address with one type in two moments is one object,
//! unless the first was freed in between and another of its type was put in its place. Where the runtime sampled one
//! of the two (the memory profile's record hangs on the object), that is seen: the record goes with its object. From
//! those pairs the rate of such replacements is told for all.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use std::cmp::Reverse;
use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_model::{Frame, PathStep};

use crate::graph::{Heap, ObjectId};
use crate::groups::{SignatureId, Signatures};
use crate::objects::Object;
use crate::retained::Tally;

/// By what objects are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LivesBy {
    /// The type.
    Type,
    /// The way of names from a root, container keys and indices folded.
    Path,
    /// The stack that allocated them; sampled objects alone have one.
    AllocStack,
}

/// What the objects of a row have in common.
#[derive(Debug, Clone, PartialEq)]
pub enum LifeKey {
    /// As Go writes it.
    Type(Arc<str>),
    /// How they hang on a root.
    Path {
        /// From the root; the last step is theirs, or the container whose inner pieces they are.
        path: Vec<PathStep>,
        /// Their type.
        ty: String,
    },
    /// Innermost frame first.
    AllocStack(Vec<Frame>),
}

/// The reachable objects with one key over all moments.
#[derive(Debug, Clone, PartialEq)]
pub struct LifeRow {
    /// What they have in common.
    pub key: LifeKey,
    /// How many there were at each moment.
    pub moments: Vec<Tally>,
    /// Came after the first moment, whether or not they are still there.
    pub born: Tally,
    /// Went before the last.
    pub died: Tally,
    /// Were there at the first moment and are still there at the last.
    pub survived: Tally,
    /// Came after the first moment, and lived through at least one whole interval up to the last: they were not
    /// there at the start, and do not go. Nothing with two moments, which cannot show it.
    pub stayed: Tally,
    /// Of those that came early enough to be able to stay.
    pub could_stay: Tally,
}

/// How sure it is that one address is one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reuse {
    /// Collections that ended between the first and the last moment: without one nothing is freed.
    pub collections: u64,
    /// Pairs at one address, with one type, of which a sample tells whether they are one object.
    pub checked: u64,
    /// Those of them that are not: counted as died and born.
    pub replaced: u64,
    /// Pairs that no sample tells of, and that count as one object each.
    pub unchecked: u64,
}

impl Reuse {
    /// The share of the unchecked pairs that may be two objects: lowest and highest, with 95 % certainty (Wilson).
    /// `None` where nothing tells.
    pub fn share(self) -> Option<(f64, f64)> {
        const Z: f64 = 1.96;
        if self.collections == 0 {
            return Some((0.0, 0.0));
        }
        if self.checked == 0 {
            return None;
        }
        let (n, found) = (self.checked as f64, self.replaced as f64 / self.checked as f64);
        let middle = found + Z * Z / (2.0 * n);
        let half = Z * (found * (1.0 - found) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Some((((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0)))
    }
}

/// All rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LifeTable {
    /// Those that stayed with most bytes first, then those that grew most.
    pub rows: Vec<LifeRow>,
    /// How sure it is who is who.
    pub reuse: Reuse,
}

/// Moments as they are added, in order of time.
#[derive(Debug)]
pub struct Lives {
    by: LivesBy,
    /// Whether objects are told by their addresses: all moments are of one process.
    one_process: bool,
    signatures: Signatures,
    types: HashMap<Arc<str>, u32>,
    stacks: HashMap<Vec<Frame>, u32>,
    rows: Vec<Row>,
    moments: usize,
    last: Option<Last>,
    reuse: Reuse,
}

/// One row in the making.
#[derive(Debug, Clone, Default)]
struct Row {
    moments: Vec<Tally>,
    /// Born between the moment before and this one, by moment.
    born: Vec<Tally>,
    died: Tally,
}

/// The moment that was added last.
#[derive(Debug)]
struct Last {
    heap: Heap,
    collections: u64,
    marked: Marked,
    /// The moment at which each object was first seen.
    since: Vec<u32>,
}

/// A heap's objects with their rows.
#[derive(Debug, Default)]
struct Marked {
    /// [`NO_ROW`] for what is not reachable or, by stack, not sampled.
    row: Vec<u32>,
    /// The name of each shape.
    types: Vec<u32>,
    /// The allocation stack of each sampled object.
    sampled: HashMap<ObjectId, u32>,
}

const NO_ROW: u32 = u32::MAX;

impl Lives {
    /// No moment yet. Moments of different processes (`one_process` false) have only their numbers compared.
    pub fn new(by: LivesBy, one_process: bool) -> Lives {
        Lives {
            by,
            one_process,
            signatures: Signatures::default(),
            types: HashMap::new(),
            stacks: HashMap::new(),
            rows: Vec::new(),
            moments: 0,
            last: None,
            reuse: Reuse::default(),
        }
    }

    /// From now on the moments are not of one process, and those before are not compared one by one either.
    pub fn tell_apart(&mut self) {
        self.one_process = false;
    }

    /// Adds the next moment.
    pub fn add(&mut self, heap: Heap) {
        let marked = self.mark(&heap);
        let now = self.moments;
        self.moments += 1;
        let mut since = vec![now as u32; heap.objects.len() as usize];
        for object in heap.objects.iter() {
            if let Some(row) = self.row(marked.row[object.id.0 as usize]) {
                at(&mut row.moments, now, Tally::one(object.size));
            }
        }
        let collections = heap.memstats.collections;
        if let Some(before) = self.last.take().filter(|_| self.one_process) {
            self.reuse.collections += collections.saturating_sub(before.collections);
            self.compare(&before, (&heap, &marked, since.as_mut_slice()), now);
        }
        self.last = Some(Last { heap, collections, marked, since });
    }

    fn row(&mut self, row: u32) -> Option<&mut Row> {
        if row == NO_ROW {
            return None;
        }
        let row = row as usize;
        if self.rows.len() <= row {
            self.rows.resize(row + 1, Row::default());
        }
        self.rows.get_mut(row)
    }

    fn mark(&mut self, heap: &Heap) -> Marked {
        let types = heap.shapes.iter().map(|shape| number(&mut self.types, shape.name.clone())).collect();
        let stacks: Vec<u32> =
            heap.stacks.iter().map(|stack| number(&mut self.stacks, stack.clone())).collect();
        let sampled =
            heap.samples.iter().filter_map(|&(object, stack)| Some((object, *stacks.get(stack as usize)?)));
        let mut marked = Marked { row: Vec::new(), types, sampled: sampled.collect() };
        marked.row = match self.by {
            LivesBy::Path => {
                let (signed, _) = self.signatures.sign(heap);
                signed.into_iter().map(|signature| signature.0).collect()
            }
            LivesBy::Type => self.reachable(heap, |id| marked.ty(heap, id)),
            LivesBy::AllocStack => self.reachable(heap, |id| marked.sampled.get(&id).copied()),
        };
        marked
    }

    fn reachable(&self, heap: &Heap, row: impl Fn(ObjectId) -> Option<u32>) -> Vec<u32> {
        let ids = (0u32..).map(ObjectId).zip(&heap.reached_by);
        ids.map(|(id, by)| if by.is_reached() { row(id).unwrap_or(NO_ROW) } else { NO_ROW }).collect()
    }

    /// Walks both moments in order of address.
    fn compare(&mut self, before: &Last, (heap, marked, since): (&Heap, &Marked, &mut [u32]), now: usize) {
        let rowed = |object: &Object| marked.row[object.id.0 as usize] != NO_ROW;
        let there = |object: &Object| before.marked.row[object.id.0 as usize] != NO_ROW;
        let mut earlier = before.heap.objects.iter().filter(there).peekable();
        for object in heap.objects.iter().filter(rowed) {
            while let Some(gone) = earlier.next_if(|early| early.addr < object.addr) {
                self.die(before, gone);
            }
            let here = earlier.next_if(|early| early.addr == object.addr);
            match here.filter(|early| self.is_same((before, *early), (heap, marked, object))) {
                Some(early) => since[object.id.0 as usize] = before.since[early.id.0 as usize],
                None => {
                    if let Some(row) = self.row(marked.row[object.id.0 as usize]) {
                        at(&mut row.born, now, Tally::one(object.size));
                    }
                    here.into_iter().for_each(|gone| self.die(before, gone));
                }
            }
        }
        for gone in earlier {
            self.die(before, gone);
        }
    }

    fn die(&mut self, before: &Last, gone: Object) {
        if let Some(row) = self.row(before.marked.row[gone.id.0 as usize]) {
            row.died += Tally::one(gone.size);
        }
    }

    fn is_same(
        &mut self,
        (before, early): (&Last, Object),
        (heap, marked, late): (&Heap, &Marked, Object),
    ) -> bool {
        if early.size != late.size || before.marked.ty(&before.heap, early.id) != marked.ty(heap, late.id) {
            return false;
        }
        match (before.marked.sampled.get(&early.id), marked.sampled.get(&late.id)) {
            (None, None) => {
                self.reuse.unchecked += 1;
                true
            }
            (first, second) => {
                self.reuse.checked += 1;
                self.reuse.replaced += u64::from(first != second);
                first == second
            }
        }
    }

    /// The table over all moments that were added.
    pub fn finish(mut self) -> LifeTable {
        let Some(last) = self.last.take() else { return LifeTable::default() };
        let mut ages: Vec<Vec<Tally>> = vec![Vec::new(); self.rows.len()];
        for object in last.heap.objects.iter() {
            let row = last.marked.row[object.id.0 as usize] as usize;
            if let Some(ages) = ages.get_mut(row) {
                at(ages, last.since[object.id.0 as usize] as usize, Tally::one(object.size));
            }
        }
        let keys = self.keys();
        let rows = self.rows.iter().zip(&ages).zip(0u32..).filter(|((row, _), _)| !row.moments.is_empty());
        let rows = rows.filter_map(|((row, ages), id)| Some(self.life(row, ages, keys.key(self.by, id)?)));
        let mut rows: Vec<LifeRow> = rows.collect();
        rows.sort_by_key(|row| {
            let (first, last) = (row.moments.first(), row.moments.last());
            let bytes = |tally: Option<&Tally>| tally.map_or(0, |tally| tally.bytes);
            Reverse((row.stayed.bytes, i128::from(bytes(last)) - i128::from(bytes(first)), bytes(last)))
        });
        LifeTable { rows, reuse: self.reuse }
    }

    fn life(&self, row: &Row, ages: &[Tally], key: LifeKey) -> LifeRow {
        let mut moments = row.moments.clone();
        moments.resize(self.moments, Tally::default());
        // Born at the last moment they could not stay yet.
        let early = |list: &[Tally]| list.iter().take(self.moments - 1).skip(1).copied().sum();
        let told = |tally: Tally| if self.one_process { tally } else { Tally::default() };
        LifeRow {
            key,
            moments,
            born: told(row.born.iter().copied().sum()),
            died: told(row.died),
            survived: told(ages.first().copied().unwrap_or_default()),
            stayed: told(early(ages)),
            could_stay: told(early(&row.born)),
        }
    }

    fn keys(&self) -> Keys<'_> {
        let mut types: Vec<&Arc<str>> = vec![];
        let mut stacks: Vec<&Vec<Frame>> = vec![];
        let mut named: Vec<(&Arc<str>, u32)> = self.types.iter().map(|(name, &id)| (name, id)).collect();
        named.sort_unstable_by_key(|&(_, id)| id);
        types.extend(named.iter().map(|&(name, _)| name));
        let mut stacked: Vec<(&Vec<Frame>, u32)> =
            self.stacks.iter().map(|(stack, &id)| (stack, id)).collect();
        stacked.sort_unstable_by_key(|&(_, id)| id);
        stacks.extend(stacked.iter().map(|&(stack, _)| stack));
        Keys { types, stacks, signatures: &self.signatures }
    }
}

impl Marked {
    fn ty(&self, heap: &Heap, object: ObjectId) -> Option<u32> {
        let shape = heap.shape_of.get(object.0 as usize)?;
        self.types.get(shape.0 as usize).copied()
    }
}

/// From numbers back to what they stand for.
struct Keys<'l> {
    types: Vec<&'l Arc<str>>,
    stacks: Vec<&'l Vec<Frame>>,
    signatures: &'l Signatures,
}

impl Keys<'_> {
    fn key(&self, by: LivesBy, row: u32) -> Option<LifeKey> {
        match by {
            LivesBy::Type => self.types.get(row as usize).map(|&name| LifeKey::Type(name.clone())),
            LivesBy::AllocStack => {
                self.stacks.get(row as usize).map(|&stack| LifeKey::AllocStack(stack.clone()))
            }
            LivesBy::Path => {
                let id = SignatureId(row);
                let path = self.signatures.path(id).into_iter().map(|(_, step)| step).collect();
                Some(LifeKey::Path { path, ty: self.signatures.type_name(id).to_owned() })
            }
        }
    }
}

/// The number of `key`, which is new or known.
fn number<K: std::hash::Hash + Eq>(known: &mut HashMap<K, u32>, key: K) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(NO_ROW);
    *known.entry(key).or_insert(next)
}

/// Adds to the figure of one moment.
fn at(list: &mut Vec<Tally>, moment: usize, tally: Tally) {
    if list.len() <= moment {
        list.resize(moment + 1, Tally::default());
    }
    list[moment] += tally;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap_of_names::NamedHeap;

    /// A heap of one list of slots, each with a type or free; `samples` are `(slot, line of the allocation)`.
    fn heap_of(slots: &[Option<&'static str>], samples: &[(usize, u32)], collections: u64) -> Heap {
        let mut named = NamedHeap::default();
        let ids: Vec<u32> = slots.iter().map(|ty| named.object(ty.unwrap_or("free"))).collect();
        let ids = ids.iter().zip(slots);
        ids.filter(|(_, ty)| ty.is_some()).for_each(|(&id, _)| named.variable("main.kept", id));
        let mut heap = named.finish();
        for &(slot, line) in samples {
            let frame = Frame { function: "main.f".into(), file: "f.go".into(), line, inlined: false };
            heap.samples.push((ObjectId(slot as u32), heap.stacks.len() as u32));
            heap.stacks.push(vec![frame]);
        }
        heap.memstats.collections = collections;
        heap
    }

    fn table(by: LivesBy, one_process: bool, heaps: Vec<Heap>) -> LifeTable {
        let mut lives = Lives::new(by, one_process);
        heaps.into_iter().for_each(|heap| lives.add(heap));
        lives.finish()
    }

    fn counts(row: &LifeRow) -> [u64; 5] {
        [row.born, row.died, row.survived, row.stayed, row.could_stay].map(|tally| tally.objects)
    }

    const A: Option<&str> = Some("main.A");
    const B: Option<&str> = Some("main.B");

    #[test]
    fn who_came_after_the_first_and_did_not_go_stays() {
        let heaps = vec![
            heap_of(&[A, A, B, None, None, None], &[], 0),
            heap_of(&[A, None, B, A, A, None], &[], 0),
            heap_of(&[A, None, A, A, None, A], &[], 0),
        ];
        let table = table(LivesBy::Type, true, heaps);
        let [a, b] = table.rows.as_slice() else { panic!("{table:?}") };
        assert_eq!(a.key, LifeKey::Type("main.A".into()));
        assert_eq!(a.moments.iter().map(|tally| tally.objects).collect::<Vec<_>>(), [2, 3, 4]);
        // Born: two at the second moment, of which one stayed, and two at the last.
        assert_eq!(counts(a), [4, 2, 1, 1, 2]);
        assert_eq!(counts(b), [0, 1, 0, 0, 0], "another type took its place");
        assert_eq!(table.reuse.share(), Some((0.0, 0.0)), "without a collection nothing is freed");
    }

    #[test]
    fn a_sample_tells_that_another_object_took_the_place() {
        let before = || heap_of(&[A, A, A, A], &[(0, 7), (1, 7)], 3);
        // The first is the same; the second was allocated elsewhere, the third is sampled now, the fourth never.
        let after = || heap_of(&[A, A, A, A], &[(0, 7), (1, 9), (2, 7)], 5);
        let by_type = table(LivesBy::Type, true, vec![before(), after()]);
        assert_eq!(counts(&by_type.rows[0]), [2, 2, 2, 0, 0]);
        assert_eq!(by_type.reuse, Reuse { collections: 2, checked: 3, replaced: 2, unchecked: 1 });
        let (low, high) = by_type.reuse.share().unwrap();
        assert!(0.1 < low && low < 0.667 && 0.667 < high && high < 1.0, "{low} {high}");
        let by_stack = table(LivesBy::AllocStack, true, vec![before(), after()]);
        let seven = by_stack.rows.iter().find(|row| counts(row)[2] == 1).unwrap();
        assert!(matches!(&seven.key, LifeKey::AllocStack(stack) if stack[0].line == 7), "{seven:?}");
    }

    #[test]
    fn of_two_processes_only_numbers_are_compared() {
        let heaps = vec![heap_of(&[A, B], &[], 1), heap_of(&[A, A], &[], 9)];
        let table = table(LivesBy::Type, false, heaps);
        assert_eq!(counts(&table.rows[0]), [0; 5]);
        assert_eq!(table.rows[0].moments[1].objects, 2);
        assert_eq!(table.reuse, Reuse::default());
    }

    #[test]
    fn by_path_the_ways_are_told_apart() {
        let table = table(LivesBy::Path, true, vec![heap_of(&[A], &[], 0), heap_of(&[A, A], &[], 0)]);
        let [row] = table.rows.as_slice() else { panic!("{table:?}") };
        let LifeKey::Path { path, ty } = &row.key else { panic!("{row:?}") };
        assert_eq!((path[0].name.as_str(), ty.as_str(), counts(row)[0]), ("main.kept", "main.A", 1));
    }
}
