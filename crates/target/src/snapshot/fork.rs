//! A snapshot by fork: the target makes a copy-on-write child of itself, and goes on.

use std::fs;
use std::time::{Duration, Instant};

use leakscope_model::Addr;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::TargetError;
use crate::proc_files;
use crate::process::ThreadRegisters;
use crate::snapshot::Gadgets;
use crate::snapshot::arch;
use crate::snapshot::fit;
use crate::snapshot::inject::{self, Borrowed, Call, Ended};
use crate::snapshot::reap;
use crate::snapshot::stop::{StoppedProcess, failed};
use crate::snapshot::wait::{Stop, wait_for_stop};
use crate::sys::{self, Patience};

/// How long the new child may take to its first stop, which the kernel has prepared.
const CHILD_PATIENCE: Duration = Duration::from_secs(5);

/// The child, which stands still and never runs.
#[derive(Debug)]
pub(super) struct ForkedChild {
    parent: u32,
    child: Pid,
    gadgets: Gadgets,
}

/// A child and what was seen while it was made.
#[derive(Debug)]
pub(super) struct Forked {
    pub(super) child: ForkedChild,
    pub(super) threads: Vec<ThreadRegisters>,
    pub(super) pause: Duration,
}

/// Stops `pid`, has it make a child, and lets it go.
pub(super) fn fork(pid: u32, gadgets: Gadgets) -> Result<Forked, TargetError> {
    let refused = |reason: String| TargetError::Refused { pid, mode: "fork", reason };
    arch::support().map_err(|reason| refused(reason.to_owned()))?;
    let mut process = StoppedProcess::stop(pid)?;
    let chosen = fit::choose(pid, process.threads(), &gadgets).map_err(refused)?;
    let tid = chosen.tid;
    let (borrowed, ended) = inject::begin(pid, chosen, &gadgets, Call::Clone)
        .map_err(failed(pid, "having a thread of it make a copy-on-write child"))?;
    let covered = borrowed.overwritten().0;
    let covered_bytes = borrowed.overwritten().1.to_vec();
    let threads = process.let_others_go(tid, borrowed)?;
    let pause = process.since().elapsed();
    let Ended::Child(child) = ended else { return Err(refused(clone_failed(ended))) };
    let child = ForkedChild { parent: pid, child, gadgets };
    child.settle(covered, &covered_bytes)?;
    Ok(Forked { child, threads, pause })
}

fn clone_failed(ended: Ended) -> String {
    match ended {
        Ended::Returned(code) => {
            let errno = i32::try_from(code.saturating_neg()).unwrap_or(0);
            format!("the kernel refused clone: {}", std::io::Error::from_raw_os_error(errno))
        }
        Ended::Child(_) => "clone made a child".to_owned(),
    }
}

impl StoppedProcess {
    /// Lets everyone go, the thread that made the call last; the registers are put in order meanwhile.
    fn let_others_go(
        &mut self,
        caller: Pid,
        borrowed: Borrowed,
    ) -> Result<Vec<ThreadRegisters>, TargetError> {
        let threads = self.thread_registers();
        self.detach_all_but(caller);
        borrowed.finish().map_err(failed(self.pid(), "putting a thread back where it was"))?;
        self.forget(caller);
        Ok(threads)
    }
}

impl ForkedChild {
    /// The task whose memory is the snapshot.
    pub(super) fn task(&self) -> Pid {
        self.child
    }

    /// Sees to it that the child never outlives us, is the first to go when memory runs out, and equals its
    /// parent to the byte.
    fn settle(&self, covered: Addr, covered_bytes: &[u8]) -> Result<(), TargetError> {
        let named = |doing| failed(self.parent, doing);
        let stop = wait_for_stop(self.child, Instant::now() + CHILD_PATIENCE)
            .map_err(named("waiting for the snapshot's process"))?;
        if stop == Stop::Gone {
            return Err(TargetError::NoProcess { pid: self.child.as_raw().unsigned_abs() });
        }
        sys::set_options(self.child, libc::PTRACE_O_EXITKILL)
            .map_err(named("tying the snapshot's process to ours"))?;
        let _ = fs::write(format!("/proc/{}/oom_score_adj", self.child), "1000");
        inject::write(self.child, covered, covered_bytes)
            .map_err(named("giving the snapshot back what the call's frame covered"))
    }

    /// Whether the target still lives; its files stay open as long as the child does.
    pub(super) fn parent_lives(&self) -> bool {
        proc_files::is_alive(self.parent)
    }

    /// Ends the child and has the target bury it.
    pub(super) fn end(self) {
        let _ = kill(self.child, Signal::SIGKILL);
        let gone = |status: Option<i32>| status.is_none_or(|status| Stop::of_status(status) == Stop::Gone);
        while let Ok(status) = sys::wait(self.child, Patience::Wait) {
            if gone(status) {
                break;
            }
        }
        reap::reap(self.parent, self.child.as_raw().unsigned_abs(), &self.gadgets);
    }
}
