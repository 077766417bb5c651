//! `leakscope` killed with SIGKILL at 200 instants while the service it looks at is under load: no call fails, no
//! thread stands still, no child lives on, no zombie is left after two seconds, nothing is left in `$TMPDIR`.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test with processes"
)]

#[path = "../../target/tests/support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use go_process::{GoProcess, fixture};

/// Instants at which the tool is killed.
const KILLS: u64 = 200;
/// Every other kill comes within this time after the start: while the snapshot is being taken.
const EARLY: Duration = Duration::from_millis(80);
/// The rest is spread over a whole run, but no wider than this.
const LATE: Duration = Duration::from_millis(600);
/// How long the kernel may take to let everything go, on a machine that has other things to do.
const RELEASED_WITHIN: Duration = Duration::from_secs(1);
/// How long the watchdog may take to have the dead buried.
const BURIED_WITHIN: Duration = Duration::from_secs(2);

fn leakscope(pid: u32, temporary: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_leakscope"))
        .args(["heap", "summary", &pid.to_string(), "--snapshot", "fork", "--json"])
        .env("TMPDIR", temporary)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Calls without end; see [`result_of`].
fn load(server: &str) -> Child {
    Command::new(fixture("grpc-context-load-go1.26.6"))
        .args(["-addr", server, "-qps", "100", "-for", "0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Ends the load with the SIGINT that it asks for. It ends with status 1 if any call failed, and says how many.
fn result_of(mut load: Child) -> (bool, String) {
    assert!(load.try_wait().unwrap().is_none(), "the load ended before its time");
    Command::new("kill").args(["-INT", &load.id().to_string()]).status().unwrap();
    let output = load.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// The `n`-th of many instants in `span`, in no order (multiples of the golden ratio).
fn instant(n: u64, span: Duration) -> Duration {
    let span = u64::try_from(span.as_micros()).unwrap();
    Duration::from_micros(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % span)
}

fn living(go: &GoProcess) -> Vec<(u32, char)> {
    go.children().into_iter().filter(|(_, state)| *state != 'Z').collect()
}

fn files_in(folder: &Path) -> Vec<OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

#[test]
fn killed_at_any_instant_it_leaves_the_service_unharmed() {
    let temporary = tempfile::tempdir().unwrap();
    let mut service = GoProcess::start("grpc-context-go1.26.6", &["-leak"]);
    let load = load(&service.said("grpc"));
    let start = Instant::now();
    leakscope(service.pid(), temporary.path()).wait().unwrap();
    let whole_run = start.elapsed().min(LATE);
    let mut zombies = 0;
    for n in 0..KILLS {
        let mut run = leakscope(service.pid(), temporary.path());
        std::thread::sleep(instant(n, if n % 2 == 0 { EARLY } else { whole_run }));
        run.kill().unwrap();
        run.wait().unwrap();
        service.within(RELEASED_WITHIN, GoProcess::disturbed_threads);
        service.within(RELEASED_WITHIN, living);
        zombies += service.children().len();
        service.within(BURIED_WITHIN, GoProcess::children);
    }
    let (all_answered, counts) = result_of(load);
    assert!(all_answered && counts.contains("\"failed\":0"), "{counts}");
    assert!(service.is_alive());
    assert!(zombies > 0, "no kill hit a run that had a child: the test tests nothing");
    assert_eq!(files_in(temporary.path()), Vec::<OsString>::new());
}
