//! Cores of a real Go process by gcore, delve and the kernel, against what the process itself showed.
//!
//! Truth is `/proc/PID/mem`, `/proc/PID/task` and `/proc/PID/maps` of the process while it stands still
//! (`SIGSTOP`), and the bytes of its executable.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test with processes and files"
)]

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use leakscope_model::Addr;
use leakscope_target::core_file::MissingBecause;
use leakscope_target::{BuildIds, CoreFile, MappedFile, TargetMemory};
use tempfile::TempDir;

/// A Go process of ours; killed at the end.
struct Victim {
    child: Child,
    exe: PathBuf,
    /// Held open: a Go program dies of writing to a closed pipe.
    _said: BufReader<ChildStdout>,
}

impl Victim {
    /// Starts the fixture `name` in `folder` and waits until it says that it is ready.
    fn start(name: &str, folder: &Path) -> Victim {
        let exe = fixture(name);
        let shell = format!("ulimit -c unlimited && exec {} 300", exe.display());
        let mut child = Command::new("sh")
            .args(["-c", &shell])
            .current_dir(folder)
            .env("GOTRACEBACK", "crash")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("READY") {
            line.clear();
            assert!(said.read_line(&mut line).unwrap() > 0, "{name} ended before it was ready");
        }
        Victim { child, exe, _said: said }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid() as i32), signal).unwrap();
    }

    /// Stops it and waits until every thread stands.
    fn stand_still(&self) {
        self.signal(nix::sys::signal::SIGSTOP);
        let stands = |tid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{}/task/{tid}/stat", self.pid())).unwrap();
            stat.contains(") T ")
        };
        while !self.threads().iter().all(stands) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn threads(&self) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let mut tids: Vec<u32> =
            tasks.map(|task| task.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
        tids.sort_unstable();
        tids
    }

    /// Every writable private mapping and its bytes now; a kernel page such as `[vvar]` is not among them.
    fn written_memory(&self) -> Vec<(u64, Vec<u8>)> {
        let mem = File::open(format!("/proc/{}/mem", self.pid())).unwrap();
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.pid())).unwrap();
        let writable = maps.lines().filter(|line| line.contains(" rw-p ")).map(|line| {
            let (start, end) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
            let (start, end) =
                (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
            let mut bytes = vec![0; (end - start) as usize];
            mem.read_exact_at(&mut bytes, start).unwrap();
            (start, bytes)
        });
        writable.collect()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `./test` keeps toolchains, fixtures and dlv.
fn cache() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/leakscope");
    std::env::var_os("LEAKSCOPE_CACHE").map_or_else(home, PathBuf::from)
}

fn fixture(name: &str) -> PathBuf {
    let folder =
        std::env::var_os("LEAKSCOPE_FIXTURES").map_or_else(|| cache().join("fixtures"), PathBuf::from);
    let exe = folder.join(name);
    assert!(exe.exists(), "{} is missing: run ./test", exe.display());
    exe
}

/// A tool on the path, or delve where `./test` puts it.
fn tool(name: &str) -> Command {
    let cached = cache().join("bin").join(name);
    let on_path = || Command::new("which").arg(name).output().unwrap().status.success();
    match cached.exists() {
        true => Command::new(cached),
        false => {
            assert!(on_path(), "{name} is missing: run ./test");
            Command::new(name)
        }
    }
}

/// How many bytes differ between what the process showed and what the core holds; and how many were compared.
fn compare(core: &CoreFile, truth: &[(u64, Vec<u8>)]) -> (usize, usize) {
    let (mut differ, mut all) = (0, 0);
    for (start, expected) in truth {
        let mut bytes = vec![0; expected.len()];
        core.read_exact(Addr::new(*start), &mut bytes).expect("all that was writable is in the core");
        differ += bytes.iter().zip(expected).filter(|(a, b)| a != b).count();
        all += bytes.len();
    }
    (differ, all)
}

/// The read-only data and the text are those of the executable, and both sides agree on the build ID.
fn check_executable(core: CoreFile, exe: &Path) -> CoreFile {
    let file = fs::read(exe).unwrap();
    let ids = BuildIds::of_file(&file).unwrap();
    let core = core.with_executable(exe, MappedFile::open(exe).unwrap().into()).unwrap();
    let missing: Vec<_> =
        core.missing().into_iter().filter(|gap| gap.because == MissingBecause::CutOff).collect();
    assert_eq!(missing, []);
    assert_eq!(core.build_ids(), Some(ids.clone()));
    assert_eq!(ids.go, go_build_id(exe));
    let own = core.mappings().iter().filter(|m| m.path == exe.to_str().unwrap() && m.read && !m.write);
    let mut seen = 0;
    for mapping in own {
        let len = (mapping.end.get() - mapping.start.get()) as usize;
        let from = mapping.offset as usize;
        let len = len.min(file.len() - from);
        let mut bytes = vec![0; len];
        core.read_exact(mapping.start, &mut bytes).unwrap();
        // Delve leaves its breakpoints (int3) on runtime.throw and its like in the dump.
        let differ = bytes.iter().zip(&file[from..from + len]).filter(|(ours, theirs)| ours != theirs);
        let differ: Vec<u8> = differ.map(|(ours, _)| *ours).collect();
        assert!(differ.len() <= 8 && differ.iter().all(|&byte| byte == 0xcc), "{mapping:?}: {differ:x?}");
        seen += len;
    }
    assert!(seen > 1 << 20, "{seen} bytes of the executable were compared: {:#?}", core.mappings());
    core
}

