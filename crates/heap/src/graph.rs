//! The object graph on dense ids: what the reading half hands to the analysis half.

use std::sync::Arc;

use leakscope_goruntime::{Role, TypeId};
use leakscope_model::{Addr, Frame, Gap, Goroutine, Via};

pub use crate::edges::{Edge, Edges};
pub use crate::objects::{Objects, SpanRow};
pub use crate::retained_sizes::RetainedSizes;
pub use crate::said_by_code::Said;
use crate::waits::Waits;

/// The n-th allocated object of a heap, in address order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// Where a root pointer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootOrigin {
    /// In a package variable: index into [`Scan::names`].
    Global {
        /// `main.server`.
        name: u32,
    },
    /// In data or bss, outside every known variable.
    Data,
    /// In a goroutine's frame.
    Frame {
        /// Index into [`Scan::goroutines`].
        goroutine: u32,
        /// Index into that goroutine's stack: the (not inlined) frame.
        frame: u32,
        /// The local variable (index into [`Scan::names`]); `None` for a spill slot or register.
        name: Option<u32>,
    },
    /// In a record of the runtime: finalizer, cleanup, timer heap, weak handle (index into [`Scan::names`]).
    Special {
        /// `finalizer`, `cleanup`, `timer`, …
        name: u32,
    },
}

/// One pointer from outside the heap into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Where it stands.
    pub origin: RootOrigin,
    /// The address of the word.
    pub slot: Addr,
    /// The type of the variable and the word's offset in it; `None` where not known.
    pub ty: Option<(TypeId, u64)>,
    /// The word before it, where that lies in the program's type data: the type word of an interface.
    pub type_word: Option<Addr>,
    /// The object pointed at.
    pub target: ObjectId,
    /// Offset in the target.
    pub offset: u64,
    /// Whether it may not be a pointer at all: found by scanning without a pointer map.
    pub conservative: bool,
}

/// Everything the reading half found.
#[derive(Debug, Default)]
pub struct Scan {
    /// Every allocated object.
    pub objects: Objects,
    /// Every pointer between them.
    pub edges: Edges,
    /// Objects whose type the runtime itself records (malloc header, `mspan.largeType`): `abi.Type` address.
    pub headers: Vec<(ObjectId, Addr)>,
    /// `(edge index, word before the pointer)` where that word lies in the program's type data or is an itab:
    /// the dynamic type of an interface. In order of edge index.
    pub type_words: Vec<(u32, Addr)>,
    /// Objects whose first word is a code address: closures. In order of id.
    pub code_words: Vec<(ObjectId, Addr)>,
    /// Pointers from outside.
    pub roots: Vec<Root>,
    /// Every goroutine that is not dead.
    pub goroutines: Vec<Goroutine>,
    /// What each of them waits for.
    pub waits: Waits,
    /// Names of variables and records, used by [`RootOrigin`].
    pub names: Vec<Arc<str>>,
    /// What the program's code says of objects.
    pub said: Vec<Said>,
    /// Sampled objects: `(object, index into `stacks`)`.
    pub samples: Vec<(ObjectId, u32)>,
    /// Allocation stacks of the samples, innermost frame first.
    pub stacks: Vec<Vec<Frame>>,
    /// Where the memory of the Go runtime is.
    pub memstats: MemStats,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// Figures that the runtime keeps about itself, read from its memory; bytes unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemStats {
    /// In-use heap spans.
    pub heap_in_use: u64,
    /// Heap pages without a span that the runtime has not returned.
    pub heap_idle: u64,
    /// Heap pages returned to the system.
    pub heap_released: u64,
    /// Spans of goroutine stacks.
    pub stacks_in_use: u64,
    /// mspan, mcache, bitmaps, profiling buckets and other metadata.
    pub gc_metadata: u64,
    /// Bytes marked by the last collection (`gcController.heapMarked`).
    pub heap_marked: u64,
    /// The next collection's goal (`gcController.gcPercentHeapGoal` bounded by the limit).
    pub heap_goal: u64,
    /// `GOMEMLIMIT`; `u64::MAX` where there is none.
    pub memory_limit: u64,
    /// Completed collections (count).
    pub collections: u64,
    /// The collector's phase: 0 off, 1 marking, 2 mark termination.
    pub gc_phase: u64,
}

/// An index into [`Heap::shapes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShapeId(pub u32);

/// How the type of an object was found, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// The runtime records it with the object (malloc header, large span).
    Header,
    /// The type word of an interface that holds it.
    Itab,
    /// A pointer of known type, with debug information behind it.
    Dwarf,
    /// A pointer of known type, by the runtime's own descriptors alone.
    Pointer,
    /// The program's code: that of a closure, by the address in its first word, or that which allocated the object
    /// or put it where it is, by the type that it named there.
    Call,
    /// Not at all.
    None,
}

/// What is known of a kind of object: its name, and how the words in it are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// As Go writes it: `context.timerCtx`, `[]main.Item` for a backing array, `string bytes`, `closure main.f.func1`,
    /// `unknown 48 bytes`.
    pub name: Arc<str>,
    /// Bytes of one value; equals one element's size where `repeated`.
    pub size: u64,
    /// Whether the object is an array of such values (backing of a slice, groups of a map).
    pub repeated: bool,
    /// Whether it is a part of a map or channel.
    pub role: Role,
    /// The words that may hold pointers, in order: `(word index, label, how it hangs)`. For a repeated shape
    /// the words of one element.
    pub words: Vec<(u32, Arc<str>, Via)>,
    /// The type of one value, where the types it was found with are still at hand: not in a capture, and not for
    /// closures, bytes of strings and directories of maps.
    pub ty: Option<TypeId>,
}

/// A whole heap, analysed: what every question is asked of.
#[derive(Debug, Default)]
pub struct Heap {
    /// Every allocated object.
    pub objects: Objects,
    /// Every pointer between them.
    pub edges: Edges,
    /// The shape of each object.
    pub shape_of: Vec<ShapeId>,
    /// How it was found, each object.
    pub how_of: Vec<How>,
    /// All shapes; entry 0 is the unknown one.
    pub shapes: Vec<Shape>,
    /// Pointers from outside, in the order in which reachability took them: package variables first, then the
    /// main goroutine and goroutines that are alone with their stack, then those of which there are many.
    pub roots: Vec<Root>,
    /// Names used by the roots.
    pub names: Vec<Arc<str>>,
    /// The edge or root by which each object was reached first.
    pub reached_by: Vec<ReachedBy>,
    /// The nearest object (or root) without which it would not be reached.
    pub dominator: Vec<Dominator>,
    /// Bytes that each object alone keeps, itself among them; 0 for an unreachable one.
    pub retained: RetainedSizes,
    /// Every goroutine that is not dead.
    pub goroutines: Vec<Goroutine>,
    /// What each of them waits for.
    pub waits: Waits,
    /// Sampled objects and their allocation stacks.
    pub samples: Vec<(ObjectId, u32)>,
    /// Allocation stacks, innermost frame first.
    pub stacks: Vec<Vec<Frame>>,
    /// The runtime's own figures.
    pub memstats: MemStats,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// How breadth-first search came to an object; packed in 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReachedBy(pub u32);

/// An object's immediate dominator; packed in 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dominator(pub u32);
