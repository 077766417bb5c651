//! Goroutines that can never run again, by reachability.
//!
//! A goroutine is alive if it runs, if something outside of the heap can wake it, or if a live goroutine or a
//! package variable leads to what it waits for; to the fixpoint. What is left is waited for by nobody who could act:
//! those goroutines are leaked, and that is a proof, not a guess. The same as Go's own profile `goroutineleak`
//! (`runtime/mgc.go`, `findGoroutineLeaks`), from outside and for every release.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use crate::bits::Bits;
use crate::graph::{Heap, ObjectId, RootOrigin};
use crate::waits::Woken;

/// The goroutine that runs `main.main`.
const MAIN_GOROUTINE: u64 = 1;
/// How the runtime calls a wait that is meant to last: `select {}`.
const PARKED: &str = "select (no cases)";
/// What is said of a file that was written before waits were kept.
const OLD_FILE: &str =
    "the capture was made by an earlier leakscope, which did not keep what goroutines wait for";

/// What was found out of each goroutine of a heap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leaks {
    /// In the order of `Heap::goroutines`.
    pub of: Vec<Verdict>,
    /// Why there is no proof where there would be one: pointers may be missing.
    pub doubt: Option<String>,
}

/// Whether a goroutine can run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Never: proven.
    Leaked,
    /// As far as reachability tells, it can.
    Live,
    /// Nobody can tell: what it waits for could not be read, or there is a doubt ([`Leaks::doubt`]).
    Unknown,
}

impl Verdict {
    /// `true` and `false` for what is known.
    pub fn leaked(self) -> Option<bool> {
        match self {
            Verdict::Leaked => Some(true),
            Verdict::Live => Some(false),
            Verdict::Unknown => None,
        }
    }
}

impl Leaks {
    /// The ids of the goroutines of `heap`, of which this tells, that are proven to be leaked; sorted.
    pub fn ids(&self, heap: &Heap) -> Vec<u64> {
        let pairs = heap.goroutines.iter().zip(&self.of);
        let leaked = pairs.filter(|&(_, &verdict)| verdict == Verdict::Leaked);
        let mut ids: Vec<u64> = leaked.map(|(goroutine, _)| goroutine.id).collect();
        ids.sort_unstable();
        ids
    }
}

/// Tells the goroutines that can never run again: one walk over the heap.
pub fn find(heap: &Heap) -> Leaks {
    let waits = &heap.waits;
    if waits.of.len() != heap.goroutines.len() {
        let of = vec![Verdict::Unknown; heap.goroutines.len()];
        return Leaks { of, doubt: Some(OLD_FILE.to_owned()) };
    }
    let mut search = Search::new(heap);
    search.run();
    let doubt = waits.doubt.clone().or_else(|| search.unread_stack());
    let verdicts = waits.of.iter().zip(&search.awake).zip(&heap.goroutines);
    let verdict = verdicts.map(|((wait, &awake), goroutine)| {
        let parked = goroutine.id == MAIN_GOROUTINE && goroutine.wait.as_deref() == Some(PARKED);
        match wait.woken {
            Woken::Unknown => Verdict::Unknown,
            _ if awake || parked => Verdict::Live,
            _ if doubt.is_some() => Verdict::Unknown,
            _ => Verdict::Leaked,
        }
    });
    let of: Vec<Verdict> = verdict.collect();
    // A doubt that takes nothing away need not be told.
    let matters = of.contains(&Verdict::Unknown);
    Leaks { of, doubt: doubt.filter(|_| matters) }
}

/// The search for all that live goroutines and package variables lead to.
struct Search<'h> {
    heap: &'h Heap,
    seen: Bits,
    /// Objects that were reached and not followed yet.
    open: Vec<ObjectId>,
    /// Goroutines that can run and whose frames were not looked at yet.
    called: Vec<u32>,
    /// Edges that are left out.
    hidden: Bits,
    /// Objects at which somebody waits.
    waited: Bits,
    /// `(object, goroutine that waits there)`, in order.
    waiters: Vec<(ObjectId, u32)>,
    /// `stacks[starts[g]..starts[g + 1]]` is what the frames of goroutine `g` point at.
    starts: Vec<u32>,
    stacks: Vec<ObjectId>,
    awake: Vec<bool>,
}

