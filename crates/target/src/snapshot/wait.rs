//! What a stopped thread says about why it stopped, and waiting for that without waiting for ever.

use std::io;
use std::time::{Duration, Instant};

use nix::libc;
use nix::unistd::Pid;

use crate::sys::{self, Patience};

/// `PTRACE_EVENT_STOP` (`include/uapi/linux/ptrace.h`).
const EVENT_STOP: i32 = 128;
/// Looks in a row, about half a microsecond each, before we start to sleep between two.
const QUICK_LOOKS: u32 = 40;
/// The sleep between two looks. No yielding: on a busy machine that gives away a whole turn.
const BETWEEN_LOOKS: Duration = Duration::from_micros(30);

/// Why a traced thread stands still, or that it does not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// Interrupted by us, or attached to automatically: the thread stands between user code and the kernel.
    Interrupted,
    /// The user had stopped the process (`SIGSTOP`, Ctrl-Z).
    Group,
    /// It has made a task; the kernel's event message says which.
    Clone,
    /// Another event that was asked for by nobody here.
    OtherEvent,
    /// At the entry or the exit of a system call.
    Syscall,
    /// About to receive this signal, which must be handed on.
    Signal(i32),
    /// It has ended.
    Gone,
}

impl Stop {
    /// Decodes a status of `waitpid` (`ptrace(2)`, "Attaching and detaching", "Stopped states").
    pub(super) fn of_status(status: i32) -> Stop {
        if !libc::WIFSTOPPED(status) {
            return Stop::Gone;
        }
        match (status >> 16, libc::WSTOPSIG(status)) {
            (EVENT_STOP, libc::SIGTRAP) => Stop::Interrupted,
            (EVENT_STOP, _) => Stop::Group,
            (libc::PTRACE_EVENT_CLONE, _) => Stop::Clone,
            (0, signal) if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
            (0, signal) => Stop::Signal(signal),
            _ => Stop::OtherEvent,
        }
    }

    /// The signal that must be handed on when the thread is let go; 0: none.
    pub(super) fn held_back_signal(self) -> i32 {
        match self {
            Stop::Signal(signal) => signal,
            Stop::Interrupted | Stop::Group | Stop::Clone | Stop::OtherEvent | Stop::Syscall | Stop::Gone => {
                0
            }
        }
    }
}

/// Waits until `tid` stops or ends, at the longest until `deadline`.
pub(super) fn wait_for_stop(tid: Pid, deadline: Instant) -> io::Result<Stop> {
    let mut looks = 0_u32;
    loop {
        if let Some(status) = sys::wait(tid, Patience::Look)? {
            return Ok(Stop::of_status(status));
        }
        if Instant::now() > deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("thread {tid} does not stop")));
        }
        looks += 1;
        if looks > QUICK_LOOKS {
            std::thread::sleep(BETWEEN_LOOKS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_of_stop_is_told_apart() {
        let stopped = |event: i32, signal: i32| Stop::of_status((event << 16) | (signal << 8) | 0x7f);
        assert_eq!(stopped(128, libc::SIGTRAP), Stop::Interrupted);
        assert_eq!(stopped(128, libc::SIGSTOP), Stop::Group);
        assert_eq!(stopped(3, libc::SIGTRAP), Stop::Clone);
        assert_eq!(stopped(0, libc::SIGTRAP | 0x80), Stop::Syscall);
        assert_eq!(stopped(0, 34), Stop::Signal(34));
        assert_eq!(Stop::of_status(9), Stop::Gone);
    }

    proptest! {
        #[test]
        fn only_a_signal_stop_holds_a_signal_back(status: i32) {
            let stop = Stop::of_status(status);
            prop_assert_eq!(stop.held_back_signal() != 0, matches!(stop, Stop::Signal(signal) if signal != 0));
        }
    }
}
