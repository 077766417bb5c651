//! Processors on which no call can be injected yet; threads can be stopped and their registers read.

use std::io;

use nix::unistd::Pid;

use super::{Frame, IdleCall, SyscallUse};
use crate::process::ThreadRegisters;
use crate::snapshot::Gadgets;
use crate::snapshot::inject::Call;
use crate::sys::Registers;

const REASON: &str = "a snapshot by fork is not yet supported on this processor";

pub(in crate::snapshot) const AUDIT_ARCH: u32 = 0;
pub(in crate::snapshot) const ROOM: u64 = 1024;
pub(in crate::snapshot) const CALLS_OF_FORK: [SyscallUse; 0] = [];

/// Whether a snapshot by fork can be taken on this processor.
pub(in crate::snapshot) fn support() -> Result<(), &'static str> {
    Err(REASON)
}

/// The registers as the readers want them.
#[cfg(target_arch = "aarch64")]
pub(in crate::snapshot) fn describe(tid: Pid, r: &Registers) -> ThreadRegisters {
    ThreadRegisters {
        tid: tid.as_raw().unsigned_abs(),
        pc: r.pc,
        sp: r.sp,
        fp: r.regs[29],
        general: r.regs.to_vec(),
        kernel: r.regs.iter().copied().chain([r.sp, r.pc, r.pstate]).collect(),
    }
}

/// The registers as the readers want them: none, since their names are not known here.
#[cfg(not(target_arch = "aarch64"))]
pub(in crate::snapshot) fn describe(tid: Pid, _: &Registers) -> ThreadRegisters {
    ThreadRegisters { tid: tid.as_raw().unsigned_abs(), ..ThreadRegisters::default() }
}

pub(in crate::snapshot) fn result(_: &Registers) -> i64 {
    -i64::from(nix::libc::ENOSYS)
}

pub(in crate::snapshot) fn thread_pointer(_: &Registers) -> u64 {
    0
}

pub(in crate::snapshot) fn stack_pointer(_: &Registers) -> u64 {
    0
}

pub(in crate::snapshot) fn idle_call(_: &Registers) -> Option<IdleCall> {
    None
}

pub(in crate::snapshot) fn idle_call_number(_: u64) -> Option<IdleCall> {
    None
}

pub(in crate::snapshot) fn call_registers(own: &Registers, _: &Frame, _: &Gadgets, _: Call) -> Registers {
    *own
}

pub(in crate::snapshot) fn frame(_: &Registers, _: u64, _: &Gadgets) -> io::Result<Frame> {
    Err(io::Error::new(io::ErrorKind::Unsupported, REASON))
}
