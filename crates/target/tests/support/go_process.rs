//! Go processes to look at, and what the kernel says about them: read by this file alone, not by the code
//! under test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A Go process of ours, killed at the end.
pub(crate) struct GoProcess {
    child: Child,
    /// What it said when it was ready.
    pub(crate) ready: String,
    /// Held open: a Go program dies of writing to a closed pipe.
    _output: BufReader<ChildStdout>,
}

impl GoProcess {
    /// Starts the fixture `name` and waits until it says READY.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> GoProcess {
        let mut command = Command::new(fixture(name));
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        while !ready.starts_with("READY") {
            ready.clear();
            assert_ne!(output.read_line(&mut ready).unwrap(), 0, "{name} ended before it was ready");
        }
        GoProcess { child, ready, _output: output }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The value of a string field of its READY line.
    pub(crate) fn said(&self, key: &str) -> String {
        let (_, rest) = self.ready.split_once(&format!("\"{key}\":\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its children, as pairs of id and state.
    pub(crate) fn children(&self) -> Vec<(u32, char)> {
        children_of(self.pid())
    }

    /// Those of its threads that are stopped or traced.
    pub(crate) fn disturbed_threads(&self) -> Vec<String> {
        let mut disturbed = Vec::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap() {
            let path = entry.unwrap().path().join("status");
            let Ok(status) = fs::read_to_string(&path) else { continue };
            let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim();
            if field("State:").starts_with(['t', 'T']) || field("TracerPid:") != "0" {
                disturbed.push(format!(
                    "{}: {}, traced by {}",
                    path.display(),
                    field("State:"),
                    field("TracerPid:")
                ));
            }
        }
        disturbed
    }

    /// The mask of blocked signals of every thread, in order.
    pub(crate) fn blocked_signals(&self) -> Vec<(String, String)> {
        let mut masks = Vec::new();
        for entry in fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap() {
            let entry = entry.unwrap();
            let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
            let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap().trim();
            masks.push((entry.file_name().into_string().unwrap(), mask.to_owned()));
        }
        masks.sort();
        masks
    }

    /// Waits until `holds`, or fails with what it says otherwise.
    pub(crate) fn within<T: std::fmt::Debug>(&self, limit: Duration, what: impl Fn(&GoProcess) -> Vec<T>) {
        let until = Instant::now() + limit;
        loop {
            let left = what(self);
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "still there after {limit:?}: {left:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for GoProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The children of a process, as pairs of id and state; a tracer's hold on them does not matter.
pub(crate) fn children_of(pid: u32) -> Vec<(u32, char)> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        if fields[1] == pid.to_string() {
            children.push((id, fields[0].chars().next().unwrap()));
        }
    }
    children
}

/// The path of a program that `./test` builds.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/leakscope/fixtures");
    let folder = std::env::var_os("LEAKSCOPE_FIXTURES").map_or_else(home, PathBuf::from);
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing: run ./test", path.display());
    path
}

/// `examples/snapshot.rs`, which cargo builds beside this test.
pub(crate) fn snapshot_example() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().unwrap().parent().unwrap().join("examples/snapshot");
    assert!(path.is_file(), "{} is missing: cargo build -p leakscope-target --examples", path.display());
    path
}

/// Clients that ask a server all the time, by one kept connection each, and count what goes wrong.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub(crate) fn start(server: &str, clients: usize) -> Load {
        Load::on(server, "/", clients)
    }

    /// The same on another path.
    pub(crate) fn on(server: &str, path: &str, clients: usize) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let client = |_| {
            let request = format!("GET {path} HTTP/1.1\r\nHost: pong\r\n\r\n");
            let (server, stop, answered) = (server.to_owned(), Arc::clone(&stop), Arc::clone(&answered));
            std::thread::spawn(move || ask(&server, &request, &stop, &answered))
        };
        let clients = (0..clients).map(client).collect();
        Load { stop, answered, clients }
    }

    /// Ends the load; answers how many requests were answered, and every failure.
    pub(crate) fn end(self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let failures = self.clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (self.answered.load(Ordering::Relaxed), failures)
    }
}

fn ask(server: &str, request: &str, stop: &AtomicBool, answered: &AtomicU64) -> Vec<String> {
    let mut failures = Vec::new();
    let mut connection = TcpStream::connect(server).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    while !stop.load(Ordering::Relaxed) {
        match one_request(&mut connection, request) {
            Ok(()) => drop(answered.fetch_add(1, Ordering::Relaxed)),
            Err(err) => {
                failures.push(err);
                match TcpStream::connect(server) {
                    Ok(again) => connection = again,
                    Err(_) => return failures,
                }
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    failures
}

fn one_request(connection: &mut TcpStream, request: &str) -> Result<(), String> {
    connection.write_all(request.as_bytes()).map_err(|err| err.to_string())?;
    let mut answer = Vec::new();
    let mut piece = [0; 1024];
    while !answer.ends_with(b"pong") {
        match connection.read(&mut piece).map_err(|err| err.to_string())? {
            0 => return Err("the server closed the connection".to_owned()),
            count => answer.extend_from_slice(&piece[..count]),
        }
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&answer).into_owned())
    }
}
