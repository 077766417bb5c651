//! What rules look at: populations of objects and goroutines, and who holds whom. No heap, no file, no format.

pub mod from_dumps;
pub mod from_heap;

use leakscope_model::{Frame, PathStep};

use crate::population::Population;

/// How many objects, and bytes of their slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Count.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Objects of one type that hang on a root in one way.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Group {
    /// From a root to them, container keys and indices folded.
    pub path: Vec<PathStep>,
    /// The group one step up: index into [`Facts::groups`].
    pub parent: Option<usize>,
    /// As Go writes it: `context.timerCtx`.
    pub ty: String,
    /// Whether they are the inner pieces of the map or channel that the path names, not what the program stored.
    pub inside: bool,
    /// At the first snapshot; nothing for a single moment.
    pub before: Amount,
    /// At the last snapshot.
    pub after: Amount,
    /// How many of `before` were still there at the last snapshot.
    pub stayed: u64,
    /// Allocation stacks of sampled objects among them, innermost frame first, with the number of samples.
    pub samples: Vec<(Vec<Frame>, u64)>,
}

/// Goroutines with one stack and one wait.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Crowd {
    /// Innermost frame first.
    pub stack: Vec<Frame>,
    /// What they wait for, in the runtime's words; empty where they do not wait.
    pub wait: String,
    /// Where the `go` statement stands.
    pub created_by: Option<Frame>,
    /// At the first snapshot.
    pub before: u64,
    /// At the last snapshot.
    pub after: u64,
    /// How many of `before` were still there, in the same place, at the last snapshot.
    pub stayed: u64,
    /// How many of `after` are proven to be unable to run again: nothing that can run reaches what they wait for.
    pub leaked: u64,
    /// Bytes of their stacks at the last snapshot.
    pub stack_bytes: u64,
    /// Whether the runtime counts them as its own.
    pub system: bool,
}

/// A crowd whose stacks hold objects of a group, or something that only such an object also holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Index into [`Facts::groups`].
    pub group: usize,
    /// Index into [`Facts::crowds`].
    pub crowd: usize,
    /// How many objects of the group are held so.
    pub objects: u64,
}

/// Everything that rules judge by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Seconds between the first and the last snapshot; `None` for a single moment.
    pub window: Option<f64>,
    /// Seconds from the start of the process to the last snapshot; `None` where not known.
    pub uptime: Option<f64>,
    /// Objects by path and type.
    pub groups: Vec<Group>,
    /// Goroutines by stack and wait.
    pub crowds: Vec<Crowd>,
    /// Who holds whom.
    pub links: Vec<Link>,
}

/// Something that grew, as a set of groups and crowds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Members {
    /// Indices into [`Facts::groups`], the one that the rule accuses first.
    pub groups: Vec<usize>,
    /// Indices into [`Facts::crowds`].
    pub crowds: Vec<usize>,
}

impl Group {
    /// Its objects as a population over the window.
    pub fn population(&self) -> Population {
        Population { before: self.before.objects, after: self.after.objects, stayed: self.stayed }
    }
}

impl Crowd {
    /// Its goroutines as a population over the window.
    pub fn population(&self) -> Population {
        Population { before: self.before, after: self.after, stayed: self.stayed }
    }

    /// The innermost frame outside the runtime, else the innermost.
    pub fn place(&self) -> Option<&Frame> {
        self.stack.iter().find(|frame| !frame.is_runtime()).or(self.stack.first())
    }
}

impl Facts {
    /// A group by its index.
    pub fn group(&self, index: usize) -> Option<&Group> {
        self.groups.get(index)
    }

    /// A crowd by its index.
    pub fn crowd(&self, index: usize) -> Option<&Crowd> {
        self.crowds.get(index)
    }

    /// Whether `ancestor` is `group` or one of the groups on its way to the root.
    pub fn is_below(&self, group: usize, ancestor: usize) -> bool {
        self.way_up(group).any(|step| step == ancestor)
    }

    /// The group and its ancestors; ends also where parents run in a circle.
    pub fn way_up(&self, group: usize) -> impl Iterator<Item = usize> + '_ {
        let parent = |at: &usize| self.group(*at).and_then(|group| group.parent);
        std::iter::successors(Some(group), parent).take(self.groups.len().saturating_add(1))
    }

    /// The crowds that hold objects of `group`, the one that holds most first.
    pub fn holders(&self, group: usize) -> Vec<Link> {
        let mut links: Vec<Link> = self.links.iter().filter(|link| link.group == group).copied().collect();
        links.sort_by_key(|link| (std::cmp::Reverse(link.objects), link.crowd));
        links
    }
}
