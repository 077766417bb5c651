//! amd64: the register file, the system call convention and the signal frame of `arch/x86/kernel/signal_64.c`.

use std::io;

use leakscope_model::Addr;
use nix::libc;
use nix::unistd::Pid;

use super::{Frame, IdleCall, SyscallUse};
use crate::process::ThreadRegisters;
use crate::snapshot::Gadgets;
use crate::snapshot::inject::Call;
use crate::sys::Registers;

/// `AUDIT_ARCH_X86_64` (`include/uapi/linux/audit.h`).
pub(in crate::snapshot) const AUDIT_ARCH: u32 = 0xc000_003e;
/// Bytes below the stack pointer that an injected call needs, red zone and all.
pub(in crate::snapshot) const ROOM: u64 = 1024;

const CLONE_FLAGS: u64 = (libc::CLONE_FILES | libc::CLONE_FS | libc::CLONE_SYSVSEM) as u64;
const REAP_FLAGS: u64 = (libc::__WALL | libc::WNOHANG) as u64;
/// Bytes below the stack pointer that leaf functions may use (System V ABI).
const RED_ZONE: u64 = 128;
/// The child's stack: `runtime.exit` as return address, one return address, its argument 0, one spare word.
const CHILD_STACK: usize = 32;
/// `struct rt_sigframe`: return address, `ucontext` up to the mask, and `siginfo`.
const SIGNAL_FRAME: usize = 8 + UCONTEXT_HEAD + MCONTEXT + 8 + 128;
const UCONTEXT_HEAD: usize = 40;
const MCONTEXT: usize = 256;
/// `UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS`.
const UC_FLAGS: u64 = 0x2 | 0x4;
/// No valid `ss_flags`: `rt_sigreturn` then leaves the thread's alternate stack as it is.
const KEEP_ALTERNATE_STACK: u64 = 0x7777;

/// The calls that a fork and its reaping make in the target; a seccomp filter must let them all pass.
pub(in crate::snapshot) const CALLS_OF_FORK: [SyscallUse; 4] = [
    SyscallUse { name: "clone", number: libc::SYS_clone as u32, arguments: [CLONE_FLAGS, 0, 0, 0, 0, 0] },
    SyscallUse { name: "wait4", number: libc::SYS_wait4 as u32, arguments: [0, 0, REAP_FLAGS, 0, 0, 0] },
    SyscallUse { name: "rt_sigreturn", number: libc::SYS_rt_sigreturn as u32, arguments: [0; 6] },
    SyscallUse { name: "exit_group", number: libc::SYS_exit_group as u32, arguments: [0; 6] },
];

/// Whether a snapshot by fork can be taken on this processor.
pub(in crate::snapshot) fn support() -> Result<(), &'static str> {
    Ok(())
}

/// The registers as the readers want them.
pub(in crate::snapshot) fn describe(tid: Pid, r: &Registers) -> ThreadRegisters {
    ThreadRegisters {
        tid: tid.as_raw().unsigned_abs(),
        pc: r.rip,
        sp: r.rsp,
        fp: r.rbp,
        general: vec![
            r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13,
            r.r14, r.r15,
        ],
        kernel: vec![
            r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10, r.r9, r.r8, r.rax, r.rcx, r.rdx, r.rsi,
            r.rdi, r.orig_rax, r.rip, r.cs, r.eflags, r.rsp, r.ss, r.fs_base, r.gs_base, r.ds, r.es, r.fs,
            r.gs,
        ],
    }
}

/// What an injected call returned.
pub(in crate::snapshot) fn result(r: &Registers) -> i64 {
    r.rax.cast_signed()
}

/// Where the thread's own storage lies.
pub(in crate::snapshot) fn thread_pointer(r: &Registers) -> u64 {
    r.fs_base
}

/// The stack pointer.
pub(in crate::snapshot) fn stack_pointer(r: &Registers) -> u64 {
    r.rsp
}

