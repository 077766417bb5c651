//! A running build of `fixtures/matrix`: a heap whose every object of a named type is counted.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running build; it ends when this is dropped.
pub(crate) struct Matrix {
    child: Child,
    executable: PathBuf,
    truth: BTreeMap<String, u64>,
}

impl Matrix {
    /// Starts a build by its name; with `golibs` before it, and any number of libraries behind that, a C program that
    /// loads them.
    pub(crate) fn start(build: &str) -> Matrix {
        let mut files = build.split(' ').map(fixture);
        let executable = files.next().expect("a name");
        Matrix::run(&executable, &files.collect::<Vec<_>>())
    }

    /// Starts a program that builds the heap once, or once for each library.
    pub(crate) fn run(executable: &Path, libraries: &[PathBuf]) -> Matrix {
        let mut command = Command::new(executable);
        command.args(libraries);
        Matrix::of(command, executable, libraries.len().max(1))
    }

    /// Starts a command that becomes `executable` and builds `heaps` heaps.
    pub(crate) fn of(mut command: Command, executable: &Path, heaps: usize) -> Matrix {
        // gdb writes what glibc has reserved for each thread's allocations into a core, as zeros.
        command.env("MALLOC_ARENA_MAX", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", executable.display()));
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut truth = BTreeMap::new();
        for _ in 0..heaps {
            let line = lines.next().expect("a line").expect("text");
            let object = line.strip_prefix("READY ").unwrap_or_else(|| panic!("it said {line}"));
            truth = serde_json::from_str(object).expect("numbers");
        }
        Matrix { child, executable: executable.to_owned(), truth }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn executable(&self) -> &Path {
        &self.executable
    }

    /// How many there are of what the program counts.
    pub(crate) fn count(&self, what: &str) -> u64 {
        self.truth[what]
    }

    /// Each named type with the number of its objects.
    pub(crate) fn types(&self) -> impl Iterator<Item = (&String, u64)> {
        let types = self.truth.iter().filter(|(name, _)| name.contains('.'));
        types.map(|(name, count)| (name, *count))
    }
}

impl Drop for Matrix {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A built fixture.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let folder = std::env::var_os("LEAKSCOPE_FIXTURES").map(PathBuf::from);
    let cache =
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/leakscope/fixtures");
    let path = folder.unwrap_or_else(cache).join(name);
    assert!(path.is_file(), "{} is missing: run ./test", path.display());
    path
}
