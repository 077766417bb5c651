//! The small text files of `/proc/PID`, parsed without opening anything but them.

use std::fs;
use std::io;

use nix::unistd::Pid;

/// What `/proc/PID/status` says that decides whether and how we may attach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Status {
    /// The process (thread group) that the task belongs to.
    pub(crate) tgid: u32,
    /// The task that traces it; 0: nobody.
    pub(crate) tracer: u32,
    /// Real, effective, saved and file-system user id.
    pub(crate) uids: [u32; 4],
    /// 0: no seccomp, 1: strict, 2: filters.
    pub(crate) seccomp: u32,
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X` …
    pub(crate) state: char,
    /// The effective capabilities, one bit each.
    pub(crate) capabilities: u64,
}

impl Status {
    /// Reads the status of process or thread `id`.
    pub(crate) fn of(id: u32) -> io::Result<Status> {
        fs::read_to_string(format!("/proc/{id}/status")).map(|text| Status::parse(&text))
    }

    /// Reads the status of thread `tid` of process `pid`.
    pub(crate) fn of_thread(pid: u32, tid: u32) -> io::Result<Status> {
        fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).map(|text| Status::parse(&text))
    }

    /// Takes what it knows from `text`; lines that are missing leave zeros.
    pub(crate) fn parse(text: &str) -> Status {
        let mut status = Status { state: '?', ..Status::default() };
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let mut words = value.split_whitespace();
            let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
            match key {
                "Tgid" => status.tgid = number(),
                "TracerPid" => status.tracer = number(),
                "Seccomp" => status.seccomp = number(),
                "Uid" => status.uids = [number(), number(), number(), number()],
                "State" => status.state = value.trim().chars().next().unwrap_or('?'),
                "CapEff" => status.capabilities = u64::from_str_radix(value.trim(), 16).unwrap_or(0),
                _ => {}
            }
        }
        status
    }
}

/// What `/proc/PID/stat` says of a child that may be a leftover of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// `Z` for a zombie.
    pub(crate) state: char,
    /// The parent process.
    pub(crate) parent: u32,
    /// The signal that tells the parent of its death; 0 for the children that we make (field 38).
    pub(crate) exit_signal: i32,
}

impl Stat {
    /// Parses the one line of `/proc/PID/stat`; the command in parentheses may hold anything.
    pub(crate) fn parse(text: &str) -> Option<Stat> {
        let (_, behind_command) = text.rsplit_once(')')?;
        let mut fields = behind_command.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // `proc_pid_stat(5)` counts from 1 and the parent is field 4: 33 fields lie between it and field 38.
        let exit_signal = fields.nth(33)?.parse().ok()?;
        Some(Stat { state, parent, exit_signal })
    }
}

/// The threads of process `pid`, in the order of the kernel's list.
pub(crate) fn tasks(pid: u32) -> io::Result<Vec<u32>> {
    numbers_in(&format!("/proc/{pid}/task"))
}

/// Every process that this `/proc` shows.
pub(crate) fn processes() -> io::Result<Vec<u32>> {
    numbers_in("/proc")
}

/// The number of the system call that thread `tid` sleeps in; `None` if it runs or the kernel does not tell.
pub(crate) fn current_syscall(pid: u32, tid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// The id of process `id` in the innermost namespace that it lives in (`NSpid`): how its parent calls it.
pub(crate) fn pid_in_own_namespace(id: u32) -> Option<Pid> {
    let text = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    innermost_pid(&text).map(Pid::from_raw)
}

fn innermost_pid(status: &str) -> Option<i32> {
    let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
    let ids = line("NSpid:").or_else(|| line("Pid:"))?;
    ids.split_whitespace().next_back()?.parse().ok()
}

/// Whether process `pid` is there and has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Stat::parse(&text).is_some_and(|stat| !matches!(stat.state, 'Z' | 'X'))
}

/// The name of a task, for messages.
pub(crate) fn name_of(id: u32) -> String {
    match fs::read_to_string(format!("/proc/{id}/comm")) {
        Ok(name) => name.trim_end().to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}

fn numbers_in(folder: &str) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::with_capacity(64);
    for entry in fs::read_dir(folder)? {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_with_parentheses_does_not_shift_the_fields() {
        let line = "23267 (a) b) Z 23258 23258 8905 0 -1 4194304 8673 0 1 0 11 5 0 0 20 0 5 0 231731 1325522944 \
                    8852 18446744073709551615 1 1 0 0 0 0 0 2 2143420157 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";
        assert_eq!(Stat::parse(line), Some(Stat { state: 'Z', parent: 23258, exit_signal: 17 }));
    }

    #[test]
    fn a_status_gives_what_decides_about_access() {
        let text = "Name:\tx\nState:\tt (tracing stop)\nTgid:\t7\nTracerPid:\t9\nUid:\t1\t2\t3\t4\n\
                    CapEff:\t0000000000080000\nSeccomp:\t2\n";
        let expected =
            Status { tgid: 7, tracer: 9, uids: [1, 2, 3, 4], seccomp: 2, state: 't', capabilities: 1 << 19 };
        assert_eq!(Status::parse(text), expected);
    }

    #[test]
    fn a_process_in_a_container_has_its_parent_s_name_for_it() {
        assert_eq!(innermost_pid("Pid:\t4711\nNSpid:\t4711\t12\n"), Some(12));
        assert_eq!(innermost_pid("Pid:\t4711\n"), Some(4711));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String) {
            let _ = innermost_pid(&text);
            let _ = Stat::parse(&text);
            let _ = Status::parse(&text);
        }
    }
}
