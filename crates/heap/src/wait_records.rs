//! The runtime's records of waits: a `sudog` for each channel, lock, group or condition that a goroutine waits for
//! (`runtime/runtime2.go`; `runtime/chan.go`, `select.go`, `sema.go`).
//!
//! For channels the goroutine has a list of them (`g.waiting`). For locks, groups and conditions it has one since Go
//! 1.26; before, the one that stands in its frame of `semacquire1` or `notifyListWait`, and names its goroutine, is
//! the one. Before 1.26 the record of a condition does not tell which condition it is: it hangs in the list that the
//! condition heads.

use hashbrown::HashMap;
use leakscope_goruntime::{Layout, Slot};
use leakscope_model::{Addr, Goroutine};
use leakscope_target::TargetMemory;

use crate::bits::Bits;
use crate::fields::{WORD, uint};
use crate::gather::{Want, gather};
use crate::goroutines::Goroutines;
use crate::graph::{Edges, ObjectId, Objects, Root, RootOrigin};
use crate::waits::{Wait, Waits, Woken};

/// More records than one goroutine has: a select has no more cases (`runtime/select.go`).
const MAX_RECORDS: usize = 1 << 16;
/// The longest record that is believed, in bytes.
const MAX_RECORD: u64 = 1 << 12;

/// The graph as far as it is read when goroutines are.
pub(crate) struct WaitInput<'a> {
    pub(crate) objects: &'a Objects,
    pub(crate) edges: &'a Edges,
    pub(crate) roots: &'a [Root],
}

/// How a goroutine waits, by the runtime's word for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Not for anything that the program made.
    Otherwise,
    /// For nothing.
    Never,
    /// At channels.
    Channels,
    /// At a lock, group or condition.
    Address,
}

/// What each goroutine waits for. What cannot be read is [`Woken::Unknown`].
pub(crate) fn read(
    memory: &dyn TargetMemory,
    layout: &Layout,
    graph: &WaitInput<'_>,
    goroutines: &Goroutines,
) -> Waits {
    let ways: Vec<Way> = goroutines.all.iter().map(way).collect();
    let Some(fields) = Fields::of(layout) else { return without_records(&ways, goroutines) };
    let mut reader = Reader {
        graph,
        fields,
        found: ways.iter().map(|_| Vec::new()).collect(),
        failed: vec![false; ways.len()],
        hidden: Vec::new(),
        conditions: HashMap::new(),
    };
    let firsts = reader.first_records(&ways, goroutines);
    reader.follow(memory, &ways, firsts);
    reader.find_conditions(goroutines);
    let Reader { found, failed, mut hidden, .. } = reader;
    hidden.sort_unstable();
    hidden.dedup();
    let woken = ways.iter().zip(found).zip(failed).map(|((way, found), failed)| match way {
        Way::Otherwise => Woken::FromOutside,
        Way::Never => Woken::Never,
        Way::Channels | Way::Address if failed || found.is_empty() => Woken::Unknown,
        Way::Channels | Way::Address => match found.into_iter().collect::<Option<Vec<ObjectId>>>() {
            Some(objects) => Woken::Through(objects.into()),
            None => Woken::FromOutside,
        },
    });
    let of = woken.zip(&goroutines.whole).map(|(woken, &whole)| Wait { woken, whole }).collect();
    Waits { of, hidden, doubt: None }
}

/// A runtime whose records have fields that we do not know.
fn without_records(ways: &[Way], goroutines: &Goroutines) -> Waits {
    let woken = ways.iter().map(|way| match way {
        Way::Otherwise => Woken::FromOutside,
        Way::Never => Woken::Never,
        Way::Channels | Way::Address => Woken::Unknown,
    });
    let of = woken.zip(&goroutines.whole).map(|(woken, &whole)| Wait { woken, whole }).collect();
    Waits { of, ..Waits::default() }
}

