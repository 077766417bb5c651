//! The memory limit of a process's control group, of version 1 or 2.
//!
//! Authority: `Documentation/admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst` of the kernel.

use std::fs;
use std::path::{Path, PathBuf};

use crate::os::CgroupFacts;

/// Version 1 writes "no limit" as the largest multiple of the page size; everything above this means the same.
const NO_LIMIT: u64 = 1 << 62;

/// The group that limits the process of `proc_pid` the tightest; `None` if it is in none that limits memory.
pub(crate) fn of_process(root: &Path, proc_pid: &Path) -> Option<CgroupFacts> {
    let groups = fs::read_to_string(proc_pid.join("cgroup")).ok()?;
    let v1 = groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        controllers.split(',').any(|controller| controller == "memory").then_some(path)
    });
    match v1 {
        Some(path) => tightest(&root.join("sys/fs/cgroup/memory"), path, version_1),
        None => {
            let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
            let mounts = [root.join("sys/fs/cgroup"), root.join("sys/fs/cgroup/unified")];
            mounts.iter().find_map(|mount| tightest(mount, path, version_2))
        }
    }
}

/// A limit of any ancestor holds too: walks up, keeps the group with the lowest limit, else the process's own.
fn tightest(mount: &Path, path: &str, read: fn(&Path) -> Option<CgroupFacts>) -> Option<CgroupFacts> {
    // Seen from another cgroup namespace, the path starts with `/..`: it lies outside of what is mounted here.
    let inside = if path.contains("..") { "" } else { path.trim_start_matches('/') };
    let mut folder: PathBuf = mount.join(inside);
    let mut best: Option<CgroupFacts> = None;
    loop {
        if let Some(mut facts) = read(&folder) {
            facts.path = format!("/{}", folder.strip_prefix(mount).ok()?.display());
            let tighter = |best: &CgroupFacts| facts.limit.is_some_and(|l| best.limit.is_none_or(|b| l < b));
            if best.as_ref().is_none_or(tighter) {
                best = Some(facts);
            }
        }
        if folder == mount || !folder.pop() {
            return best;
        }
    }
}

fn version_2(folder: &Path) -> Option<CgroupFacts> {
    // The root group has no such files.
    let usage = number(&folder.join("memory.current"))?;
    let inactive = field(&folder.join("memory.stat"), "inactive_file");
    Some(CgroupFacts {
        version: 2,
        path: String::new(),
        limit: number(&folder.join("memory.max")),
        high: number(&folder.join("memory.high")),
        usage: Some(usage),
        working_set: inactive.map(|inactive| usage.saturating_sub(inactive)),
    })
}

fn version_1(folder: &Path) -> Option<CgroupFacts> {
    let usage = number(&folder.join("memory.usage_in_bytes"))?;
    let inactive = field(&folder.join("memory.stat"), "total_inactive_file");
    Some(CgroupFacts {
        version: 1,
        path: String::new(),
        limit: number(&folder.join("memory.limit_in_bytes")).filter(|&limit| limit < NO_LIMIT),
        high: None,
        usage: Some(usage),
        working_set: inactive.map(|inactive| usage.saturating_sub(inactive)),
    })
}

/// A file with one number; `max` is none.
fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A line `name number`.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}