/// The call that the thread sleeps in, if it is one that may be disturbed.
pub(in crate::snapshot) fn idle_call(r: &Registers) -> Option<IdleCall> {
    idle_call_number(r.orig_rax)
}

/// Which disturbable call has this number.
pub(in crate::snapshot) fn idle_call_number(number: u64) -> Option<IdleCall> {
    match i64::try_from(number).ok()? {
        libc::SYS_futex => Some(IdleCall::Futex),
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => Some(IdleCall::Sleep),
        libc::SYS_epoll_pwait | libc::SYS_epoll_wait => Some(IdleCall::EpollWait),
        _ => None,
    }
}

/// The registers with which the thread makes `call` and then returns into its signal frame.
pub(in crate::snapshot) fn call_registers(
    own: &Registers,
    frame: &Frame,
    gadgets: &Gadgets,
    call: Call,
) -> Registers {
    let (number, arguments) = match call {
        Call::Clone => (libc::SYS_clone, [CLONE_FLAGS, frame.child_stack, 0, 0]),
        Call::Reap(child) => (libc::SYS_wait4, [u64::from(child.as_raw().unsigned_abs()), 0, REAP_FLAGS, 0]),
    };
    let [rdi, rsi, rdx, r10] = arguments;
    Registers {
        rip: gadgets.syscall.get(),
        rsp: frame.stack_pointer,
        rax: number.cast_unsigned(),
        // No call is to be restarted when the thread goes on.
        orig_rax: u64::MAX,
        rdi,
        rsi,
        rdx,
        r10,
        r8: 0,
        r9: 0,
        ..*own
    }
}

/// The bytes from which `rt_sigreturn` makes `own` and `mask` again.
///
/// `fpstate` is null, so the floating-point registers start afresh: a thread inside a system call keeps nothing
/// in them, by Go's ABI as by C's.
pub(in crate::snapshot) fn frame(own: &Registers, mask: u64, gadgets: &Gadgets) -> io::Result<Frame> {
    let below = RED_ZONE + (SIGNAL_FRAME + CHILD_STACK) as u64;
    let at = own.rsp.checked_sub(below).ok_or(io::ErrorKind::InvalidInput)? & !0xf;
    let mut bytes = Vec::with_capacity(CHILD_STACK + SIGNAL_FRAME);
    let mut push = |word: u64| bytes.extend_from_slice(&word.to_le_bytes());
    [gadgets.exit.get(), 0, 0, 0].into_iter().for_each(&mut push);
    [gadgets.sigreturn.get(), UC_FLAGS, 0, 0, KEEP_ALTERNATE_STACK, 0].into_iter().for_each(&mut push);
    machine_context(own).into_iter().for_each(&mut push);
    push(mask);
    bytes.resize(CHILD_STACK + SIGNAL_FRAME, 0);
    Ok(Frame { at: Addr::new(at), bytes, stack_pointer: at + CHILD_STACK as u64, child_stack: at })
}

/// `struct sigcontext_64`: 32 words.
fn machine_context(r: &Registers) -> [u64; MCONTEXT / 8] {
    let (rip, rax) = after_restart(r);
    let selectors = (r.cs & 0xffff) | ((r.ss & 0xffff) << 48);
    let used = [
        r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rdi, r.rsi, r.rbp, r.rbx, r.rdx, rax, r.rcx,
        r.rsp, rip, r.eflags, selectors,
    ];
    let mut words = [0; MCONTEXT / 8];
    words.iter_mut().zip(used).for_each(|(word, value)| *word = value);
    words
}