/// The waits that Go's own search takes for leaks where nobody reaches what they are for.
fn way(goroutine: &Goroutine) -> Way {
    match goroutine.wait.as_deref() {
        Some("chan receive (nil chan)" | "chan send (nil chan)" | "select (no cases)") => Way::Never,
        Some("chan receive" | "chan send" | "select") => Way::Channels,
        Some(
            "sync.Cond.Wait"
            | "sync.Mutex.Lock"
            | "sync.RWMutex.RLock"
            | "sync.RWMutex.Lock"
            | "sync.WaitGroup.Wait",
        ) => Way::Address,
        // What the wait of a group was called before it had a name of its own.
        Some("semacquire") if is_in_group(goroutine) => Way::Address,
        _ => Way::Otherwise,
    }
}

fn is_in_group(goroutine: &Goroutine) -> bool {
    let own = goroutine.stack.iter().map(|frame| &*frame.function);
    own.into_iter().find(|name| !name.starts_with("runtime.") && !name.starts_with("sync.runtime_"))
        == Some("sync.(*WaitGroup).Wait")
}

/// Where the fields of `sudog` lie.
struct Fields {
    bytes: u64,
    goroutine: Slot,
    next: Slot,
    next_in_wait: Slot,
    /// The pointer that the collector follows, and the same address where it does not.
    address: (Slot, Slot),
    channel: (Slot, Slot),
}

impl Fields {
    fn of(layout: &Layout) -> Option<Fields> {
        let word = |path| Some(Slot { width: WORD, ..layout.slot(path)? });
        let apart = layout.slot("maybeTraceablePtr.vu").map_or(0, |slot| slot.offset);
        let with_copy = |slot: Slot| (slot, Slot { offset: slot.offset.saturating_add(apart), ..slot });
        Some(Fields {
            bytes: layout.size("sudog")?.min(MAX_RECORD),
            goroutine: word("sudog.g")?,
            next: word("sudog.next")?,
            next_in_wait: word("sudog.waitlink")?,
            address: with_copy(word("sudog.elem")?),
            channel: with_copy(word("sudog.c")?),
        })
    }
}

/// One record that is to be read, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Addr,
    goroutine: usize,
}

struct Reader<'a> {
    graph: &'a WaitInput<'a>,
    fields: Fields,
    /// What each goroutine waits for; `None` for what does not lie in the heap.
    found: Vec<Vec<Option<ObjectId>>>,
    failed: Vec<bool>,
    hidden: Vec<u32>,
    /// Records that do not tell for what they wait, with their goroutine.
    conditions: HashMap<ObjectId, usize>,
}

