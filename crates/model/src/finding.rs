//! One leak, with everything that its owner needs to fix it.

/// What kind of thing leaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindingKind {
    /// Goroutines that do not end.
    Goroutine,
    /// Heap objects that stay reachable.
    Heap,
    /// Memory outside the Go heap.
    Native,
    /// Goroutine stacks.
    Stack,
    /// Seen in a profile alone.
    Profile,
}

/// How far the evidence carries a finding. Ordered: `Possible < Likely < Proven`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// One moment or one source hints at it.
    Possible,
    /// It grew over the window, or independent sources agree.
    Likely,
    /// It cannot be otherwise.
    Proven,
}

/// By what one step of a path leads to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Via {
    /// A package variable.
    Global,
    /// A field of a struct.
    Field,
    /// An element of an array, slice or channel buffer.
    Element,
    /// A key of a map.
    Key,
    /// A value of a map.
    Value,
    /// A variable captured by a closure.
    Captured,
    /// A local variable of a goroutine's frame.
    Local,
    /// An unnamed word of a goroutine's stack or of a thread's registers.
    Stack,
    /// A finalizer, a cleanup, a weak handle or another runtime record.
    Special,
}

/// One step of the path from a root to what leaks.
#[derive(Debug, Clone, PartialEq)]
pub struct PathStep {
    /// `main.server`, `children`, `[…]`.
    pub name: String,
    /// How this step hangs on the one before.
    pub via: Via,
    /// The Go type of what lies here; empty where it is not known.
    pub ty: String,
    /// The address of one such object, `None` for a folded step.
    pub addr: Option<crate::addr::Addr>,
}

/// A line of source with its share of what was allocated there.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// The function.
    pub function: String,
    /// The file, as the compiler wrote it.
    pub file: String,
    /// The line.
    pub line: u32,
    /// Between 0 and 1.
    pub share: f64,
}

/// The goroutines that hold what leaks.
#[derive(Debug, Clone, PartialEq)]
pub struct HeldBy {
    /// A name for goroutines with one stack: `main.leakyUnary.func1 [chan receive]`.
    pub goroutine_group: String,
    /// How many there are.
    pub count: u64,
    /// What they wait for, in the runtime's words.
    pub wait: String,
    /// Their first frame outside the runtime.
    pub function: String,
    /// Its file.
    pub file: String,
    /// Its line.
    pub line: u32,
}

/// The line to change.
#[derive(Debug, Clone, PartialEq)]
pub struct Fix {
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// What to do there.
    pub advice: String,
}

/// One leak.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule that spoke, such as `GO-CTX-001`.
    pub rule: &'static str,
    /// What kind of thing leaks.
    pub kind: FindingKind,
    /// One line for people.
    pub title: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Bytes that would be freed if the leak went away.
    pub retained_bytes: u64,
    /// How many objects of `ty` leak.
    pub objects: u64,
    /// How many goroutines leak with them.
    pub goroutines: u64,
    /// Growth of `retained_bytes` over the window; 0 for a single moment.
    pub growth_bytes_per_s: f64,
    /// Growth of `objects` over the window; 0 for a single moment.
    pub growth_objects_per_s: f64,
    /// Since when it grows, RFC 3339; `None` where it is not known.
    pub since: Option<String>,
    /// The type that leaks, as Go writes it.
    pub ty: String,
    /// From a root to what leaks.
    pub path: Vec<PathStep>,
    /// Where it was allocated, the largest share first.
    pub allocated_at: Vec<Site>,
    /// Who holds it; `None` where no goroutine does.
    pub held_by: Option<HeldBy>,
    /// What to change; `None` where no line is known.
    pub fix: Option<Fix>,
    /// Indices into the report's evidence; never empty.
    pub because: Vec<usize>,
}
