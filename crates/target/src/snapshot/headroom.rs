//! How much memory the target may still take before a limit of its own, or the machine's, stops it.

use std::fs;
use std::path::{Path, PathBuf};

/// Left below a limit while a child is held, a snapshot is given up: 1/20 of the limit.
const TIGHT_FRACTION: u64 = 20;

/// The tightest limit on a process's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Headroom {
    /// Bytes that are still to be had.
    pub(super) left: u64,
    /// Bytes to be had in all.
    pub(super) limit: u64,
    /// Where the limit stands, for messages.
    pub(super) source: String,
}

/// One kind of control group, with the names of its files.
struct Hierarchy {
    mounted_at: PathBuf,
    limits: &'static [&'static str],
    usage: &'static str,
    reclaimable: &'static str,
}

/// The tightest of the cgroup limits above `pid` and the machine's free memory; `None` if none can be read.
pub(super) fn of(pid: u32) -> Option<Headroom> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let limited = hierarchies(&groups, &mounts)
        .into_iter()
        .flat_map(|(hierarchy, path)| limits_above(&hierarchy, &path));
    limited.chain(machine()).min_by_key(|headroom| headroom.left)
}

/// Whether a snapshot must be given up now, and why.
pub(super) fn too_tight(pid: u32) -> Option<String> {
    let Headroom { left, limit, source } = of(pid)?;
    let mib = left >> 20;
    (left < limit / TIGHT_FRACTION).then(|| format!("only {mib} MiB are left below {source}"))
}

/// What the machine has left (`MemAvailable`).
fn machine() -> Option<Headroom> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kibibytes = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key))?;
        value.split_whitespace().next()?.parse::<u64>().ok()
    };
    let left = kibibytes("MemAvailable:")?.saturating_mul(1024);
    let limit = kibibytes("MemTotal:")?.saturating_mul(1024);
    Some(Headroom { left, limit, source: "the machine's memory".to_owned() })
}

/// The hierarchies that may limit memory, each with the group's path in it.
fn hierarchies(groups: &str, mounts: &str) -> Vec<(Hierarchy, PathBuf)> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let hierarchy = match controllers {
            "" => mount_point(mounts, "cgroup2", "").map(unified),
            _ if controllers.split(',').any(|name| name == "memory") => {
                mount_point(mounts, "cgroup", "memory").map(legacy)
            }
            _ => None,
        };
        found.extend(hierarchy.map(|hierarchy| (hierarchy, PathBuf::from(path.trim_start_matches('/')))));
    }
    found
}

fn unified(mounted_at: PathBuf) -> Hierarchy {
    Hierarchy {
        mounted_at,
        limits: &["memory.max", "memory.high"],
        usage: "memory.current",
        reclaimable: "inactive_file",
    }
}

fn legacy(mounted_at: PathBuf) -> Hierarchy {
    Hierarchy {
        mounted_at,
        limits: &["memory.limit_in_bytes"],
        usage: "memory.usage_in_bytes",
        reclaimable: "total_inactive_file",
    }
}

/// Where a file system of `kind` with `option` among its own options is mounted (`proc_pid_mountinfo(5)`).
fn mount_point(mounts: &str, kind: &str, option: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, behind) = line.split_once(" - ")?;
        let mut fields = behind.split(' ');
        let options = (fields.next()? == kind).then(|| fields.nth(1))??;
        let wanted = option.is_empty() || options.split(',').any(|given| given == option);
        wanted.then(|| before.split(' ').nth(4).map(PathBuf::from))?
    })
}

/// The limits of the group at `path` and of every group above it.
fn limits_above(hierarchy: &Hierarchy, path: &Path) -> Vec<Headroom> {
    path.ancestors().flat_map(|group| limits_of(hierarchy, &hierarchy.mounted_at.join(group))).collect()
}

fn limits_of(hierarchy: &Hierarchy, group: &Path) -> Vec<Headroom> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let Some(usage) = number(hierarchy.usage) else { return Vec::new() };
    let usage = usage.saturating_sub(stat_field(&stat, hierarchy.reclaimable).unwrap_or(0));
    let headroom = |name: &&str| {
        // "max" is no number, and the legacy files write "no limit" as the largest number of pages.
        let limit = number(name).filter(|limit| *limit < 1 << 60)?;
        Some(Headroom {
            left: limit.saturating_sub(usage),
            limit,
            source: group.join(name).display().to_string(),
        })
    };
    hierarchy.limits.iter().filter_map(headroom).collect()
}

fn stat_field(stat: &str, key: &str) -> Option<u64> {
    let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MOUNTS: &str = "30 24 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n\
                          35 30 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:15 - cgroup cgroup rw,memory\n\
                          31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:11 - cgroup2 cgroup2 rw,nsdelegate\n";

    #[test]
    fn both_kinds_of_hierarchy_are_found() {
        assert_eq!(mount_point(MOUNTS, "cgroup", "memory"), Some(PathBuf::from("/sys/fs/cgroup/memory")));
        assert_eq!(mount_point(MOUNTS, "cgroup2", ""), Some(PathBuf::from("/sys/fs/cgroup/unified")));
        assert_eq!(mount_point(MOUNTS, "cgroup", "cpu"), None);
        let found = hierarchies("4:memory:/pods/one\n1:cpu:/x\n0::/system.slice/a\n", MOUNTS);
        let paths: Vec<_> = found.iter().map(|(_, path)| path.clone()).collect();
        assert_eq!(paths, [PathBuf::from("pods/one"), PathBuf::from("system.slice/a")]);
    }

    #[test]
    fn the_tightest_limit_of_all_groups_above_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        fs::create_dir_all(root.path().join("pods/one")).unwrap();
        write("pods/memory.max", "1000000\n");
        write("pods/memory.current", "900000\n");
        write("pods/memory.stat", "anon 5\ninactive_file 100000\n");
        write("pods/one/memory.max", "max\n");
        write("pods/one/memory.high", "5000000\n");
        write("pods/one/memory.current", "10\n");
        let found = limits_above(&unified(root.path().to_owned()), Path::new("pods/one"));
        let left: Vec<u64> = found.iter().map(|headroom| headroom.left).collect();
        assert_eq!(left, [4_999_990, 200_000]);
    }

    proptest! {
        #[test]
        fn no_text_panics(groups: String, mounts: String, stat: String) {
            let _ = hierarchies(&groups, &mounts);
            let _ = mount_point(&mounts, "cgroup", "memory");
            let _ = stat_field(&stat, "anon");
        }
    }
}
