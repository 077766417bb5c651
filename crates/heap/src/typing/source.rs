//! The few questions that typing asks about the program.

use std::sync::Arc;

use leakscope_goruntime::{Capture, Runtime, Slot, TypeId, Types};
use leakscope_model::Addr;

use crate::graph::How;

/// What is known of a program's types, wherever it comes from.
pub trait TypeSource {
    /// Every type.
    fn types(&self) -> &Types;

    /// The type whose descriptor (`abi.Type`) lies at this address.
    fn type_of_runtime(&self, descriptor: Addr) -> Option<TypeId>;

    /// How a pointer tells a type: by debug information, where that has the type (or any at all, for `None`), else by
    /// the runtime's descriptors.
    fn how_of_pointer(&self, ty: Option<TypeId>) -> How;

    /// The name of the function whose first instruction lies at this address.
    fn function_starting_at(&self, code: Addr) -> Option<Arc<str>>;

    /// What the closure whose function starts here captured.
    fn captures(&self, code: Addr) -> Vec<Capture>;

    /// Where an itab names its concrete type: `abi.ITab.Type`.
    fn itab_type(&self) -> Option<Slot>;
}

impl TypeSource for Runtime<'_> {
    fn types(&self) -> &Types {
        &self.debug.types
    }

    fn type_of_runtime(&self, descriptor: Addr) -> Option<TypeId> {
        self.debug.type_of_runtime(self.linked(descriptor))
    }

    fn how_of_pointer(&self, ty: Option<TypeId>) -> How {
        // One is there also where there is no debug information: the unknown one.
        let described = if self.debug.is_empty() { 0 } else { self.debug.types.len() };
        let debugged = ty.map_or(described > 0, |ty| (ty.0 as usize) < described);
        if debugged { How::Dwarf } else { How::Pointer }
    }

    fn function_starting_at(&self, code: Addr) -> Option<Arc<str>> {
        let linked = self.linked(code);
        let function = self.functions.find(linked).filter(|function| function.entry == linked)?;
        Some(function.name.into())
    }

    fn captures(&self, code: Addr) -> Vec<Capture> {
        self.debug.captures(self.linked(code))
    }

    fn itab_type(&self) -> Option<Slot> {
        // `runtime.itab` became `abi.ITab` in Go 1.22.
        self.layout.slot("abi.ITab.Type").or_else(|| self.layout.slot("itab._type"))
    }
}
