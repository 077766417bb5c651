//! Goroutines with one stack, and what they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use leakscope_goruntime::Role;
use leakscope_model::Frame;

use crate::graph::{Heap, ObjectId, RootOrigin};
use crate::retained::Tally;
use crate::root_order::{StackKey, by_stack};

/// Goroutines whose frames stand at the same lines and that wait for the same.
#[derive(Debug, Clone, PartialEq)]
pub struct GoroutineGroup {
    /// The stack that they share, innermost frame first.
    pub stack: Vec<Frame>,
    /// What they wait for, in the runtime's words; the status where they do not wait.
    pub wait: String,
    /// Where the first of them was created.
    pub created_by: Option<Frame>,
    /// Whether the runtime counts them as its own.
    pub system: bool,
    /// Their ids, in order.
    pub ids: Vec<u64>,
    /// How many of these ids were there in the first snapshot already, in whatever state.
    pub surviving: usize,
    /// How many with this stack there were in the first snapshot; `None` for one moment.
    pub before_count: Option<usize>,
    /// The longest wait among them, in seconds.
    pub longest_wait: Option<f64>,
    /// Objects that their frames point at, in order of address; the channel that they wait for is one, the
    /// runtime's records of the goroutines themselves are not.
    pub held: Vec<ObjectId>,
    /// The same by the variable that holds them, the most bytes first.
    pub held_by: Vec<Held>,
    /// Bytes of stack that they reserve.
    pub stack_bytes: u64,
}

/// What one variable of a goroutine group's frames points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// The variable; `None` for spill slots and registers.
    pub name: Option<Arc<str>>,
    /// The function of its frame.
    pub function: Arc<str>,
    /// The objects, each counted once.
    pub objects: Tally,
}

/// The goroutines of `heap` by stack, the largest groups first; counts before from `before`.
pub fn goroutines(heap: &Heap, before: Option<&Heap>) -> Vec<GoroutineGroup> {
    let earlier = before.map(|before| by_stack(&before.goroutines));
    let mut earlier_ids: Vec<u64> =
        before.iter().flat_map(|before| &before.goroutines).map(|goroutine| goroutine.id).collect();
    earlier_ids.sort_unstable();
    let groups = by_stack(&heap.goroutines);
    let held = held_by_group(heap, &groups);
    let mut answer: Vec<GoroutineGroup> = groups
        .iter()
        .zip(held)
        .map(|((key, members), held)| {
            let mut group = describe(heap, key, members, held);
            group.before_count = earlier.as_ref().map(|earlier| earlier.get(key).map_or(0, Vec::len));
            group.surviving = group.ids.iter().filter(|id| earlier_ids.binary_search(id).is_ok()).count();
            group
        })
        .collect();
    // Equal sizes stay in the order of their stacks.
    answer.sort_by_key(|group| std::cmp::Reverse(group.ids.len()));
    answer
}

/// By variable and function, the objects that it points at.
type HeldObjects<'h> = BTreeMap<(Option<&'h Arc<str>>, &'h str), Vec<ObjectId>>;

fn held_by_group<'h>(heap: &'h Heap, groups: &BTreeMap<StackKey<'h>, Vec<usize>>) -> Vec<HeldObjects<'h>> {
    let mut group_of = vec![None; heap.goroutines.len()];
    for (group, members) in groups.values().enumerate() {
        for &member in members {
            if let Some(slot) = group_of.get_mut(member) {
                *slot = Some(group);
            }
        }
    }
    let mut held: Vec<HeldObjects<'h>> = vec![BTreeMap::new(); groups.len()];
    for root in &heap.roots {
        let RootOrigin::Frame { goroutine, frame, name } = root.origin else { continue };
        let owner = heap.goroutines.get(goroutine as usize);
        let frame = owner.and_then(|owner| owner.stack.get(frame as usize));
        if frame.is_some_and(Frame::is_runtime) && is_bookkeeping(heap, root.target) {
            continue;
        }
        let function = frame.map_or("", |frame| &frame.function);
        let name = name.and_then(|name| heap.names.get(name as usize));
        let group = group_of.get(goroutine as usize).copied().flatten();
        if let Some(held) = group.and_then(|group| held.get_mut(group)) {
            held.entry((name, function)).or_default().push(root.target);
        }
    }
    held
}

/// Whether this is the runtime's record of a goroutine or of its wait (`g`, `sudog`).
fn is_bookkeeping(heap: &Heap, object: ObjectId) -> bool {
    let shape = heap.shape(object);
    shape.is_some_and(|shape| shape.role == Role::ChanInside || &*shape.name == "runtime.g")
}

fn describe(heap: &Heap, key: &StackKey<'_>, members: &[usize], held: HeldObjects<'_>) -> GoroutineGroup {
    let goroutines: Vec<_> = members.iter().filter_map(|&member| heap.goroutines.get(member)).collect();
    let first = goroutines.first();
    let mut ids: Vec<u64> = goroutines.iter().map(|goroutine| goroutine.id).collect();
    ids.sort_unstable();
    let mut all: Vec<ObjectId> = held.values().flatten().copied().collect();
    all.sort_unstable();
    all.dedup();
    let mut held_by: Vec<Held> = held
        .into_iter()
        .map(|((name, function), mut objects)| {
            objects.sort_unstable();
            objects.dedup();
            let objects = objects.iter().map(|&object| Tally::one(heap.objects.size(object))).sum();
            Held { name: name.cloned(), function: function.into(), objects }
        })
        .collect();
    held_by.sort_by_key(|held| std::cmp::Reverse(held.objects.bytes));
    GoroutineGroup {
        stack: first.map_or_else(Vec::new, |goroutine| goroutine.stack.clone()),
        wait: key.wait.to_owned(),
        created_by: first.and_then(|goroutine| goroutine.created_by.clone()),
        system: first.is_some_and(|goroutine| goroutine.system),
        ids,
        surviving: 0,
        before_count: None,
        longest_wait: goroutines.iter().filter_map(|goroutine| goroutine.wait_seconds).reduce(f64::max),
        held: all,
        held_by,
        stack_bytes: goroutines.iter().map(|goroutine| goroutine.stack_bytes).sum(),
    }
}
