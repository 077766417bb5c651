//! Types as the running program describes them (`internal/abi.Type`): what there is to know of types that debug
//! information does not name, as those that reflection made, and of all types of a stripped program.

mod containers;
mod described;
mod kinds;
mod listed;
mod method_tables;
mod naming;
mod reading;
#[cfg(test)]
mod tests;

use leakscope_model::Addr;
use leakscope_target::TargetMemory;

pub use self::described::DescribedTypes;
pub use self::method_tables::Method;
use self::naming::Names;
use self::reading::Descriptors;
use crate::error::RuntimeError;
use crate::layout::Layout;
use crate::moduledata::ModuleData;

/// One type of the running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDescriptor {
    /// Where its descriptor stands.
    pub at: Addr,
    /// As debug information would call it: with full package paths.
    pub name: String,
    /// Bytes of a value.
    pub size: u64,
    /// Bytes up to its last pointer; 0 where it holds none.
    pub pointer_bytes: u64,
    /// The number of its `reflect.Kind`.
    pub kind: u8,
    /// `GCData`: its pointer mask, or the program that makes it.
    pub gc_data: Addr,
}

impl TypeDescriptor {
    /// Reads the descriptor at `at`; names and package paths are looked up in the module that holds it.
    ///
    /// A type that reflection made has no module; it is named by what it is made of, else by its kind.
    pub fn read(
        memory: &dyn TargetMemory,
        layout: &Layout,
        modules: &[ModuleData],
        at: Addr,
    ) -> Result<TypeDescriptor, RuntimeError> {
        let descriptors = Descriptors { memory, layout, modules };
        let head = descriptors.head(at)?;
        Ok(TypeDescriptor {
            at,
            name: Names::new(descriptors, &|_| None).of(&head).to_string(),
            size: head.size,
            pointer_bytes: head.pointer_bytes,
            kind: u8::try_from(head.kind).unwrap_or_default(),
            gc_data: head.gc_data,
        })
    }
}