impl Reader<'_> {
    fn first_records(&self, ways: &[Way], goroutines: &Goroutines) -> Vec<Due> {
        let mut due = Vec::new();
        let mut searched: HashMap<u32, ObjectId> = HashMap::new();
        for (goroutine, (way, record)) in ways.iter().zip(&goroutines.records).enumerate() {
            match way {
                Way::Otherwise | Way::Never => {}
                Way::Channels | Way::Address if !record.waiting.is_nil() => {
                    due.push(Due { at: record.waiting, goroutine });
                }
                Way::Channels => {}
                Way::Address => {
                    let own = self.graph.objects.find(record.at).map(|(object, _)| object);
                    let index = u32::try_from(goroutine).ok();
                    searched.extend(index.zip(own));
                }
            }
        }
        for root in self.graph.roots {
            let RootOrigin::Frame { goroutine, .. } = root.origin else { continue };
            let Some(&own) = searched.get(&goroutine) else { continue };
            if root.offset == 0 && self.is_record_of(root.target, own) {
                searched.remove(&goroutine);
                due.push(Due { at: self.graph.objects.addr(root.target), goroutine: goroutine as usize });
            }
        }
        due
    }

    fn is_record_of(&self, object: ObjectId, goroutine: ObjectId) -> bool {
        let room = self.graph.objects.value_size(object);
        (self.fields.bytes..self.fields.bytes * 2).contains(&room)
            && self.edge(object, self.fields.goroutine).is_some_and(|(_, target)| target == goroutine)
    }

    /// The pointer in a field of an object, and where it leads.
    fn edge(&self, object: ObjectId, field: Slot) -> Option<(u32, ObjectId)> {
        let word = u32::try_from(field.offset / WORD).ok()?;
        let found = self.graph.edges.of(object).find(|edge| edge.word == word)?;
        Some((found.index, found.target))
    }

    /// Reads the records and those that follow them, the next of all goroutines at once.
    fn follow(&mut self, memory: &dyn TargetMemory, ways: &[Way], mut due: Vec<Due>) {
        // Each record is an object of its own: a list that asks for more runs in a circle.
        let mut left = self.graph.objects.len() as usize;
        for _ in 0..MAX_RECORDS {
            let Some(rest) = left.checked_sub(due.len()).filter(|_| !due.is_empty()) else { break };
            left = rest;
            due.sort_unstable();
            let wants: Vec<Want> = due.iter().map(|due| (due.at, self.fields.bytes)).collect();
            let mut next = Vec::new();
            gather(memory, &wants, |index, bytes| {
                let Some(due) = due.get(index) else { return };
                let at_channels = ways.get(due.goroutine) == Some(&Way::Channels);
                let read = bytes.ok().and_then(|bytes| self.take(*due, at_channels, bytes));
                match read {
                    Some(after) if at_channels && !after.is_nil() => {
                        next.push(Due { at: after, goroutine: due.goroutine });
                    }
                    Some(_) => {}
                    None => self.fail(due.goroutine),
                }
            });
            due = next;
        }
        due.iter().for_each(|due| self.fail(due.goroutine));
    }

    fn fail(&mut self, goroutine: usize) {
        if let Some(failed) = self.failed.get_mut(goroutine) {
            *failed = true;
        }
    }

    /// Takes what one record says; the address of the next one.
    fn take(&mut self, due: Due, at_channels: bool, bytes: &[u8]) -> Option<Addr> {
        let (followed, copy) = if at_channels { self.fields.channel } else { self.fields.address };
        let value = uint(bytes, copy)?;
        let own = self.graph.objects.find(due.at).map(|(object, _)| object);
        if value == 0 {
            // Only the record of a condition says nothing.
            let own = own.filter(|_| !at_channels)?;
            self.conditions.insert(own, due.goroutine);
            return Some(Addr::default());
        }
        let object = self.graph.objects.find(Addr::new(value)).map(|(object, _)| object);
        self.found.get_mut(due.goroutine)?.push(object);
        if let Some((edge, _)) = own.and_then(|own| self.edge(own, followed)) {
            self.hidden.push(edge);
        }
        Some(Addr::new(uint(bytes, self.fields.next_in_wait)?))
    }

    /// Finds the conditions in whose lists records hang: whatever points at a record and is none.
    fn find_conditions(&mut self, goroutines: &Goroutines) {
        if self.conditions.is_empty() {
            return;
        }
        let WaitInput { objects, edges, roots } = *self.graph;
        let mut records = Bits::new(objects.len() as usize);
        self.conditions.keys().for_each(|record| {
            records.add(record.0);
        });
        let mut own: Vec<ObjectId> =
            goroutines.records.iter().filter_map(|record| Some(objects.find(record.at)?.0)).collect();
        own.sort_unstable();
        for object in (0..objects.len()).map(ObjectId) {
            for target in edges.targets(object) {
                if records.holds(target.0) && !self.is_record(object, &own) {
                    self.give(target, Some(object));
                }
            }
        }
        for root in roots {
            if !matches!(root.origin, RootOrigin::Frame { .. }) && records.holds(root.target.0) {
                self.give(root.target, None);
            }
        }
    }

    /// Whether an object is a record of a goroutine or of a wait, of whatever goroutine.
    fn is_record(&self, object: ObjectId, goroutines: &[ObjectId]) -> bool {
        let is_goroutine = |object| goroutines.binary_search(&object).is_ok();
        is_goroutine(object)
            || self.edge(object, self.fields.goroutine).is_some_and(|(_, target)| is_goroutine(target))
    }

    /// All records from `first` on in one list wait for `condition`.
    fn give(&mut self, first: ObjectId, condition: Option<ObjectId>) {
        let mut at = Some(first);
        while let Some(goroutine) = at.and_then(|record| self.conditions.get(&record)).copied() {
            match self.found.get_mut(goroutine) {
                Some(found) if found.is_empty() => found.push(condition),
                _ => return,
            }
            at = at.and_then(|record| self.edge(record, self.fields.next)).map(|(_, next)| next);
        }
    }
}
