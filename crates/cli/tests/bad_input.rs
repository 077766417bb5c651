//! What cannot be read: each case with its message, status 2, and nothing on standard output.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the tests start programs and write files"
)]

#[path = "../../target/tests/support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;
mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use go_process::{GoProcess, fixture};
use support::debuggers::gcore;
use support::{leakscope, shell};

/// A process that says nothing of itself.
struct Sleeper(Child);

impl Sleeper {
    /// A Go program that waits for the end of its input.
    fn start(program: &Path) -> Sleeper {
        let mut child = Command::new(program);
        let child = child.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
        std::thread::sleep(Duration::from_millis(500));
        Sleeper(child)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_process_that_is_not_there() {
    let mut gone = Command::new("true").spawn().expect("it starts");
    let pid = gone.id().to_string();
    gone.wait().expect("it ends");
    leakscope(&["diagnose", &pid]).could_not(&[&format!("no process {pid}")]);
    leakscope(&["diagnose", "name:no-such-process-here"])
        .could_not(&["no process is called no-such-process-here"]);
}

#[test]
fn a_process_that_is_not_go() {
    let sleeper = Sleeper(Command::new("sleep").arg("60").spawn().expect("it starts"));
    let pid = sleeper.0.id().to_string();
    leakscope(&["diagnose", &pid]).could_not(&[&pid, "sleep", "not a Go program"]);
}

/// The build information of a real program says another version: the oldest that is read is Go 1.21.
#[test]
fn a_process_of_a_go_without_layout() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = folder.path().join("old");
    let mut program = fs::read(fixture("quiet-go1.24.3")).expect("it is built");
    let blob = find(&program, b"\xff Go buildinf:").expect("build information");
    let version = blob + find(&program[blob..], b"go1.24.3").expect("a version behind it");
    program[version..version + 8].copy_from_slice(b"go1.19.3");
    fs::write(&old, program).expect("it is written");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let process = Sleeper::start(&old);
    leakscope(&["diagnose", &process.0.id().to_string()])
        .could_not(&["go1.19.3", "rebuild with Go 1.21 or later"]);
}

/// Without debug information layouts come from our tables, and the report says so.
#[test]
fn a_process_without_debug_information() {
    for (program, go) in
        [("symbols-stripped-go1.26.6", "go1.26.6"), ("symbols-pie-stripped-go1.27.3", "go1.27.3")]
    {
        let process = Sleeper::start(&fixture(program));
        let run = leakscope(&["diagnose", &process.0.id().to_string(), "--for", "0s", "--json"]);
        let report = run.json();
        assert_eq!(report["target"]["debug"], "stripped", "{program}: {run:?}");
        assert_eq!(report["target"]["go"], go, "{program}");
        assert!(report["memory"]["heap_live"].as_u64().expect("a number") > 50_000, "{program}: {report:#}");
    }
}

/// A release after all that we have tables for is read by the newest of them, and the report says what that is worth.
#[test]
fn a_process_without_debug_information_of_a_go_without_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let new = folder.path().join("new");
    let mut program = fs::read(fixture("symbols-stripped-go1.27.3")).expect("it is built");
    let blob = find(&program, b"\xff Go buildinf:").expect("build information");
    let version = blob + find(&program[blob..], b"go1.27.3").expect("a version behind it");
    program[version..version + 8].copy_from_slice(b"go1.39.1");
    fs::write(&new, program).expect("it is written");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let process = Sleeper::start(&new);
    let run = leakscope(&["diagnose", &process.0.id().to_string(), "--for", "0s", "--json"]);
    let report = run.json();
    let gaps = report["gaps"].as_array().expect("gaps");
    let said = gaps.iter().any(|gap| {
        let reason = gap["reason"].as_str().unwrap_or_default();
        gap["part"] == "layout"
            && reason.contains("go1.39.1")
            && reason.contains("go1.27.layout")
            && reason.contains("possible at best")
    });
    assert!(said, "{gaps:#?}");
}

/// As root another user looks at our process; else we look at the first process, which is root's.
#[test]
fn a_process_that_is_not_ours() {
    let process = GoProcess::start("quiet-go1.26.6", &[]);
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let copy = folder.path().join("leakscope");
    fs::copy(env!("CARGO_BIN_EXE_leakscope"), &copy).expect("it is built");
    let we_are_root = fs::metadata("/proc/self").expect("proc is mounted").uid() == 0;
    let run = match we_are_root {
        true => shell(&format!(
            "exec setpriv --reuid 65534 --regid 65534 --clear-groups {} diagnose {}",
            path(&copy),
            process.pid()
        )),
        false => leakscope(&["diagnose", "1"]),
    };
    run.could_not(&["not allowed to attach to process", "sudo"]);
}

/// Where `wanted` begins in `bytes`.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[test]
fn files_that_are_no_target() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.txt");
    fs::write(&text, "not a core\n").expect("it is written");
    leakscope(&["diagnose", path(&text)]).could_not(&["notes.txt is neither a core, a capture"]);
    leakscope(&["diagnose", path(&folder.path().join("missing"))]).could_not(&["missing", "No such file"]);
    leakscope(&["diagnose", "/bin/true"]).could_not(&["/bin/true is an executable, not a core"]);
}

#[test]
fn cores_that_are_torn_or_of_another_build() {
    let service = GoProcess::start("quiet-go1.26.6", &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let core = gcore(service.pid(), folder.path());
    let exe = fixture("quiet-go1.26.6");
    let other = fixture("leak-go1.26.6");
    leakscope(&["heap", "summary", path(&core), "--exe", path(&other)]).could_not(&[
        "do not go together",
        "taken of another build than",
        "leak-go1.26.6",
    ]);
    fs::OpenOptions::new()
        .write(true)
        .open(&core)
        .and_then(|file| file.set_len(256 << 10))
        .expect("it is cut");
    let torn = leakscope(&["heap", "summary", path(&core), "--exe", path(&exe)]);
    assert_eq!(torn.status, 2, "{torn:?}");
    assert!(torn.err.contains("because:"), "{torn:?}");
}

#[test]
fn a_damaged_capture() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo/grpc.leakscope");
    let bytes = fs::read(whole).expect("the recording is committed");
    let torn = folder.path().join("torn.leakscope");
    fs::write(&torn, &bytes[..bytes.len() / 2]).expect("it is written");
    let run = leakscope(&["diagnose", path(&torn), "--json"]);
    let report = run.json();
    let gaps = report["gaps"].as_array().expect("gaps");
    assert!(gaps.iter().any(|gap| gap["part"] == "capture"), "{gaps:#?}");
}

#[test]
fn a_full_disk() {
    leakscope(&["demo", "-o", "/dev/full"]).could_not(&["writing /dev/full", "No space left"]);
    let service = GoProcess::start("quiet-go1.26.6", &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("small.leakscope");
    let (pid, name) = (service.pid(), path(&file));
    let run =
        shell(&format!("ulimit -f 1; trap '' XFSZ; exec \"$LEAKSCOPE\" capture {pid} --for 0s -o {name}"));
    run.could_not(&["cannot write the capture", "small.leakscope"]);
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0, "nothing is left behind");
    leakscope(&["capture", &pid.to_string(), "--for", "0s", "-o", "/dev/null"])
        .could_not(&["/dev/null is no regular file"]);
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
