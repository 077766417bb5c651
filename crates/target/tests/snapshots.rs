//! Snapshots of real Go processes: they equal the process's bytes, and the process goes on as before.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::disallowed_methods, reason = "tests start processes and read /proc")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/gadgets.rs"]
mod gadgets;
#[path = "support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use gadgets::gadgets_of;
use go_process::{GoProcess, Load};
use leakscope_model::Addr;
use leakscope_target::{LiveProcess, Mapping, Mode, Snapshot, SnapshotOptions, TargetError, TargetMemory};

fn options(mode: Mode) -> SnapshotOptions {
    SnapshotOptions { mode, max_pause: Duration::from_millis(200) }
}

fn snapshot(go: &GoProcess, mode: Mode) -> Result<Snapshot, TargetError> {
    let process = LiveProcess::open(go.pid()).unwrap();
    Snapshot::take(&process, gadgets_of(&process), options(mode))
}

/// All writable private memory, read by way of `/proc/PID/mem`.
fn bytes_of(pid: u32, mappings: &[Mapping]) -> Vec<(Addr, Vec<u8>)> {
    let file = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut all = Vec::new();
    for mapping in mappings.iter().filter(|mapping| mapping.read && mapping.write && mapping.len() < 1 << 28)
    {
        let mut bytes = vec![0; usize::try_from(mapping.len()).unwrap()];
        if file.read_exact_at(&mut bytes, mapping.start.get()).is_ok() {
            all.push((mapping.start, bytes));
        }
    }
    all
}

/// How many bytes were the same in `before` and `after`, and how many of them the snapshot shows otherwise.
fn compare_stable(
    snapshot: &Snapshot,
    before: &[(Addr, Vec<u8>)],
    after: &[(Addr, Vec<u8>)],
) -> (usize, usize) {
    let (mut stable, mut differ) = (0, 0);
    for ((start, old), (_, new)) in before.iter().zip(after) {
        let mut seen = vec![0; old.len()];
        snapshot.read_exact(*start, &mut seen).unwrap();
        for ((old, new), seen) in old.iter().zip(new).zip(&seen) {
            stable += usize::from(old == new);
            differ += usize::from(old == new && old != seen);
        }
    }
    (stable, differ)
}

#[test]
fn a_fork_equals_the_process() {
    let go = GoProcess::start("cache-go1.26.6", &["30"]);
    let mappings = LiveProcess::open(go.pid()).unwrap().mappings().unwrap();
    let before = bytes_of(go.pid(), &mappings);
    let snapshot = snapshot(&go, Mode::Fork).unwrap();
    assert_eq!(snapshot.facts().mode, Mode::Fork);
    let after = bytes_of(go.pid(), &mappings);
    let (stable, differ) = compare_stable(&snapshot, &before, &after);
    // It runs all the time: flags, timers and stacks may change and change back between the two looks at it.
    assert!(stable > 30 << 20 && differ < stable / 1000, "{differ} of {stable} bytes differ");
}

/// What we read must not be copied for it: the copies would count as memory of the process, which may be near its limit.
#[test]
fn reading_a_fork_takes_no_memory() {
    let go = GoProcess::start("cache-go1.26.6", &["60"]);
    let snapshot = snapshot(&go, Mode::Fork).unwrap();
    let [(child, _)] = go.children()[..] else { panic!("{:?}", go.children()) };
    let own_pages = || {
        let text = std::fs::read_to_string(format!("/proc/{child}/smaps_rollup")).unwrap();
        let private = text.lines().filter_map(|line| line.strip_prefix("Private_")?.split_once(':'));
        let bytes = |(_, size): (&str, &str)| {
            size.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() << 10
        };
        private.map(bytes).sum::<usize>()
    };
    let before = own_pages();
    let (mut read, mut bytes) = (0, vec![0; 1 << 20]);
    for mapping in snapshot.mappings().iter().filter(|mapping| mapping.read && mapping.write) {
        for start in (mapping.start.get()..mapping.end.get()).step_by(bytes.len()) {
            let part = bytes.len().min(usize::try_from(mapping.end.get() - start).unwrap());
            let ranges = &mut [(Addr::new(start), &mut bytes[..part])];
            read += snapshot.read_many(ranges).into_iter().flatten().count() * part;
        }
    }
    let copied = own_pages().saturating_sub(before);
    assert!(read > 60 << 20, "{read} bytes read");
    assert!(copied < read / 10, "{copied} bytes copied for {read} that were read");
}

#[test]
fn a_stopped_process_equals_itself_to_the_byte() {
    let go = GoProcess::start("cache-go1.26.6", &["30"]);
    let snapshot = snapshot(&go, Mode::Stop).unwrap();
    let now = bytes_of(go.pid(), snapshot.mappings());
    std::thread::sleep(Duration::from_millis(50));
    let later = bytes_of(go.pid(), snapshot.mappings());
    let (stable, differ) = compare_stable(&snapshot, &now, &later);
    assert_eq!((stable, differ), (now.iter().map(|(_, bytes)| bytes.len()).sum(), 0));
}