/// Where the thread goes on if the kernel cannot restart its call for us any more.
///
/// The kernel's restart codes (`include/linux/errno.h`: 512 to 514, 516) never reach user space; `rt_sigreturn`
/// would hand them over as they are. So the call is made again, or a sleep ends early with `EINTR`.
fn after_restart(r: &Registers) -> (u64, u64) {
    const SYSCALL_LEN: u64 = 2;
    let in_call = r.orig_rax.cast_signed() >= 0;
    match r.rax.cast_signed() {
        -514..=-512 if in_call => (r.rip.wrapping_sub(SYSCALL_LEN), r.orig_rax),
        -516 if in_call => (r.rip, i64::from(-libc::EINTR).cast_unsigned()),
        _ => (r.rip, r.rax),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GADGETS: Gadgets = Gadgets {
        syscall: Addr::new(0x1000),
        sigreturn: Addr::new(0x2000),
        exit: Addr::new(0x3000),
        stack_word: -8,
    };

    fn registers(rsp: u64, rip: u64, rax: u64, orig_rax: u64) -> Registers {
        let [r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8] = [15, 14, 13, 12, 105, 103, 11, 10, 9, 8];
        let [rcx, rdx, rsi, rdi] = [102, 104, 106, 107];
        let (cs, ss, eflags) = (0x33, 0x2b, 0x246);
        let [fs_base, gs_base, ds, es, fs, gs] = [0; 6];
        Registers {
            r15,
            r14,
            r13,
            r12,
            rbp,
            rbx,
            r11,
            r10,
            r9,
            r8,
            rax,
            rcx,
            rdx,
            rsi,
            rdi,
            orig_rax,
            rip,
            cs,
            eflags,
            rsp,
            ss,
            fs_base,
            gs_base,
            ds,
            es,
            fs,
            gs,
        }
    }

    fn word(frame: &Frame, offset: usize) -> u64 {
        u64::from_le_bytes(frame.bytes[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn the_frame_is_what_the_kernel_restores_from() {
        let own = registers(0x7000_0808, 0x48_47a3, -512_i64 as u64, 202);
        let frame = frame(&own, 0xabcd, &GADGETS).unwrap();
        assert!(frame.at.get() + (frame.bytes.len() as u64) <= own.rsp - 128, "the red zone is untouched");
        assert!(own.rsp - frame.at.get() <= ROOM);
        assert_eq!((word(&frame, 0), frame.child_stack), (0x3000, frame.at.get()));
        // Offsets of `struct rt_sigframe`, 32 bytes above: pretcode 0, gregs 48, sigmask 304.
        assert_eq!((word(&frame, 32), frame.stack_pointer), (0x2000, frame.at.get() + 32));
        let gregs: Vec<u64> = (0..18).map(|index| word(&frame, 32 + 48 + 8 * index)).collect();
        let rip_restarted = 0x48_47a1;
        assert_eq!(
            gregs,
            [
                8,
                9,
                10,
                11,
                12,
                13,
                14,
                15,
                107,
                106,
                105,
                103,
                104,
                202,
                102,
                0x7000_0808,
                rip_restarted,
                0x246
            ]
        );
        assert_eq!(word(&frame, 32 + 48 + 144), 0x2b << 48 | 0x33);
        assert_eq!(word(&frame, 32 + 304), 0xabcd);
    }

    #[test]
    fn a_sleep_that_lost_its_tracer_ends_early() {
        let own = registers(0x7000_0808, 0x48_47a3, -516_i64 as u64, 35);
        assert_eq!(after_restart(&own), (0x48_47a3, -4_i64 as u64));
        let outside = registers(0x7000_0808, 0x48_47a3, -512_i64 as u64, u64::MAX);
        assert_eq!(after_restart(&outside), (0x48_47a3, -512_i64 as u64));
    }

    proptest! {
        #[test]
        fn a_frame_never_leaves_its_room(rsp: u64, rax: u64, orig_rax: u64, mask: u64) {
            let own = registers(rsp, 0x1000, rax, orig_rax);
            match frame(&own, mask, &GADGETS) {
                Ok(frame) => {
                    prop_assert!(frame.at.get().checked_add(ROOM).is_none_or(|top| top >= rsp));
                    prop_assert!(frame.at.get() + frame.bytes.len() as u64 + RED_ZONE <= rsp);
                }
                Err(_) => prop_assert!(rsp < ROOM),
            }
        }
    }
}