impl<'h> Search<'h> {
    fn new(heap: &'h Heap) -> Search<'h> {
        let objects = heap.objects.len() as usize;
        let mut hidden = Bits::new(heap.edges.len() as usize);
        heap.waits.hidden.iter().for_each(|&edge| {
            hidden.add(edge);
        });
        let (mut waited, mut waiters) = (Bits::new(objects), Vec::new());
        for (wait, goroutine) in heap.waits.of.iter().zip(0u32..) {
            let Woken::Through(through) = &wait.woken else { continue };
            for &object in through {
                waited.add(object.0);
                waiters.push((object, goroutine));
            }
        }
        waiters.sort_unstable();
        let (starts, stacks) = by_goroutine(heap);
        let awake = vec![false; heap.goroutines.len()];
        let seen = Bits::new(objects);
        Search {
            heap,
            seen,
            open: Vec::new(),
            called: Vec::new(),
            hidden,
            waited,
            waiters,
            starts,
            stacks,
            awake,
        }
    }

    fn run(&mut self) {
        let heap = self.heap;
        for root in &heap.roots {
            match root.origin {
                RootOrigin::Frame { goroutine, .. } if (goroutine as usize) < self.awake.len() => {}
                _ => self.reach(root.target),
            }
        }
        for (goroutine, wait) in (0u32..).zip(&heap.waits.of) {
            if matches!(wait.woken, Woken::FromOutside | Woken::Unknown) {
                self.called.push(goroutine);
            }
        }
        loop {
            if let Some(goroutine) = self.called.pop() {
                self.wake(goroutine as usize);
            } else if let Some(object) = self.open.pop() {
                self.follow(object);
            } else {
                return;
            }
        }
    }

    fn follow(&mut self, object: ObjectId) {
        for edge in self.heap.edges.of(object) {
            if !self.hidden.holds(edge.index) {
                self.reach(edge.target);
            }
        }
    }

    /// Notes an object, and calls who waits for it.
    fn reach(&mut self, object: ObjectId) {
        if !self.seen.add(object.0) {
            return;
        }
        self.open.push(object);
        if self.waited.holds(object.0) {
            let first = self.waiters.partition_point(|&(at, _)| at < object);
            let here = self.waiters[first..].iter().take_while(|(at, _)| *at == object);
            self.called.extend(here.map(|&(_, goroutine)| goroutine));
        }
    }

    /// The frames of a goroutine count from now on.
    fn wake(&mut self, goroutine: usize) {
        if std::mem::replace(&mut self.awake[goroutine], true) {
            return;
        }
        for index in self.starts[goroutine]..self.starts[goroutine + 1] {
            self.reach(self.stacks[index as usize]);
        }
    }

    /// A live goroutine whose stack was not read whole may hold what others wait for.
    fn unread_stack(&self) -> Option<String> {
        let pairs = self.heap.waits.of.iter().zip(&self.awake).zip(&self.heap.goroutines);
        let mut unread = pairs.filter(|((wait, awake), _)| !wait.whole && **awake);
        let ((_, _), first) = unread.next()?;
        let more = unread.count();
        let others = if more == 0 { String::new() } else { format!(" and of {more} others") };
        Some(format!(
            "the stack of goroutine {}{others}, which can run, was not read whole and may hold what others wait for",
            first.id
        ))
    }
}

/// What the frames of each goroutine point at, in two flat arrays.
fn by_goroutine(heap: &Heap) -> (Vec<u32>, Vec<ObjectId>) {
    let count = heap.goroutines.len();
    let of_frames = || {
        heap.roots.iter().filter_map(|root| match root.origin {
            RootOrigin::Frame { goroutine, .. } if (goroutine as usize) < count => {
                Some((goroutine as usize, root.target))
            }
            _ => None,
        })
    };
    let mut starts = vec![0u32; count + 1];
    of_frames().for_each(|(goroutine, _)| starts[goroutine + 1] += 1);
    for goroutine in 0..count {
        starts[goroutine + 1] += starts[goroutine];
    }
    let mut next = starts.clone();
    let mut stacks = vec![ObjectId(0); starts[count] as usize];
    for (goroutine, target) in of_frames() {
        stacks[next[goroutine] as usize] = target;
        next[goroutine] += 1;
    }
    (starts, stacks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph_of_numbers::{edges, goroutine, roots};
    use crate::heap_of_names::NamedHeap;
    use crate::waits::{Wait, Waits};
    use proptest::prelude::*;

    /// Objects, pointers, variables, and by goroutine who wakes it and what it holds.
    fn heap_of(pairs: &[(u32, u32)], variables: &[u32], waits: Vec<Woken>, held: &[(u32, u32)]) -> Heap {
        let mut named = NamedHeap::default();
        for _ in 0..12 {
            named.object("main.T");
        }
        named.goroutines = (2..).zip(&waits).map(|(id, _)| goroutine(id, "main.f", "chan receive")).collect();
        let mut heap = named.finish();
        heap.edges = edges(12, pairs);
        heap.roots = roots(variables);
        for &(goroutine, object) in held {
            let mut root = roots(&[object]).remove(0);
            root.origin = RootOrigin::Frame { goroutine, frame: 0, name: None };
            heap.roots.push(root);
        }
        let of = waits.into_iter().map(|woken| Wait { woken, whole: true }).collect();
        heap.waits = Waits { of, ..Waits::default() };
        heap
    }

    fn at(objects: &[u32]) -> Woken {
        Woken::Through(objects.iter().map(|&object| ObjectId(object)).collect())
    }

    fn verdicts(heap: &Heap) -> Vec<Option<bool>> {
        find(heap).of.into_iter().map(Verdict::leaked).collect()
    }

    #[test]
    fn a_circle_of_waits_is_leaked_until_a_variable_leads_into_it() {
        // Goroutine 0 waits for object 0 and holds 1; goroutine 1 the other way round.
        let circle = [(0, 1), (1, 0), (0, 0), (1, 1)];
        let waits = || vec![at(&[0]), at(&[1])];
        assert_eq!(verdicts(&heap_of(&[], &[], waits(), &circle)), [Some(true); 2]);
        assert_eq!(verdicts(&heap_of(&[(5, 1)], &[5], waits(), &circle)), [Some(false); 2]);
    }

    #[test]
    fn records_of_waits_wake_nobody() {
        let mut heap = heap_of(&[(3, 0)], &[3], vec![at(&[0])], &[]);
        assert_eq!(verdicts(&heap), [Some(false)]);
        heap.waits.hidden = vec![0];
        assert_eq!(verdicts(&heap), [Some(true)]);
    }

    #[test]
    fn a_main_goroutine_that_is_parked_is_no_leak_and_holds_nothing_alive() {
        let mut heap = heap_of(&[], &[], vec![Woken::Never, at(&[2])], &[(0, 2)]);
        heap.goroutines[0].id = MAIN_GOROUTINE;
        heap.goroutines[0].wait = Some(PARKED.into());
        assert_eq!(verdicts(&heap), [Some(false), Some(true)]);
        heap.goroutines[0].id = 7;
        assert_eq!(verdicts(&heap), [Some(true); 2]);
    }

    #[test]
    fn where_pointers_may_be_missing_nothing_is_proven() {
        let mut heap = heap_of(&[], &[], vec![Woken::FromOutside, at(&[2])], &[]);
        heap.waits.of[0].whole = false;
        assert_eq!(verdicts(&heap), [Some(false), None]);
        let why = find(&heap).doubt.unwrap_or_default();
        assert!(why.starts_with("the stack of goroutine 2, which can run, was not read whole"), "{why}");
        heap.waits.of[0].whole = true;
        heap.waits.of[1].whole = false;
        assert_eq!(verdicts(&heap), [Some(false), Some(true)], "what a leaked goroutine holds is not asked");
        heap.waits.doubt = Some("a span was torn".into());
        assert_eq!(verdicts(&heap), [Some(false), None]);
        heap.waits = Waits::default();
        assert_eq!(verdicts(&heap), [None; 2]);
        assert_eq!(find(&heap).doubt.as_deref(), Some(OLD_FILE));
    }

    fn woken() -> impl Strategy<Value = Woken> {
        prop_oneof![
            Just(Woken::Never),
            Just(Woken::FromOutside),
            prop::collection::vec(0u32..12, 1..3).prop_map(|objects| at(&objects)),
            prop::collection::vec(0u32..12, 1..2).prop_map(|objects| at(&objects)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        /// The definition, by trying until nothing changes.
        #[test]
        fn leaked_is_who_no_live_one_can_wake(
            pairs in prop::collection::vec((0u32..12, 0u32..12), 0..16),
            variables in prop::collection::vec(0u32..12, 0..2),
            waits in prop::collection::vec(woken(), 1..6),
            held in prop::collection::vec((0u32..6, 0u32..12), 0..10),
        ) {
            let count = waits.len() as u32;
            let held: Vec<(u32, u32)> = held.iter().map(|&(by, object)| (by % count, object)).collect();
            let heap = heap_of(&pairs, &variables, waits.clone(), &held);
            let mut live: Vec<bool> = waits.iter().map(|woken| *woken == Woken::FromOutside).collect();
            loop {
                let own = held.iter().filter(|(by, _)| live[*by as usize]).map(|&(_, object)| object);
                let mut reached: Vec<u32> = variables.iter().copied().chain(own).collect();
                for _ in 0..12 {
                    let next: Vec<u32> =
                        pairs.iter().filter(|pair| reached.contains(&pair.0)).map(|pair| pair.1).collect();
                    reached.extend(next);
                }
                let wakes = |woken: &Woken| matches!(woken, Woken::Through(objects)
                    if objects.iter().any(|object| reached.contains(&object.0)));
                let next: Vec<bool> = waits.iter().zip(&live).map(|(woken, &live)| live || wakes(woken)).collect();
                if next == live {
                    break;
                }
                live = next;
            }
            let expected: Vec<Option<bool>> = live.iter().map(|live| Some(!live)).collect();
            prop_assert_eq!(verdicts(&heap), expected);
        }
    }
}
