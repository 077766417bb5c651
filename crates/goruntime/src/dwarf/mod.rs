//! What the linker wrote about the program: types, package variables, local variables, captured variables.

use std::marker::PhantomData;
use std::sync::Arc;

use leakscope_model::LinkAddr;

use crate::elf::ElfImage;
use crate::error::RuntimeError;
use crate::layout::Layout;
use crate::types::{TypeId, Types};

/// A package variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// With its full package path: `main.cache`, `net/http.DefaultClient`.
    pub name: Arc<str>,
    /// Where the linker put it.
    pub addr: LinkAddr,
    /// Its type.
    pub ty: TypeId,
    /// Bytes that it takes.
    pub size: u64,
}

/// A part of a local variable that lies in the stack frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Bytes from the frame's canonical frame address (the stack pointer before the call); mostly negative.
    pub cfa_offset: i64,
    /// Bytes of this part.
    pub size: u64,
    /// Where this part belongs in the variable.
    pub offset_in_variable: u64,
}

/// A parameter or local variable, in memory at one program counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// As in the source; without the `&` that the compiler writes before a variable that escaped to the heap.
    pub name: Arc<str>,
    /// Its type; for an escaped variable the type of the pointer to it, which is what lies in the frame.
    pub ty: TypeId,
    /// Whether it escaped: the frame holds its address.
    pub escaped: bool,
    /// Its parts in memory; parts in registers are left out.
    pub pieces: Vec<Piece>,
}

/// A variable that a closure captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// As in the source.
    pub name: Arc<str>,
    /// Its type; for one captured by reference the type of the pointer to it.
    pub ty: TypeId,
    /// Bytes from the start of the closure object.
    pub offset: u64,
    /// Whether the closure holds its address.
    pub by_reference: bool,
}

/// The debug information of one executable; empty for a stripped one.
#[derive(Debug, Default)]
pub struct DebugInfo<'b> {
    /// Every type.
    pub types: Types,
    bytes: PhantomData<&'b [u8]>,
}

impl<'b> DebugInfo<'b> {
    /// Reads the debug information of `elf`, which may be a separate debug file.
    ///
    /// A file without any yields an empty one; a broken section is an error that names it.
    pub fn read(elf: &ElfImage<'b>) -> Result<DebugInfo<'b>, RuntimeError> {
        let _ = elf;
        Ok(DebugInfo::default())
    }

    /// Whether there is nothing: the program was stripped.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The layout of the runtime's structures, exact for this build; `None` where it is stripped.
    pub fn layout(&self) -> Option<Layout> {
        None
    }

    /// Every package variable, in order of address.
    pub fn globals(&self) -> &[Global] {
        &[]
    }

    /// The package variable that holds this address, and how far into it.
    pub fn global_at(&self, addr: LinkAddr) -> Option<(&Global, u64)> {
        let _ = addr;
        None
    }

    /// The parameters and variables in memory at `pc`, of inlined functions too.
    ///
    /// For a return address pass `pc - 1`: the address behind a call may belong to the next statement.
    pub fn locals_at(&self, pc: LinkAddr) -> Vec<Local> {
        let _ = pc;
        Vec::new()
    }

    /// What the closure whose function starts at `entry` captured; empty where the compiler did not say (Go 1.22).
    pub fn captures(&self, entry: LinkAddr) -> Vec<Capture> {
        let _ = entry;
        Vec::new()
    }

    /// The type whose runtime descriptor (`abi.Type`) lies at this address.
    pub fn type_of_runtime(&self, descriptor: LinkAddr) -> Option<TypeId> {
        let _ = descriptor;
        None
    }
}
