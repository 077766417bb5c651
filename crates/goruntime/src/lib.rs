//! Which Go built a binary, and what its runtime looks like: layouts as data, functions and lines, types.
//!
//! What comes in: the bytes of an executable and the memory of its process. What goes out: [`Runtime`]. This
//! crate must not know what is in the heap, and reads no file: bytes are handed to it.

pub mod buildinfo;
pub mod code;
pub mod code_references;
pub mod dwarf;
pub mod elf;
pub mod error;
pub mod file_memory;
pub mod gadgets;
pub mod gc_program;
mod integers;
pub mod layout;
pub mod module_search;
pub mod moduledata;
#[cfg(test)]
mod moduledata_tests;
pub mod names;
pub mod pclntab;
pub mod runtime;
mod sanity;
mod shape_search;
pub mod structure;
pub mod symbols;
pub mod type_descriptor;
pub mod types;
mod unnamed_variables;
mod variables_by_code;

pub use buildinfo::{BuildInfo, GoVersion};
pub use code::{CodeReader, Referrer, Signature, addresses_in};
pub use code_references::{CodeReference, Use};
pub use dwarf::{Capture, DebugInfo, Global, Local, Piece};
pub use elf::{Arch, ElfImage, Segment, Symbol};
pub use error::RuntimeError;
pub use file_memory::FileMemory;
pub use gadgets::{gadgets, gadgets_in_memory};
pub use layout::{Layout, LayoutOrigin, Slot};
pub use moduledata::{ModuleData, ScannedGlobals};
pub use names::{Names, SpecialKind};
pub use pclntab::{Bitmap, Func, FuncKind, FuncTable, PcData, StackMaps, StackObject, TextLayout};
pub use runtime::Runtime;
pub use structure::{SliceHeader, Structure};
pub use symbols::{RuntimeVariables, Variable};
pub use type_descriptor::{DescribedTypes, Method, TypeDescriptor};
pub use types::{Field, GoType, Kind, Label, Pointee, PointerWord, Role, TypeId, Types};
pub use variables_by_code::variables_by_code;
