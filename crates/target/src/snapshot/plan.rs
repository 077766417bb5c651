//! Which way to take: what each would cost, and what speaks against a fork.

use std::time::Duration;

use crate::snapshot::headroom::{self, Headroom};
use crate::snapshot::predict::MemoryUse;
use crate::snapshot::{SnapshotOptions, arch};

/// What is known of the costs before anything is done.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    max_pause: Duration,
    memory: Option<MemoryUse>,
    headroom: Option<Headroom>,
}

impl Plan {
    /// Looks at process `pid`, without disturbing it.
    pub(super) fn of(pid: u32, options: SnapshotOptions) -> Plan {
        let memory = MemoryUse::of(pid).ok();
        Plan { max_pause: options.max_pause, memory, headroom: headroom::of(pid) }
    }

    /// The predicted stop of a fork.
    pub(super) fn fork_pause(&self) -> Option<Duration> {
        self.memory.map(|memory| memory.fork_pause())
    }

    /// The predicted stop of reading everything from the stopped process.
    pub(super) fn stop_pause(&self) -> Option<Duration> {
        self.memory.map(|memory| memory.stop_pause())
    }

    /// Bytes that the child may come to own, when its parent writes to every page meanwhile.
    pub(super) fn copy_on_write(&self) -> u64 {
        self.memory.map_or(0, |memory| memory.anonymous)
    }

    /// Whether reading from the stopped process is predicted to be short enough.
    pub(super) fn stop_fits(&self) -> bool {
        self.stop_pause().is_some_and(|pause| pause <= self.max_pause)
    }

    /// What speaks against a fork that nobody asked for, if anything does.
    pub(super) fn against_fork(&self) -> Option<String> {
        if let Err(reason) = arch::support() {
            return Some(reason.to_owned());
        }
        let Some(memory) = self.memory else {
            return Some("its memory use cannot be read, so the pause cannot be predicted".to_owned());
        };
        let pause = memory.fork_pause();
        if pause > self.max_pause {
            let (pause, allowed) = (pause.as_millis(), self.max_pause.as_millis());
            return Some(format!(
                "a fork is predicted to stop it for {pause} ms, and {allowed} ms are allowed"
            ));
        }
        self.headroom.as_ref().and_then(|headroom| too_little(headroom, memory.resident))
    }
}

/// The collector of Go marks inside the spans it scans: one cycle can copy half of a heap that a child shares,
/// and a busy program the rest. So all of it must have room.
fn too_little(headroom: &Headroom, resident: u64) -> Option<String> {
    let Headroom { left, source, .. } = headroom;
    (*left < resident).then(|| {
        let (left, need) = (left >> 20, resident >> 20);
        format!("copy-on-write may need {need} MiB, and only {left} MiB are left below {source}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(resident: u64, left: u64, max_pause_ms: u64) -> Plan {
        let memory = MemoryUse { resident, anonymous: resident, huge: 0 };
        let headroom = Headroom { left, limit: left, source: "memory.max".to_owned() };
        Plan {
            max_pause: Duration::from_millis(max_pause_ms),
            memory: Some(memory),
            headroom: Some(headroom),
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn a_fork_is_refused_for_its_pause_and_for_memory() {
        assert_eq!(plan(300 << 20, 1 << 30, 50).against_fork(), None);
        assert!(plan(4 << 30, 64 << 30, 50).against_fork().unwrap().contains("180 ms"));
        assert!(plan(300 << 20, 200 << 20, 50).against_fork().unwrap().contains("200 MiB are left"));
        assert!(plan(10 << 20, 0, 50).stop_fits());
        assert!(!plan(300 << 20, 0, 50).stop_fits());
    }

    #[test]
    fn an_unreadable_process_is_not_forked() {
        let plan = Plan { memory: None, ..plan(0, 0, 50) };
        assert!(plan.against_fork().is_some());
        assert!(!plan.stop_fits());
    }
}
