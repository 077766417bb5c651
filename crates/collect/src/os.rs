//! What the operating system says of a process and of the memory that it may have.
//!
//! Authority: `proc(5)`; `Documentation/filesystems/proc.rst` of the kernel for `smaps_rollup`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use leakscope_model::Gap;
use serde::{Deserialize, Serialize};

use crate::cgroup;
use crate::now;

/// Clock ticks a second in `/proc` (`USER_HZ`): 100 on every port of Linux that Go has.
const TICKS_A_SECOND: f64 = 100.0;

/// The memory of a process and its limits, in bytes; `None` where the system does not tell.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OsFacts {
    /// When they were read (RFC 3339, UTC).
    pub taken_at: String,
    /// Its process id.
    pub pid: u32,
    /// Resident memory.
    pub rss: Option<u64>,
    /// The most it ever had resident.
    pub rss_peak: Option<u64>,
    /// Resident memory, shared pages divided by their sharers.
    pub pss: Option<u64>,
    /// Resident anonymous memory: heap, stacks, C memory.
    pub anonymous: Option<u64>,
    /// Resident pages of mapped files.
    pub mapped_files: Option<u64>,
    /// Resident shared memory.
    pub shared: Option<u64>,
    /// The part of `anonymous` in transparent huge pages.
    pub huge_pages: Option<u64>,
    /// The part of anonymous memory that the process has given back lazily (`MADV_FREE`) and that counts as
    /// resident still.
    pub lazily_freed: Option<u64>,
    /// Resident memory by part (`heap_live`, `native`, …) at the last snapshot; empty where nobody has told them apart.
    pub resident: BTreeMap<String, u64>,
    /// What was resident then.
    pub resident_rss: u64,
    /// Swapped out.
    pub swap: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open files, sockets included.
    pub open_files: Option<u64>,
    /// How many it may open (`RLIMIT_NOFILE`, soft).
    pub open_files_limit: Option<u64>,
    /// Seconds since it was started.
    pub uptime_seconds: Option<f64>,
    /// The container's limits.
    pub cgroup: Option<CgroupFacts>,
    /// Memory of the machine.
    pub ram: Option<u64>,
    /// Memory of the machine that could be had without swapping.
    pub ram_available: Option<u64>,
}

/// The control group that limits the process's memory the tightest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CgroupFacts {
    /// 1 or 2.
    pub version: u8,
    /// Its path below the mount point.
    pub path: String,
    /// `memory.max` or `memory.limit_in_bytes`; `None` without a limit.
    pub limit: Option<u64>,
    /// `memory.high`: from here on the kernel slows the process down; version 2 only.
    pub high: Option<u64>,
    /// What counts against the limit now, page cache included.
    pub usage: Option<u64>,
    /// `usage` without file pages that were not used lately, which the kernel would drop first.
    pub working_set: Option<u64>,
}

impl OsFacts {
    /// Asks the system about process `pid`; what it does not tell is a gap.
    pub fn of_process(pid: u32) -> (OsFacts, Vec<Gap>) {
        OsFacts::below(Path::new("/"), pid)
    }

    /// As [`OsFacts::of_process`], with `/proc` and `/sys` below `root`.
    pub fn below(root: &Path, pid: u32) -> (OsFacts, Vec<Gap>) {
        let mut facts = OsFacts { pid, taken_at: now(), ..OsFacts::default() };
        let mut gaps = Vec::new();
        let proc_pid = root.join("proc").join(pid.to_string());
        match Table::read(&proc_pid.join("status")) {
            Ok(status) => facts.take_status(&status),
            Err(reason) => gaps.push(Gap::new("os", reason)),
        }
        match Table::read(&proc_pid.join("smaps_rollup")) {
            Ok(rollup) => facts.take_rollup(&rollup),
            Err(reason) => gaps.push(Gap::new("os", reason)),
        }
        if let Ok(meminfo) = Table::read(&root.join("proc/meminfo")) {
            facts.ram = meminfo.bytes("MemTotal");
            facts.ram_available = meminfo.bytes("MemAvailable");
        }
        facts.open_files = fs::read_dir(proc_pid.join("fd")).ok().map(|files| files.count() as u64);
        facts.open_files_limit = open_files_limit(&proc_pid);
        facts.uptime_seconds = uptime(root, &proc_pid);
        facts.cgroup = cgroup::of_process(root, &proc_pid);
        (facts, gaps)
    }

    fn take_status(&mut self, status: &Table) {
        self.rss = status.bytes("VmRSS");
        self.rss_peak = status.bytes("VmHWM");
        self.anonymous = status.bytes("RssAnon");
        self.mapped_files = status.bytes("RssFile");
        self.shared = status.bytes("RssShmem");
        self.swap = status.bytes("VmSwap");
        self.threads = status.number("Threads");
    }

    fn take_rollup(&mut self, rollup: &Table) {
        // `status` counts lazily, by up to 64 pages a thread; smaps_rollup walks the page tables.
        self.rss = rollup.bytes("Rss").or(self.rss);
        self.anonymous = rollup.bytes("Anonymous").or(self.anonymous);
        self.pss = rollup.bytes("Pss");
        self.huge_pages = rollup.bytes("AnonHugePages");
        self.lazily_freed = rollup.bytes("LazyFree");
        self.swap = rollup.bytes("Swap").or(self.swap);
    }
}

/// A file of lines `Name:   number kB`.
struct Table(String);

impl Table {
    fn read(path: &PathBuf) -> Result<Table, String> {
        fs::read_to_string(path).map(Table).map_err(|err| format!("{}: {err}", path.display()))
    }

    fn number(&self, name: &str) -> Option<u64> {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Every size in these files is in kB, which means KiB.
    fn bytes(&self, name: &str) -> Option<u64> {
        self.number(name)?.checked_mul(1024)
    }
}

fn open_files_limit(proc_pid: &Path) -> Option<u64> {
    let limits = fs::read_to_string(proc_pid.join("limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Field 22 of `stat`, counted from behind the name in brackets, which may hold blanks.
fn uptime(root: &Path, proc_pid: &Path) -> Option<f64> {
    let stat = fs::read_to_string(proc_pid.join("stat")).ok()?;
    let (_, behind_name) = stat.rsplit_once(") ")?;
    let started: f64 = behind_name.split(' ').nth(19)?.parse().ok()?;
    let now: f64 = fs::read_to_string(root.join("proc/uptime")).ok()?.split(' ').next()?.parse().ok()?;
    Some((now - started / TICKS_A_SECOND).max(0.0))
}