/// What `go tool buildid` says; the tool of any version reads it.
fn go_build_id(exe: &Path) -> Option<String> {
    let go =
        PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/leakscope/toolchains/go1.26.6/bin/go");
    let output = Command::new(go).args(["tool", "buildid"]).arg(exe).output().expect("run ./test");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

#[test]
fn gcore_shows_what_the_process_showed() {
    let folder = TempDir::new().unwrap();
    let victim = Victim::start("leak-go1.24.3", folder.path());
    victim.stand_still();
    let (threads, truth) = (victim.threads(), victim.written_memory());
    let prefix = folder.path().join("core");
    let output = tool("gcore").arg("-o").arg(&prefix).arg(victim.pid().to_string()).output().unwrap();
    let path = folder.path().join(format!("core.{}", victim.pid()));
    assert!(path.exists(), "{}", String::from_utf8_lossy(&output.stderr));

    let core = CoreFile::open(&path).unwrap();
    assert_eq!(core.executable_hint().as_deref(), Some(&*victim.exe));
    let core = check_executable(core, &victim.exe);
    let mut tids: Vec<u32> = core.threads().iter().map(|thread| thread.tid).collect();
    tids.sort_unstable();
    assert_eq!(tids, threads);
    assert_eq!(core.process().unwrap().pid, victim.pid());
    assert!(core.process().unwrap().arguments.ends_with("leak-go1.24.3"), "{:?}", core.process());
    let (differ, all) = compare(&core, &truth);
    assert_eq!(differ, 0, "of {all} bytes");
    assert!(all > 4 << 20);
}

#[test]
fn delves_dump_shows_what_the_process_showed() {
    let folder = TempDir::new().unwrap();
    let victim = Victim::start("leak-go1.26.6", folder.path());
    let path = folder.path().join("dlv.core");
    let script = folder.path().join("script");
    // Delve cannot attach to a process that SIGSTOP holds: the process runs until then, so what a busy thread
    // writes meanwhile may differ.
    let truth = victim.written_memory();
    let threads = victim.threads();
    fs::write(&script, format!("dump {}\nexit\n", path.display())).unwrap();
    let output = tool("dlv")
        .args(["attach", &victim.pid().to_string(), "--allow-non-terminal-interactive=true", "--init"])
        .arg(&script)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(path.exists(), "{}", String::from_utf8_lossy(&output.stderr));

    let core = check_executable(CoreFile::open(&path).unwrap(), &victim.exe);
    assert_eq!(core.process().unwrap().pid, victim.pid());
    let mut tids: Vec<u32> = core.threads().iter().map(|thread| thread.tid).collect();
    tids.sort_unstable();
    assert_eq!(tids, threads);
    let (differ, all) = compare(&core, &truth);
    assert!(differ * 100 < all, "{differ} of {all} bytes differ");
}

#[test]
fn the_kernels_core_shows_what_the_process_showed() {
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    // A pipe or a folder of the system's choice: where the core goes then is not ours to find.
    let beside_the_process = !pattern.starts_with('|') && !pattern.contains('/');
    assert!(beside_the_process, "cores go to {pattern:?}; as root: sysctl kernel.core_pattern=core");
    let folder = TempDir::new().unwrap();
    let mut victim = Victim::start("leak-go1.26.6", folder.path());
    victim.stand_still();
    let truth = victim.written_memory();
    let exe = victim.exe.clone();
    // Queue the abort while it stands, so that it dies on the first instruction after SIGCONT.
    victim.signal(nix::sys::signal::SIGABRT);
    victim.signal(nix::sys::signal::SIGCONT);
    victim.child.wait().unwrap();
    let found = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let path = found
        .into_iter()
        .find(|path| path.file_name().unwrap().to_str().unwrap().starts_with("core"))
        .unwrap();

    let core = CoreFile::open(&path).unwrap();
    assert_eq!(core.executable_hint().as_deref(), Some(&*exe));
    assert_eq!(core.process().unwrap().pid, victim.pid());
    let text_left_out: u64 = core.missing().iter().map(|gap| gap.len()).sum();
    assert!(text_left_out > 1 << 20, "{text_left_out}: the kernel leaves out what it can read from the file");
    let core = check_executable(core, &exe);
    let (differ, all) = compare(&core, &truth);
    assert!(differ * 50 < all, "{differ} of {all} bytes differ");
}

#[test]
fn the_executable_of_another_version_is_refused() {
    let folder = TempDir::new().unwrap();
    let victim = Victim::start("leak-go1.26.6", folder.path());
    let path = folder.path().join("dlv.core");
    let script = folder.path().join("script");
    fs::write(&script, format!("dump {}\nexit\n", path.display())).unwrap();
    let pid = victim.pid().to_string();
    let mut dlv = tool("dlv");
    dlv.args(["attach", &pid, "--allow-non-terminal-interactive=true", "--init"]).arg(&script);
    dlv.stdin(Stdio::null()).output().unwrap();

    let other = fixture("leak-go1.24.3");
    let bytes = MappedFile::open(&other).unwrap();
    let err = CoreFile::open(&path).unwrap().with_executable(&other, bytes.into()).unwrap_err().to_string();
    assert!(err.contains("taken of another build than") && err.contains("leak-go1.24.3"), "{err}");
}
