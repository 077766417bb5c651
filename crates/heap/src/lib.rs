//! Meaning from the memory of a Go process: spans, objects, types, roots, stacks, edges, reachability,
//! dominators, paths, growth. A debugger as a library.
//!
//! What comes in: [`leakscope_target::TargetMemory`] and a `leakscope_goruntime::Runtime`. What goes out:
//! [`Heap`], which stands on its own: it borrows from neither, so it can be kept, compared and written to a
//! capture. This crate must not know where the bytes come from or who asks.
//!
//! Two halves: the *reading* half (`spans`, `objects`, `pointers`, `scan`, `roots`, `stacks`, `goroutines`,
//! `samples`, `memstats`) turns memory into a [`Scan`]; the *analysis* half (`typing`, `reach`, `dominators`,
//! `paths`, `growth`, `graph_file`) turns a `Scan` into a [`Heap`] and questions into answers, on dense ids and
//! flat arrays, without memory at hand.
//!
//! ```
//! use leakscope_heap::{Heap, Tally, graph_file, groups, type_table};
//!
//! let mut file = Vec::new();
//! graph_file::write(&Heap::default(), &mut file)?;
//! let heap = graph_file::read(&file)?;
//! assert_eq!(heap.live(), Tally { objects: 0, bytes: 0 });
//! assert!(type_table::types(&heap).is_empty() && groups::single(&heap).is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod allocator;
pub mod analyse;
mod arena_bitmaps;
mod bits;
pub mod breakdown;
pub mod census;
pub mod collector;
mod contents;
mod counters;
mod deferred;
pub mod dominated;
pub mod dominators;
mod edges;
pub mod error;
pub mod exclusive;
mod fields;
mod gather;
mod goroutine_records;
mod goroutines;
pub mod graph;
pub mod graph_file;
#[cfg(test)]
mod graph_of_numbers;
pub mod groups;
pub mod growth;
#[cfg(test)]
mod heap_of_names;
pub mod holders;
mod inner_graph;
mod itabs;
pub mod leaks;
pub mod lives;
mod memstats;
pub mod objects;
mod page_cache;
pub mod path_tree;
pub mod paths;
mod pointers;
mod program;
mod queued_calls;
mod ranked_bits;
pub mod reach;
pub mod read;
pub mod referrers;
pub mod retained;
mod retained_sizes;
mod reverse;
mod root_names;
pub mod root_order;
mod roots;
pub mod said_by_code;
mod samples;
mod signal_frame;
pub mod size_classes;
mod slot_index;
mod spans;
mod specials;
mod stacks;
mod static_objects;
mod threads;
pub mod timers;
mod type_masks;
pub mod type_pattern;
pub mod type_table;
pub mod typing;
pub mod values;
mod variable_words;
mod wait_records;
pub mod waits;
pub mod waste;
pub mod ways;

pub use analyse::analyse;
pub use dominators::DominatedBy;
pub use error::HeapError;
pub use graph::{Edge, Edges, Heap, ObjectId, Objects, Root, RootOrigin, Scan, Shape, ShapeId, SpanRow};
pub use groups::{GoroutineGroup, Group, Held};
pub use growth::Growth;
pub use holders::{Holder, HolderName, Holders};
pub use leaks::{Leaks, Verdict};
pub use lives::{LifeKey, LifeRow, LifeTable, Lives, LivesBy, Reuse};
pub use objects::Object;
pub use reach::Reach;
pub use read::{read, read_with_types, scan};
pub use retained::Tally;
pub use type_pattern::TypePattern;
pub use type_table::{Coverage, TypeRow};
pub use typing::{ProgramTypes, TypeSource};
pub use values::{Limits, Values};
pub use waits::{Waits, Woken};
