//! The few questions that typing asks about the program.

use std::sync::Arc;

use leakscope_goruntime::{Capture, Slot, TypeId, Types};
use leakscope_model::Addr;

/// What is known of a program's types, wherever it comes from.
pub trait TypeSource {
    /// Every type.
    fn types(&self) -> &Types;

    /// The type whose descriptor (`abi.Type`) lies at this address.
    fn type_of_runtime(&self, descriptor: Addr) -> Option<TypeId>;

    /// The name of the function whose first instruction lies at this address.
    fn function_starting_at(&self, code: Addr) -> Option<Arc<str>>;

    /// What the closure whose function starts here captured.
    fn captures(&self, code: Addr) -> Vec<Capture>;

    /// Where an itab names its concrete type: `abi.ITab.Type`.
    fn itab_type(&self) -> Option<Slot>;
}
