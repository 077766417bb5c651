//! Starts the fixture `oracle`: a Go process that has written down what its runtime says of it and stands still.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test's own process: anything unexpected is to end the test"
)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Named figures of `runtime.ReadMemStats`, such as `heap_objects`, and the `pid`.
pub(crate) struct Figures(BTreeMap<String, u64>);

impl Figures {
    /// The figure of that name.
    pub(crate) fn of(&self, name: &str) -> u64 {
        *self.0.get(name).unwrap_or_else(|| panic!("the oracle said nothing of {name}"))
    }
}

/// A running oracle; it is ended when this is dropped.
pub(crate) struct Oracle {
    /// What it said of itself when it was ready.
    pub(crate) ready: Figures,
    process: Child,
    output: BufReader<ChildStdout>,
    folder: tempfile::TempDir,
}

/// What an oracle said of itself while it stood still.
pub(crate) struct Said {
    /// When it was ready.
    pub(crate) ready: Figures,
    /// The text of `runtime.Stack` of all goroutines.
    pub(crate) stacks: String,
}

/// The ids of the goroutines in a text of `runtime.Stack`, sorted.
pub(crate) fn goroutine_ids(text: &str) -> Vec<u64> {
    let heads = text.lines().filter_map(|line| line.strip_prefix("goroutine ")?.split_once(' '));
    let mut ids: Vec<u64> = heads.map(|(id, _)| id.parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}

impl Oracle {
    /// Starts the oracle built with Go `version`, such as `1.26.6`, and waits until it stands still.
    pub(crate) fn start(version: &str, arguments: &[&str]) -> Oracle {
        Oracle::start_build(&format!("oracle-go{version}"), arguments)
    }

    /// Starts the build of that name, such as `oracle-pie-go1.26.6`, and waits until it stands still.
    pub(crate) fn start_build(name: &str, arguments: &[&str]) -> Oracle {
        Oracle::start_command(Command::new(fixture(name)), arguments)
    }

    /// As [`Oracle::start_build`], of the executable as `strip` leaves it and without the names of sections.
    pub(crate) fn start_stripped(name: &str, arguments: &[&str]) -> Oracle {
        let mut executable = std::fs::read(fixture(name)).unwrap();
        executable.get_mut(0x28..0x30).unwrap().fill(0); // e_shoff
        executable.get_mut(0x3a..0x40).unwrap().fill(0); // e_shentsize, e_shnum, e_shstrndx
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        // Another process writes it: a child that another thread starts meanwhile would hold it open for writing, and
        // no process can be made of such a file.
        let mut writer = Command::new("sh");
        writer.args(["-c", "cat > \"$0\" && chmod +x \"$0\""]).arg(&path).stdin(Stdio::piped());
        let mut writer = writer.spawn().unwrap();
        writer.stdin.take().unwrap().write_all(&executable).unwrap();
        assert!(writer.wait().unwrap().success());
        Oracle::start_command(Command::new(path), arguments)
    }

    /// Starts a build for arm64 on whatever processor this is, ready to leave a core.
    pub(crate) fn start_under_qemu(name: &str, arguments: &[&str]) -> Oracle {
        Oracle::start_command(under_qemu(name), arguments)
    }

    fn start_command(mut command: Command, arguments: &[&str]) -> Oracle {
        let folder = tempfile::tempdir().unwrap();
        command.arg("-dir").arg(folder.path()).args(arguments).current_dir(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run ./test"));
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut oracle = Oracle { ready: Figures(BTreeMap::new()), process, output, folder };
        oracle.ready = oracle.answer("READY");
        oracle
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends a process that runs under qemu and returns the core that qemu wrote of it.
    pub(crate) fn abort(&mut self) -> PathBuf {
        abort(&mut self.process, self.folder.path())
    }

    /// The dump of `runtime/debug.WriteHeapDump`.
    pub(crate) fn dump_file(&self) -> PathBuf {
        self.folder.path().join("heap.dump")
    }

    /// The ids of the goroutines in its text, sorted.
    pub(crate) fn goroutine_ids(&self) -> Vec<u64> {
        goroutine_ids(&self.stacks())
    }

    fn stacks(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("stacks.txt")).unwrap()
    }

    /// Ends it and keeps what it has said: its files are large.
    pub(crate) fn end(mut self) -> Said {
        Said { ready: std::mem::replace(&mut self.ready, Figures(BTreeMap::new())), stacks: self.stacks() }
    }

    /// What it says of itself now.
    pub(crate) fn ask(&mut self) -> Figures {
        self.process.stdin.as_mut().unwrap().write_all(b"?").unwrap();
        self.answer("STILL")
    }

    /// Reads `WORD {"name":number,…}`.
    fn answer(&mut self, word: &str) -> Figures {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let fields =
            line.strip_prefix(word).and_then(|rest| rest.trim().strip_prefix('{')?.strip_suffix('}'));
        let fields = fields.unwrap_or_else(|| panic!("the oracle said {line:?} instead of {word}"));
        let pairs = fields.split(',').map(|field| field.split_once(':').unwrap());
        Figures(
            pairs.map(|(name, value)| (name.trim_matches('"').to_owned(), value.parse().unwrap())).collect(),
        )
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a fixture for arm64 on whatever processor this is, ready to leave a core.
pub(crate) fn under_qemu(name: &str) -> Command {
    let run = "ulimit -c unlimited && exec qemu-aarch64-static -L /usr/aarch64-linux-gnu \"$@\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", run, "sh"]).arg(fixture(name)).env("GOTRACEBACK", "crash").stderr(Stdio::null());
    shell
}

/// Ends a process that runs under qemu in `folder` and returns the core that qemu writes there of it.
pub(crate) fn abort(process: &mut Child, folder: &Path) -> PathBuf {
    let _open = process.stdin.take(); // at the end of its input it would leave of itself
    assert!(Command::new("kill").args(["-ABRT", &process.id().to_string()]).status().unwrap().success());
    process.wait().unwrap();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_core = |path: &PathBuf| path.to_str().is_some_and(|path| path.contains("/qemu_"));
    files.into_iter().find(is_core).expect("qemu leaves a core of its guest")
}

/// The built fixture of that name.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let folder = std::env::var_os("LEAKSCOPE_FIXTURES").map(PathBuf::from).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").expect("HOME is set");
        PathBuf::from(home).join(".cache/leakscope/fixtures")
    });
    folder.join(name)
}
