//! Burying the children that were made for us: only their parent, the target, can.
//!
//! A child of ours gives no signal when it ends, so the target never asks for it and it would stay a zombie:
//! no memory, but an entry in the process table. One idle thread of the target makes the call, and stands for
//! a fraction of a millisecond; the others do not notice.

use std::fs;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::{Duration, Instant};

use nix::libc;
use nix::unistd::Pid;

use crate::proc_files::{self, Stat};
use crate::snapshot::Gadgets;
use crate::snapshot::arch;
use crate::snapshot::fit;
use crate::snapshot::inject::{self, Call, Ended};
use crate::snapshot::stop::{StoppedThread, pid_of};
use crate::snapshot::wait::{Stop, wait_for_stop};
use crate::sys;

/// Rounds over the target's threads, and the pause between two.
const ROUNDS: u32 = 40;
const BETWEEN_ROUNDS: Duration = Duration::from_millis(5);
/// How long a single thread may take to stop.
const STOP_PATIENCE: Duration = Duration::from_millis(50);

/// Dead children of `pid` that were made for a snapshot, by whichever run: nobody else's send no signal.
pub(super) fn leftovers(pid: u32) -> io::Result<Vec<u32>> {
    let ours = |stat: &Stat| stat.state == 'Z' && stat.parent == pid && stat.exit_signal == 0;
    let is_leftover = |id: &u32| {
        let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        Stat::parse(&text).as_ref().is_some_and(ours)
    };
    Ok(proc_files::processes()?.into_iter().filter(is_leftover).collect())
}

/// Buries what a killed run left behind, on a thread that ends; leaves it to another process of ours that is at
/// it already.
pub(super) fn reap_leftovers(pid: u32, gadgets: Gadgets) {
    let work = move || {
        let Some(_turn) = take_turn(pid) else { return };
        for child in leftovers(pid).unwrap_or_default() {
            reap(pid, child, &gadgets);
        }
    };
    let _ = std::thread::spawn(work).join();
}

/// One process at a time buries the dead of `pid`: a name in the kernel's own namespace, which is free again
/// when its holder ends, however it ends.
fn take_turn(pid: u32) -> Option<UnixListener> {
    let name = SocketAddr::from_abstract_name(format!("leakscope-reaps-{pid}")).ok()?;
    UnixListener::bind_addr(&name).ok()
}

/// Makes the target take note of its dead `child`. Answers whether it did.
///
/// Call it on a thread that ends soon: a thread of the target that would not stop is let go by that.
pub(super) fn reap(pid: u32, child: u32, gadgets: &Gadgets) -> bool {
    let Some(inner) = proc_files::pid_in_own_namespace(child) else { return true };
    for round in 0..ROUNDS {
        if round > 0 {
            std::thread::sleep(BETWEEN_ROUNDS);
        }
        let Ok(tasks) = proc_files::tasks(pid) else { return true };
        if tasks.into_iter().filter(|tid| sleeps_idly(pid, *tid)).any(|tid| reap_by(pid, tid, inner, gadgets))
        {
            return true;
        }
    }
    false
}

/// Whether trying this thread is worth its while; where the kernel does not tell, it is.
fn sleeps_idly(pid: u32, tid: u32) -> bool {
    match proc_files::current_syscall(pid, tid) {
        Some(number) => arch::idle_call_number(number).is_some(),
        None => true,
    }
}

/// Reaps by thread `tid`, if that one is fit.
fn reap_by(pid: u32, tid: u32, child: Pid, gadgets: &Gadgets) -> bool {
    let tid = pid_of(tid);
    if sys::seize(tid, libc::PTRACE_O_TRACESYSGOOD).is_err() {
        return false;
    }
    let _ = sys::interrupt(tid);
    let Ok(stop) = wait_for_stop(tid, Instant::now() + STOP_PATIENCE) else { return false };
    if stop == Stop::Gone {
        return false;
    }
    let Ok(registers) = sys::registers(tid) else { return false };
    let thread = [StoppedThread { tid, stop, registers }];
    let Ok(fit) = fit::choose(pid, &thread, gadgets) else {
        let _ = sys::detach(tid, stop.held_back_signal());
        return false;
    };
    let Ok((borrowed, ended)) = inject::begin(pid, fit, gadgets, Call::Reap(child)) else { return false };
    borrowed.finish().is_ok() && ended == Ended::Returned(i64::from(child.as_raw()))
}
