//! One or two heaps become facts.
#![allow(
    clippy::indexing_slicing,
    reason = "dense object ids of one heap index arrays that are as long as the heap"
)]

use leakscope_heap::groups::{self, GoroutineGroup};
use leakscope_heap::growth::compare;
use leakscope_heap::{Heap, ObjectId, leaks};

use crate::facts::{Amount, Crowd, Facts, Group, Link, Members};
use crate::rank::Scale;

/// Crowds and groups with fewer members are nobody's holder.
const LEAST_LINKED: usize = 10;

/// How many objects of one kind a goroutine may hold for the two to be linked.
const MOST_PER_GOROUTINE: usize = 4;

/// From a context to the channel of `Done`: pointers that are followed from the held side.
const WAY_FROM_HELD: u32 = 1;

/// From the `g` in the frame of `runtime.chanrecv` over its `sudog` to the channel: pointers that are followed from the
/// goroutine's side. The channel itself does not tell who waits for it: `makechan` (`runtime/chan.go`) keeps channels
/// of elements without pointers out of the collector's sight.
const WAY_FROM_STACK: u32 = 3;

/// Pointers that are followed from one object.
const MOST_WAYS: usize = 16;

/// What the runtime calls goroutines that wait for nothing (`runtime/traceback.go`, `gStatusStrings`).
const NOT_WAITING: [&str; 8] =
    ["", "idle", "runnable", "running", "syscall", "waiting", "copystack", "preempted"];

/// Facts, and what they were told from.
#[derive(Debug)]
pub struct Observed<'h> {
    /// What rules judge.
    pub facts: Facts,
    heap: &'h Heap,
    /// The objects of each group of the facts.
    objects: Vec<Vec<ObjectId>>,
    /// The ids of each crowd of the facts.
    goroutines: Vec<Vec<u64>>,
}

/// The facts of `last`, and of how it differs from `first`, `window` seconds before.
pub fn observe<'h>(
    first: Option<&Heap>,
    last: &'h Heap,
    window: Option<f64>,
    uptime: Option<f64>,
) -> Observed<'h> {
    let groups = match first {
        Some(first) => compare(first, last).groups,
        None => groups::single(last),
    };
    let crowds = groups::goroutines(last, first);
    let links = links(last, &groups, &crowds);
    let leaked = leaks::find(last).ids(last);
    let facts = Facts {
        window,
        uptime,
        groups: groups.iter().map(|found| group(found, first.is_some())).collect(),
        crowds: crowds.iter().map(|found| crowd(found, &leaked)).collect(),
        links,
    };
    Observed {
        facts,
        heap: last,
        objects: groups.into_iter().map(|group| group.objects).collect(),
        goroutines: crowds.into_iter().map(|crowd| crowd.ids).collect(),
    }
}

fn group(found: &groups::Group, compared: bool) -> Group {
    let amount = |tally: leakscope_heap::Tally| Amount { objects: tally.objects, bytes: tally.bytes };
    let before = if compared { amount(found.before) } else { Amount::default() };
    Group {
        path: found.path.clone(),
        parent: found.parent,
        ty: found.ty.clone(),
        inside: found.inside,
        before,
        after: amount(found.after),
        stayed: before.objects.saturating_sub(found.died.objects),
        samples: found.sites.clone(),
    }
}

/// `leaked` are the ids of goroutines that are proven to be, sorted.
fn crowd(found: &GoroutineGroup, leaked: &[u64]) -> Crowd {
    let waits = !NOT_WAITING.contains(&found.wait.as_str());
    let before = found.before_count.unwrap_or(0) as u64;
    Crowd {
        stack: found.stack.clone(),
        wait: if waits { found.wait.clone() } else { String::new() },
        created_by: found.created_by.clone(),
        before,
        after: found.ids.len() as u64,
        stayed: before.min(found.surviving as u64),
        leaked: found.ids.iter().filter(|id| leaked.binary_search(id).is_ok()).count() as u64,
        stack_bytes: found.stack_bytes,
        system: found.system,
    }
}

