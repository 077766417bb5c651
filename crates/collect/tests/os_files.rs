//! `/proc` and `/sys` as other machines have them: cgroups of both versions, nested limits, files not there.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test with files")]

use std::fs;
use std::path::Path;

use leakscope_collect::{CgroupFacts, OsFacts};
use tempfile::TempDir;

fn tree(files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn cgroup(files: &[(&str, &str)]) -> Option<CgroupFacts> {
    OsFacts::below(tree(files).path(), 7).0.cgroup
}

#[test]
fn version_2_takes_the_tightest_limit_on_the_way_up() {
    let facts = cgroup(&[
        ("proc/7/cgroup", "0::/kubepods/pod1/main\n"),
        ("sys/fs/cgroup/kubepods/pod1/main/memory.current", "300\n"),
        ("sys/fs/cgroup/kubepods/pod1/main/memory.max", "max\n"),
        ("sys/fs/cgroup/kubepods/pod1/memory.current", "400\n"),
        ("sys/fs/cgroup/kubepods/pod1/memory.max", "1000\n"),
        ("sys/fs/cgroup/kubepods/pod1/memory.high", "900\n"),
        ("sys/fs/cgroup/kubepods/pod1/memory.stat", "anon 250\ninactive_file 100\nactive_file 50\n"),
        ("sys/fs/cgroup/kubepods/memory.current", "5000\n"),
        ("sys/fs/cgroup/kubepods/memory.max", "8000\n"),
    ]);
    let expected = CgroupFacts {
        version: 2,
        path: "/kubepods/pod1".to_owned(),
        limit: Some(1000),
        high: Some(900),
        usage: Some(400),
        working_set: Some(300),
    };
    assert_eq!(facts, Some(expected));
}

#[test]
fn version_2_inside_a_container() {
    let facts = cgroup(&[
        ("proc/7/cgroup", "0::/../../main\n"),
        ("sys/fs/cgroup/memory.current", "300\n"),
        ("sys/fs/cgroup/memory.max", "4096\n"),
    ]);
    assert_eq!(facts.map(|facts| (facts.path, facts.limit)), Some(("/".to_owned(), Some(4096))));
}

#[test]
fn version_1_without_a_limit() {
    let facts = cgroup(&[
        ("proc/7/cgroup", "12:cpu,cpuacct:/a\n5:memory:/docker/abc\n0::/x\n"),
        ("sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes", "700\n"),
        ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/docker/abc/memory.stat", "inactive_file 1\ntotal_inactive_file 200\n"),
    ]);
    let facts = facts.unwrap();
    assert_eq!((facts.version, facts.limit, facts.usage, facts.working_set), (1, None, Some(700), Some(500)));
}

#[test]
fn sizes_are_bytes_and_the_page_tables_are_believed() {
    let root = tree(&[
        (
            "proc/7/status",
            "Name:\ta b) c\nVmHWM:\t    9 kB\nVmRSS:\t    5 kB\nRssFile:\t    1 kB\nThreads:\t3\n",
        ),
        (
            "proc/7/smaps_rollup",
            "400000-7ff ---p 00000000 00:00 0  [rollup]\nRss:     6 kB\nAnonymous:   4 kB\n",
        ),
        (
            "proc/7/limits",
            "Max cpu time   unlimited  unlimited  seconds\nMax open files   1024   4096   files\n",
        ),
        ("proc/7/stat", "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 12345 0 0\n"),
        ("proc/uptime", "223.45 1.0\n"),
        ("proc/meminfo", "MemTotal:       1000 kB\nMemAvailable:   600 kB\n"),
    ]);
    let (facts, gaps) = OsFacts::below(root.path(), 7);
    assert_eq!(gaps, []);
    assert_eq!((facts.rss, facts.rss_peak, facts.anonymous), (Some(6144), Some(9216), Some(4096)));
    assert_eq!(
        (facts.mapped_files, facts.threads, facts.open_files_limit),
        (Some(1024), Some(3), Some(1024))
    );
    assert_eq!((facts.ram, facts.ram_available), (Some(1_024_000), Some(614_400)));
    assert!((facts.uptime_seconds.unwrap() - 100.0).abs() < 1e-6, "{:?}", facts.uptime_seconds);
    assert_eq!(facts.cgroup, None);
}

#[test]
fn what_is_not_there_is_a_gap() {
    let root = tempfile::tempdir().unwrap();
    let (facts, gaps) = OsFacts::below(root.path(), 7);
    assert_eq!(facts.rss, None);
    assert_eq!(gaps.len(), 2);
    assert!(gaps[0].reason.contains("proc/7/status: No such file"), "{}", gaps[0].reason);
}