#[test]
fn a_fork_keeps_its_moment_while_the_process_goes_on() {
    let go = GoProcess::start("cache-go1.26.6", &["30"]);
    let snapshot = snapshot(&go, Mode::Fork).unwrap();
    let mappings: Vec<Mapping> = snapshot.mappings().to_vec();
    let writable = mappings.iter().filter(|mapping| mapping.read && mapping.write && mapping.len() < 1 << 28);
    let read = |mapping: &Mapping| {
        let mut bytes = vec![0; usize::try_from(mapping.len()).unwrap()];
        snapshot.read_exact(mapping.start, &mut bytes).map(|()| bytes)
    };
    let first: Vec<_> = writable.clone().map(read).collect();
    std::thread::sleep(Duration::from_millis(300));
    let second: Vec<_> = writable.map(read).collect();
    assert_eq!(first, second);
    assert!(first.iter().flatten().map(Vec::len).sum::<usize>() > 30 << 20);
    assert_ne!(
        bytes_of(go.pid(), &mappings).into_iter().map(|(_, bytes)| Ok(bytes)).collect::<Vec<_>>(),
        first
    );
}

#[test]
fn nothing_stays_behind_and_requests_are_answered() {
    for name in ["pong-go1.26.6", "pong-go1.24.3"] {
        let mut go = GoProcess::start(name, &["-heap", "50"]);
        // Go blocks signals for a moment whenever it starts a thread: let it settle.
        std::thread::sleep(Duration::from_millis(200));
        let masks = go.blocked_signals();
        let load = Load::start(&go.said("http"), 4);
        for mode in [Mode::Fork, Mode::Stop, Mode::Fork, Mode::Live, Mode::Fork] {
            let snapshot = snapshot(&go, mode).unwrap();
            assert_eq!(snapshot.facts().mode, mode);
            assert_eq!(snapshot.threads().is_empty(), mode == Mode::Live);
            let facts = snapshot.release();
            assert!(facts.pause < Duration::from_secs(1), "{facts:?}");
            assert_eq!(go.children(), []);
            assert_eq!(go.disturbed_threads(), Vec::<String>::new());
        }
        let (answered, failures) = load.end();
        assert_eq!(failures, Vec::<String>::new());
        assert!(answered > 50, "{answered}");
        std::thread::sleep(Duration::from_millis(200));
        let masks_now = go.blocked_signals();
        let old = masks_now.iter().filter(|(tid, _)| masks.iter().any(|(old, _)| old == tid));
        assert_eq!(old.cloned().collect::<Vec<_>>(), masks, "a signal mask was changed");
        assert!(go.is_alive());
    }
}

#[test]
fn processes_that_the_target_starts_meanwhile_are_let_alone() {
    let mut go = GoProcess::start("pong-go1.26.6", &[]);
    let load = Load::on(&go.said("http"), "/exec", 3);
    let taken = (0..30).filter(|_| snapshot(&go, Mode::Fork).is_ok()).count();
    let (answered, failures) = load.end();
    assert_eq!(failures, Vec::<String>::new());
    assert!(
        answered > 10 && taken > 25 && go.is_alive(),
        "{answered} processes made, {taken} snapshots taken"
    );
    assert_eq!(go.disturbed_threads(), Vec::<String>::new());
    assert_eq!(go.children(), []);
}

#[test]
fn a_held_child_stands_and_is_the_first_to_go() {
    let go = GoProcess::start("pong-go1.26.6", &[]);
    let snapshot = snapshot(&go, Mode::Auto).unwrap();
    assert_eq!((snapshot.facts().mode, snapshot.facts().why.as_deref()), (Mode::Fork, None));
    let [(child, state)] = go.children()[..] else { panic!("{:?}", go.children()) };
    assert_eq!(state, 't');
    let oom = std::fs::read_to_string(format!("/proc/{child}/oom_score_adj")).unwrap();
    assert_eq!(oom.trim(), "1000");
    assert_eq!(go.disturbed_threads(), Vec::<String>::new());
}

#[test]
fn a_snapshot_lets_the_files_of_a_dead_process_go() {
    let mut go = GoProcess::start("pong-go1.26.6", &[]);
    let server = go.said("http");
    let snapshot = snapshot(&go, Mode::Fork).unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(go.pid()).unwrap()),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    std::thread::sleep(Duration::from_millis(500));
    assert!(!go.is_alive());
    assert!(std::net::TcpListener::bind(&server).is_ok(), "the port is still taken");
    assert_eq!(snapshot.lost(), Some("the process has ended"));
    let err = snapshot.read_exact(snapshot.mappings()[0].start, &mut [0; 8]).unwrap_err();
    assert_eq!(err.fault, snapshot.mappings()[0].start);
}

