//! One system call, made by a thread of the target for us, from which it recovers by itself.
//!
//! Nothing is written over code. Below the stack pointer of a stopped thread goes a complete signal frame that
//! holds the thread's own registers and signal mask, with the return address of the target's own signal
//! trampoline. Then the thread is sent to a `syscall` instruction whose function returns: if we are alive, we
//! stop it behind the call and set its registers back; if we have died, at whatever instant, it returns into
//! the trampoline, and `rt_sigreturn` restores it from the frame. A call that fails takes the same way.
//!
//! All signals are blocked during the call, so that no handler runs on the borrowed registers. The order
//! matters: registers first and mask second on the way in, mask first and registers second on the way out.
//! Between the two steps a thread that loses us still runs through the frame, which restores both.

use std::io;
use std::time::{Duration, Instant};

use leakscope_model::Addr;
use nix::sys::uio::{RemoteIoVec, process_vm_writev};
use nix::unistd::Pid;

use crate::snapshot::Gadgets;
use crate::snapshot::arch;
use crate::snapshot::stop::StoppedThread;
use crate::snapshot::wait::{Stop, wait_for_stop};
use crate::sys;

/// A clone of a very large address space takes its time; a call that lasts longer than this is given up, and
/// the thread heals itself when the tracer thread ends.
const CALL_PATIENCE: Duration = Duration::from_secs(60);
/// Stops that are passed over on the way to the end of the call.
const MAX_STOPS: usize = 64;

/// A system call to be made by the target.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "no call is injected on other processors yet")
)]
pub(super) enum Call {
    /// `clone` of a child that shares descriptors, directory and semaphores, and sends no signal when it ends.
    Clone,
    /// `wait4(child, NULL, __WALL | WNOHANG, NULL)`.
    Reap(Pid),
}

/// How the call ended; the thread still stands, and [`finish`] must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// A child was made; the thread stands inside `clone`.
    Child(Pid),
    /// It returned this; negative: an error number.
    Returned(i64),
}

/// What must be put back.
#[derive(Debug)]
pub(super) struct Borrowed {
    pid: u32,
    thread: Pid,
    registers: sys::Registers,
    mask: u64,
    /// What lay below the stack pointer where the frame went, and where.
    overwritten: (Addr, Vec<u8>),
}

/// Makes `thread` perform `call`, up to its end.
pub(super) fn begin(
    pid: u32,
    thread: &StoppedThread,
    gadgets: &Gadgets,
    call: Call,
) -> io::Result<(Borrowed, Ended)> {
    let mask = sys::signal_mask(thread.tid)?;
    let frame = arch::frame(&thread.registers, mask, gadgets)?;
    let mut below = vec![0; frame.bytes.len()];
    let remote = crate::remote::RemoteMemory::of(thread.tid);
    remote.read_exact(frame.at, &mut below).map_err(io::Error::other)?;
    let overwritten = (frame.at, below);
    let borrowed = Borrowed { pid, thread: thread.tid, registers: thread.registers, mask, overwritten };
    write(thread.tid, frame.at, &frame.bytes)?;
    sys::set_registers(thread.tid, &arch::call_registers(&thread.registers, &frame, gadgets, call))?;
    sys::set_signal_mask(thread.tid, u64::MAX)?;
    let ended = run(thread.tid)?;
    Ok((borrowed, ended))
}

/// Lets the thread go on until the call has an end.
fn run(thread: Pid) -> io::Result<Ended> {
    let deadline = Instant::now() + CALL_PATIENCE;
    let mut entered = false;
    for _ in 0..MAX_STOPS {
        sys::cont_to_syscall(thread)?;
        match wait_for_stop(thread, deadline)? {
            Stop::Clone => return child_made(thread),
            Stop::Syscall if entered => {
                return sys::registers(thread).map(|registers| Ended::Returned(arch::result(&registers)));
            }
            Stop::Syscall => entered = true,
            Stop::Interrupted | Stop::Group | Stop::OtherEvent => {}
            Stop::Signal(signal) => {
                return Err(io::Error::other(format!("signal {signal} in an injected call")));
            }
            Stop::Gone => return Err(io::ErrorKind::NotFound.into()),
        }
    }
    Err(io::Error::new(io::ErrorKind::TimedOut, "an injected call that does not end"))
}

fn child_made(thread: Pid) -> io::Result<Ended> {
    let child = i32::try_from(sys::event_message(thread)?).map_err(io::Error::other)?;
    Ok(Ended::Child(Pid::from_raw(child)))
}

impl Borrowed {
    /// What the frame covered; the child got the frame instead, and is given this back.
    pub(super) fn overwritten(&self) -> (Addr, &[u8]) {
        (self.overwritten.0, &self.overwritten.1)
    }

    /// Takes the thread out of the call, puts everything back, and lets it go.
    ///
    /// The last stop must be one between user code and the kernel: only there does the kernel turn the restart
    /// codes that an interrupted futex or sleep left in the result register into a restart.
    pub(super) fn finish(self) -> io::Result<()> {
        sys::interrupt(self.thread)?;
        sys::cont(self.thread, 0)?;
        let deadline = Instant::now() + CALL_PATIENCE;
        for _ in 0..MAX_STOPS {
            match wait_for_stop(self.thread, deadline)? {
                Stop::Interrupted | Stop::Group => return self.put_back(),
                Stop::Gone => return Err(io::ErrorKind::NotFound.into()),
                Stop::Clone | Stop::OtherEvent | Stop::Syscall | Stop::Signal(_) => {
                    sys::cont(self.thread, 0)?
                }
            }
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("process {}: an injected call that does not end", self.pid),
        ))
    }

    fn put_back(self) -> io::Result<()> {
        sys::set_signal_mask(self.thread, self.mask)?;
        sys::set_registers(self.thread, &self.registers)?;
        sys::detach(self.thread, 0)
    }
}

/// Writes into the memory of a stopped task of ours.
pub(super) fn write(task: Pid, at: Addr, bytes: &[u8]) -> io::Result<()> {
    let remote = [RemoteIoVec { base: at.get() as usize, len: bytes.len() }];
    match process_vm_writev(task, &[io::IoSlice::new(bytes)], &remote)? {
        written if written == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
