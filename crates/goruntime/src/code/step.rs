//! What one instruction does, as far as the types of values go: the same for every processor.

/// A register by the number that its processor gives it.
pub(super) type Register = u8;

/// How many registers a processor has at most, its stack pointer among them.
pub(super) const REGISTERS: usize = 32;

/// Where an instruction reads or writes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// At an address that the linker chose.
    At(u64),
    /// So many bytes above the stack pointer.
    Stack(i64),
    /// So many bytes behind what a register points at.
    Behind(Register, i64),
    /// Somewhere else.
    Unknown,
}

/// One effect of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A register gets an address or number.
    Constant { to: Register, value: u64 },
    /// A register gets the address of a place on the stack, so many bytes above the stack pointer.
    StackAddress { to: Register, above: i64 },
    /// A register gets another's value and a number on top.
    Copy { to: Register, from: Register, plus: i64 },
    /// A register gets a word of memory.
    Load { to: Register, from: Place },
    /// A word of memory gets a register's value.
    Store { to: Place, from: Register },
    /// So many bytes of memory get a value that is not followed.
    Overwrite { to: Place, bytes: u64 },
    /// These registers get values that are not followed: a bit each.
    Forget(u64),
    /// A call; `None` for one through a register or memory.
    Call(Option<u64>),
    /// It goes on elsewhere; `None` where that stands in a register.
    Jump(Option<u64>),
    /// It goes on elsewhere or behind.
    Branch(u64),
    /// It returns to its caller.
    Return,
    /// It does not go on.
    Stop,
}

/// One step with the instruction that takes it: an instruction may take several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placed {
    /// Where the instruction stands, as the linker placed it.
    pub(super) at: u64,
    /// Where the next one stands: where a call returns to.
    pub(super) next: u64,
    pub(super) step: Step,
}
