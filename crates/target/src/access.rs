//! Whether the kernel lets us look into a process, and if not, which of its rules forbids it.

use std::fs::File;
use std::time::Duration;

use nix::unistd::geteuid;

use crate::error::TargetError;
use crate::proc_files::{self, Status};

/// `CAP_SYS_PTRACE` (`include/uapi/linux/capability.h`).
const CAP_SYS_PTRACE: u64 = 1 << 19;
/// Looks at a process that has a tracer, before we say that it is taken.
const TRACER_LOOKS: u32 = 4;
const BETWEEN_LOOKS: Duration = Duration::from_millis(15);

/// Fails where an attach would fail, without attaching.
///
/// Opening `/proc/PID/mem` asks the kernel the same question as `PTRACE_SEIZE` (`ptrace(2)`, "Ptrace access
/// mode checking"), yama and all; only another tracer does not show there.
pub(crate) fn check(pid: u32) -> Result<(), TargetError> {
    if let Some(tracer) = lasting_tracer(pid) {
        return Err(traced_by_another(pid, tracer));
    }
    match File::open(format!("/proc/{pid}/mem")) {
        Ok(_) => Ok(()),
        Err(_) if Status::of(pid).is_err() => Err(TargetError::NoProcess { pid }),
        Err(_) => Err(denied(pid)),
    }
}

/// Who traces `pid` for longer than the moment that the watchdog of another run needs.
fn lasting_tracer(pid: u32) -> Option<u32> {
    for look in 0..TRACER_LOOKS {
        if look > 0 {
            std::thread::sleep(BETWEEN_LOOKS);
        }
        if Status::of(pid).ok()?.tracer == 0 {
            return None;
        }
    }
    Status::of(pid).ok().map(|status| status.tracer).filter(|tracer| *tracer != 0)
}

/// Says why attaching to `pid` is forbidden, after the kernel has said that it is.
pub(crate) fn denied(pid: u32) -> TargetError {
    let Ok(status) = Status::of(pid) else { return TargetError::NoProcess { pid } };
    if status.tracer != 0 {
        return traced_by_another(pid, status.tracer);
    }
    let ours = Status::of(std::process::id()).unwrap_or_default();
    let (reason, remedy) = forbidden_by(&status, geteuid().as_raw(), ours.capabilities, yama_scope());
    TargetError::NotAllowed { pid, reason, remedy }
}

fn traced_by_another(pid: u32, tracer: u32) -> TargetError {
    let name = proc_files::name_of(tracer);
    TargetError::NotAllowed {
        pid,
        reason: format!(
            "{name} (process {tracer}) is tracing it already, and a process has one tracer at a time"
        ),
        remedy: format!("detach that debugger, or end it with: kill {tracer}"),
    }
}

/// `kernel.yama.ptrace_scope`; 0 where yama is not built in.
fn yama_scope() -> u32 {
    let text = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// The rule that forbids it and the command that helps, in the order in which the kernel asks.
fn forbidden_by(status: &Status, uid: u32, capabilities: u64, yama: u32) -> (String, String) {
    let sudo = "run leakscope as root: sudo leakscope …".to_owned();
    let capable = capabilities & CAP_SYS_PTRACE != 0;
    match (yama, capable) {
        (3, _) => (
            "yama forbids tracing altogether (kernel.yama.ptrace_scope is 3)".to_owned(),
            "this can only be changed by a reboot with kernel.yama.ptrace_scope=1 in /etc/sysctl.conf".to_owned(),
        ),
        (_, true) => (
            "we have CAP_SYS_PTRACE, yet the kernel refuses: the process lives in another user namespace, or a \
             security module forbids it"
                .to_owned(),
            "run leakscope on the host, outside the container, as root".to_owned(),
        ),
        _ if status.uids.iter().any(|theirs| *theirs != uid) => {
            let [owner, ..] = status.uids;
            (
                format!("it runs as user id {owner} and we as {uid}, without CAP_SYS_PTRACE"),
                format!("run leakscope as that user or as root: sudo -u '#{owner}' leakscope …"),
            )
        }
        (1, false) => (
            "yama lets a process trace only its children (kernel.yama.ptrace_scope is 1)".to_owned(),
            format!("{sudo}, or allow it: sudo sysctl kernel.yama.ptrace_scope=0"),
        ),
        (2, false) => {
            ("yama asks for CAP_SYS_PTRACE (kernel.yama.ptrace_scope is 2)".to_owned(), sudo)
        }
        _ => (
            "it may not be traced without CAP_SYS_PTRACE: it has changed its user or has file capabilities, and \
             so is not dumpable"
                .to_owned(),
            sudo,
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(uids: [u32; 4], capabilities: u64, yama: u32) -> String {
        forbidden_by(&Status { uids, ..Status::default() }, 1000, capabilities, yama).0
    }

    #[test]
    fn the_rule_that_forbids_is_named() {
        assert!(reason([0; 4], 0, 0).contains("user id 0"));
        assert!(reason([1000; 4], 0, 1).contains("only its children"));
        assert!(reason([1000; 4], 0, 2).contains("CAP_SYS_PTRACE"));
        assert!(reason([1000; 4], 0, 3).contains("altogether"));
        assert!(reason([1000; 4], 0, 0).contains("dumpable"));
        assert!(reason([0; 4], CAP_SYS_PTRACE, 1).contains("user namespace"));
    }
}