/// Which crowd holds which group: its frames point at an object of the group, or at something on a short way from it,
/// of which there are as many (the channel of `Done` or the wait in its queue, not the shared parent).
fn links(heap: &Heap, groups: &[groups::Group], crowds: &[GoroutineGroup]) -> Vec<Link> {
    let mut size_of = vec![0u32; heap.objects.len() as usize];
    for group in groups {
        for object in &group.objects {
            size_of[object.0 as usize] = group.objects.len() as u32;
        }
    }
    let crowd_of = holders(heap, crowds, &size_of);
    let largest = crowds.iter().map(|crowd| crowd.ids.len()).max().unwrap_or(0);
    let sensible = LEAST_LINKED..=largest.saturating_mul(MOST_PER_GOROUTINE);
    let mut links = Vec::new();
    for (index, group) in
        groups.iter().enumerate().filter(|(_, group)| sensible.contains(&group.objects.len()))
    {
        let search =
            Search { heap, crowd_of: &crowd_of, size_of: &size_of, many: group.objects.len() as u32 / 2 };
        let mut counts = vec![0u64; crowds.len()];
        for object in &group.objects {
            if let Some(crowd) = search.holder(*object, WAY_FROM_HELD) {
                counts[crowd as usize] += 1;
            }
        }
        let held = counts.into_iter().enumerate().filter(|(_, objects)| *objects > 0);
        links.extend(held.map(|(crowd, objects)| Link { group: index, crowd, objects }));
    }
    links
}

/// Looks for the crowd that holds an object, or what only it leads to.
struct Search<'s> {
    heap: &'s Heap,
    crowd_of: &'s [Option<u32>],
    /// The size of each object's group.
    size_of: &'s [u32],
    /// What there are fewer of is shared.
    many: u32,
}

impl Search<'_> {
    fn holder(&self, object: ObjectId, steps: u32) -> Option<u32> {
        let own = self.crowd_of[object.0 as usize];
        if own.is_some() || steps == 0 {
            return own;
        }
        let targets =
            self.heap.edges.targets(object).filter(|target| self.size_of[target.0 as usize] >= self.many);
        targets.take(MOST_WAYS).find_map(|target| self.holder(target, steps - 1))
    }
}

/// The largest crowd that leads to each object: its frames point at it, or at something that leads there and of which
/// each goroutine has one of its own.
fn holders(heap: &Heap, crowds: &[GoroutineGroup], size_of: &[u32]) -> Vec<Option<u32>> {
    let mut crowd_of = vec![None; heap.objects.len() as usize];
    for (index, crowd) in crowds.iter().enumerate().filter(|(_, crowd)| crowd.ids.len() >= LEAST_LINKED) {
        let many = crowd.ids.len() as u32 / 2;
        let mut ring: Vec<ObjectId> = crowd.held.clone();
        for _ in 0..=WAY_FROM_STACK {
            let mut next = Vec::new();
            for object in ring.into_iter().filter(|object| size_of[object.0 as usize] >= many) {
                if crowd_of[object.0 as usize].is_none() {
                    crowd_of[object.0 as usize] = Some(index as u32);
                    next.extend(heap.edges.targets(object).take(MOST_WAYS * 4));
                }
            }
            ring = next;
        }
    }
    crowd_of
}

impl Observed<'_> {
    /// The groups, and below them those of which each object of the group has about one of its own: the timer of a
    /// context also hangs in the runtime's timer heap, and would not stay there without its context.
    fn with_parts(&self, members: &Members) -> Vec<usize> {
        let is_part = |index: usize, whole: usize| {
            let count = |at: usize| self.objects.get(at).map_or(0, Vec::len);
            self.facts.is_below(index, whole)
                && count(index) * 2 >= count(whole)
                && count(index) <= count(whole) * 4
        };
        (0..self.objects.len())
            .filter(|&index| members.groups.iter().any(|&whole| index == whole || is_part(index, whole)))
            .collect()
    }
}

impl Scale for Observed<'_> {
    fn retained(&self, members: &Members) -> u64 {
        let objects: Vec<ObjectId> = self
            .with_parts(members)
            .iter()
            .filter_map(|&index| self.objects.get(index))
            .flatten()
            .copied()
            .collect();
        let ids: Vec<u64> = members
            .crowds
            .iter()
            .filter_map(|&index| self.goroutines.get(index))
            .flatten()
            .copied()
            .collect();
        let stacks: u64 = members
            .crowds
            .iter()
            .filter_map(|&index| self.facts.crowd(index))
            .map(|crowd| crowd.stack_bytes)
            .sum();
        self.heap.retained_by(&objects, &ids).bytes.saturating_add(stacks)
    }
}
