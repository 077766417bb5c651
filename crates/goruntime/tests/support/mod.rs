//! Fixture programs, started and asked: what the Go runtime itself says of its code.
#![allow(clippy::disallowed_methods, reason = "tests open fixtures and start programs")]
#![allow(dead_code, reason = "each test uses its part of this")]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use leakscope_goruntime::FuncTable;
use leakscope_model::{Addr, Bias};
use leakscope_target::{Mapping, ReadError, TargetMemory};

/// Every release, one a minor version.
pub(crate) const RELEASES: [&str; 7] =
    ["1.21.13", "1.22.10", "1.23.9", "1.24.3", "1.25.5", "1.26.6", "1.27.3"];

/// The path of a fixture; fails where it has not been built.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let folder = std::env::var_os("LEAKSCOPE_FIXTURES").map(PathBuf::from);
    let cache =
        || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/leakscope/fixtures");
    let path = folder.unwrap_or_else(cache).join(name);
    assert!(path.is_file(), "{} is missing: run ./test", path.display());
    path
}

/// The bytes of a fixture.
pub(crate) fn bytes_of(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

/// A running fixture and the facts that it told; it ends when this is dropped.
pub(crate) struct Program {
    child: Child,
    memory: File,
    facts: Vec<Vec<String>>,
}

impl Program {
    /// Starts a fixture and reads its facts up to READY.
    pub(crate) fn start(name: &str) -> Program {
        Program::start_file(&fixture(name))
    }

    /// As [`Program::start`], any executable that prints facts.
    pub(crate) fn start_file(path: &Path) -> Program {
        let mut command = Command::new(path);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let facts = lines.take_while(|line| !line.starts_with("READY"));
        let facts: Vec<Vec<String>> =
            facts.map(|line| line.split('\t').map(str::to_owned).collect()).collect();
        let memory = File::open(format!("/proc/{}/mem", child.id())).unwrap();
        Program { child, memory, facts }
    }

    /// The parts of every fact of one kind, without the kind.
    pub(crate) fn facts<'p>(&'p self, kind: &'p str) -> impl Iterator<Item = &'p [String]> {
        self.facts.iter().filter_map(move |fact| match fact.split_first() {
            Some((first, rest)) if first == kind => Some(rest),
            _ => None,
        })
    }

    /// The process's mappings.
    pub(crate) fn mappings(&self) -> Vec<Mapping> {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", self.child.id())).unwrap();
        leakscope_target::mappings::parse_maps(&maps)
    }

    /// How far it was moved, by where it says that `main.main` stands.
    pub(crate) fn bias(&self, table: &FuncTable<'_>) -> Bias {
        let main = self.facts("entry").find(|fact| fact[1] == "main.main").unwrap();
        Bias::between(table.by_name("main.main").unwrap(), address(&main[0]))
    }
}

impl TargetMemory for Program {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read_exact_at(buf, addr.get()).map_err(|_| ReadError::unmapped(addr, buf.len()))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address as the programs write it: `0x4b0760`.
pub(crate) fn address(text: &str) -> Addr {
    Addr::new(u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap())
}