#[test]
fn a_read_into_a_hole_names_its_first_address() {
    let go = GoProcess::start("pong-go1.26.6", &[]);
    let snapshot = snapshot(&go, Mode::Fork).unwrap();
    let first = snapshot.mappings()[0].clone();
    let hole = Addr::new(first.start.get() - 4096);
    let err = snapshot.read_exact(hole, &mut [0; 16]).unwrap_err();
    assert_eq!((err.addr, err.fault), (hole, hole));
    let heap = snapshot.mappings().iter().rev().find(|mapping| mapping.write && mapping.read).unwrap();
    let over = Addr::new(heap.end.get() - 8);
    if !snapshot.mappings().iter().any(|mapping| mapping.contains(heap.end)) {
        let err = snapshot.read_exact(over, &mut [0; 16]).unwrap_err();
        assert_eq!((err.addr, err.fault), (over, heap.end));
    }
    let (mut good, mut bad, mut last) = ([0_u8; 4], [0_u8; 4], [0_u8; 4]);
    let mut ranges = [
        (first.start, &mut good[..]),
        (hole, &mut bad[..]),
        (Addr::new(first.start.get() + 1), &mut last[..]),
    ];
    let answers = snapshot.read_many(&mut ranges);
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!((&good, &last[..3]), (b"\x7fELF", &b"ELF"[..]));
}

#[test]
fn a_seccomp_filter_against_clone_is_seen_and_not_tried() {
    for (kind, answer) in [("errno", "ERRNO"), ("kill", "KILL_PROCESS")] {
        let mut go = GoProcess::start("pong-go1.26.6", &["-seccomp", kind]);
        let load = Load::start(&go.said("http"), 2);
        let refused = snapshot(&go, Mode::Fork).unwrap_err().to_string();
        assert!(refused.contains(&format!("seccomp filter answers {answer} to clone")), "{refused}");
        let snapshot = snapshot(&go, Mode::Auto).unwrap();
        assert_eq!(snapshot.facts().mode, Mode::Stop);
        assert!(snapshot.facts().why.as_deref().unwrap().contains("seccomp"), "{:?}", snapshot.facts());
        drop(snapshot);
        assert_eq!(go.disturbed_threads(), Vec::<String>::new());
        let (answered, failures) = load.end();
        assert_eq!(failures, Vec::<String>::new());
        assert!(answered > 0 && go.is_alive());
    }
}

#[test]
fn what_cannot_be_looked_into_is_said() {
    let gone = LiveProcess::open(u32::MAX / 4).unwrap_err();
    assert!(matches!(gone, TargetError::NoProcess { .. }), "{gone}");
    let go = GoProcess::start("pong-go1.26.6", &[]);
    let held = snapshot(&go, Mode::Stop).unwrap();
    let traced = LiveProcess::open(go.pid()).unwrap_err().to_string();
    assert!(traced.contains("is tracing it already") && traced.contains("kill "), "{traced}");
    drop(held);
    LiveProcess::open(go.pid()).unwrap();
}

#[test]
fn a_process_that_its_user_stopped_stays_stopped() {
    let go = GoProcess::start("pong-go1.26.6", &[]);
    let pid = nix::unistd::Pid::from_raw(i32::try_from(go.pid()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP).unwrap();
    let stopped =
        |go: &GoProcess| go.disturbed_threads().iter().filter(|line| line.contains("T (stopped)")).count();
    std::thread::sleep(Duration::from_millis(50));
    let before = stopped(&go);
    assert!(before > 0);
    let snapshot = snapshot(&go, Mode::Auto).unwrap();
    assert_eq!(snapshot.facts().mode, Mode::Stop, "no thread of it may be sent anywhere");
    drop(snapshot);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(stopped(&go), before);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    go.within(Duration::from_secs(1), GoProcess::disturbed_threads);
}

#[test]
fn a_process_of_another_user_is_refused_with_the_way_out() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let nobody = 65534;
    let go = GoProcess::start("pong-go1.26.6", &[]);
    let owner = nix::unistd::geteuid();
    let message = if owner.is_root() {
        // Where nobody may reach it.
        let folder =
            tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
        let program = folder.path().join("snapshot");
        std::fs::copy(go_process::snapshot_example(), &program).unwrap();
        let mut command = std::process::Command::new(&program);
        let output =
            command.arg(go.pid().to_string()).current_dir("/").uid(nobody).gid(nobody).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    } else {
        LiveProcess::open(1).unwrap_err().to_string()
    };
    assert!(message.starts_with("not allowed to attach to process"), "{message}");
    assert!(message.contains("it runs as user id 0 and we as"), "{message}");
    assert!(message.contains("sudo"), "{message}");
}
