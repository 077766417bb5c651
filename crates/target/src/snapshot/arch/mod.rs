//! What differs between processors: register names, system call numbers, the signal frame.

#[cfg_attr(target_arch = "x86_64", path = "amd64.rs")]
#[cfg_attr(not(target_arch = "x86_64"), path = "unsupported.rs")]
mod processor;

use leakscope_model::Addr;

pub(super) use processor::{
    AUDIT_ARCH, CALLS_OF_FORK, ROOM, call_registers, describe, frame, idle_call, idle_call_number, result,
    stack_pointer, support, thread_pointer,
};

/// What is written below a thread's stack pointer before it makes a call for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Where the bytes go.
    pub(super) at: Addr,
    /// The child's first return address, then the signal frame.
    pub(super) bytes: Vec<u8>,
    /// The stack pointer of the thread during the call: at the signal frame.
    pub(super) stack_pointer: u64,
    /// The stack pointer of a child made by the call.
    pub(super) child_stack: u64,
}

/// The system calls in which a thread may be disturbed: the kernel restarts them, or Go asks again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "no call is injected on other processors yet")
)]
pub(super) enum IdleCall {
    /// Restarts without a trace.
    Futex,
    /// Restarts with the rest of its time.
    Sleep,
    /// Returns `EINTR`; Go's netpoller asks again, C code might not.
    EpollWait,
}

/// A system call as a seccomp filter sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyscallUse {
    /// What it is for, for messages.
    pub(super) name: &'static str,
    /// Its number.
    pub(super) number: u32,
    /// The arguments that are known beforehand; addresses and ids are 0.
    pub(super) arguments: [u64; 6],
}
