//! What is known of the values in registers and in the stack frame at one place of a function.

use std::collections::BTreeMap;

use super::step::{REGISTERS, Register};
use crate::types::Pointee;

/// Slots of one frame that are followed at most.
const MOST_SLOTS: usize = 512;

/// What is known of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Value {
    /// Nothing.
    #[default]
    Unknown,
    /// It is this number, an address that the linker chose where it is one.
    Number(u64),
    /// It is the address of a place on the function's own stack, by bytes from the stack pointer at its entry.
    Stack(i64),
    /// It points at the start of this.
    At(Pointee),
    /// It came from there, unchanged.
    From(Origin),
}

/// Where a value came from, of which the type is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Origin {
    /// The word of a package variable at this address.
    Variable(u64),
    /// A result of the call that returns to this address, by its place among the result registers; and the function
    /// that was called, 0 where that is not known.
    Result(u64, u8, u64),
    /// An argument of the function itself, by its place among the argument registers.
    Argument(u8),
}

/// What is known at one place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct State {
    registers: [Value; REGISTERS],
    /// By bytes from the stack pointer at the function's entry.
    slots: BTreeMap<i64, Value>,
}

impl State {
    pub(super) fn register(&self, register: Register) -> Value {
        self.registers.get(usize::from(register)).copied().unwrap_or_default()
    }

    pub(super) fn set(&mut self, register: Register, value: Value) {
        if let Some(slot) = self.registers.get_mut(usize::from(register)) {
            *slot = value;
        }
    }

    pub(super) fn slot(&self, offset: i64) -> Value {
        self.slots.get(&offset).copied().unwrap_or_default()
    }

    pub(super) fn set_slot(&mut self, offset: i64, value: Value) {
        self.overwrite(offset, 8);
        if value != Value::Unknown && self.slots.len() < MOST_SLOTS {
            self.slots.insert(offset, value);
        }
    }

    /// Forgets the slots of which these bytes are a part.
    pub(super) fn overwrite(&mut self, offset: i64, bytes: u64) {
        let end = offset.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        let touched: Vec<i64> =
            self.slots.range(offset.saturating_sub(7)..end).map(|(offset, _)| *offset).collect();
        for offset in touched {
            self.slots.remove(&offset);
        }
    }

    /// Forgets the registers of a mask.
    pub(super) fn forget(&mut self, mask: u64) {
        for (index, value) in self.registers.iter_mut().enumerate() {
            if mask >> index & 1 == 1 {
                *value = Value::Unknown;
            }
        }
    }

    /// Keeps what also holds in `other`; whether anything was lost.
    pub(super) fn keep_common(&mut self, other: &State) -> bool {
        let mut lost = false;
        for (own, other) in self.registers.iter_mut().zip(&other.registers) {
            let common = own.common(*other);
            lost |= common != *own;
            *own = common;
        }
        self.slots.retain(|offset, own| {
            let common = own.common(other.slots.get(offset).copied().unwrap_or_default());
            lost |= common != *own;
            *own = common;
            common != Value::Unknown
        });
        lost
    }
}

impl Value {
    /// What holds of both; a pointer that may be nil is still that pointer, and so is one that may lead to the stack,
    /// where the compiler keeps what turns out to be small.
    pub(super) fn common(self, other: Value) -> Value {
        match (self, other) {
            (own, other) if own == other => own,
            (Value::Number(0) | Value::Stack(_), pointer @ (Value::At(_) | Value::From(_)))
            | (pointer @ (Value::At(_) | Value::From(_)), Value::Number(0) | Value::Stack(_)) => pointer,
            _ => Value::Unknown,
        }
    }
}
