//! The running program of `fixtures/zoo`: its truth, its executable and its memory.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use leakscope_goruntime::ElfImage;
use leakscope_model::{Addr, Bias};
use leakscope_target::{LiveProcess, MappedFile, ReadError, TargetMemory};

/// Every build of it that the fixtures hold; the last was linked by a C linker.
pub(crate) const BUILDS: [&str; 7] = [
    "zoo-go1.21.13",
    "zoo-go1.22.10",
    "zoo-go1.24.3",
    "zoo-go1.26.6",
    "zoo-go1.27.3",
    "zoo-pie-go1.26.6",
    "zoo-external-go1.24.3",
];

/// A built program; fails with what to do where it is missing.
pub(crate) fn fixture(name: &str) -> PathBuf {
    let folder = std::env::var_os("LEAKSCOPE_FIXTURES").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache/leakscope/fixtures")
    });
    let path = folder.join(name);
    assert!(path.is_file(), "{} is missing: run ./test", path.display());
    path
}

/// The memory of a child, which stands still.
pub(crate) struct Memory(File);

impl TargetMemory for Memory {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len();
        self.0.read_exact_at(buf, addr.get()).map_err(|_| ReadError::unmapped(addr, len))
    }
}

/// A running zoo; ends with the test.
pub(crate) struct Zoo {
    child: Child,
    truth: Vec<Vec<String>>,
    pub(crate) executable: MappedFile,
    pub(crate) memory: Memory,
}

impl Zoo {
    /// Starts one and reads its truth.
    pub(crate) fn start(name: &str) -> Zoo {
        let path = fixture(name);
        let mut child =
            Command::new(&path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("zoo starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let truth = lines
            .map(|line| line.expect("zoo prints text"))
            .take_while(|line| !line.starts_with("READY"))
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect();
        let memory = Memory(File::open(format!("/proc/{}/mem", child.id())).expect("memory of the child"));
        Zoo { child, truth, executable: MappedFile::open(&path).expect("executable"), memory }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The arguments of every line of the truth that starts with this word.
    pub(crate) fn said(&self, word: &str) -> Vec<&[String]> {
        let lines: Vec<&[String]> =
            self.truth.iter().filter(|line| line[0] == word).map(|line| &line[1..]).collect();
        assert!(!lines.is_empty(), "zoo says nothing of {word}");
        lines
    }

    /// How far the loader moved it.
    pub(crate) fn bias(&self, elf: &ElfImage<'_>) -> Bias {
        let mappings = LiveProcess::open(self.child.id()).unwrap().mappings().unwrap();
        elf.bias(&mappings, &self.memory).expect("one of its mappings is its code")
    }
}

impl Drop for Zoo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number as the zoo prints it.
pub(crate) fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).expect("hex"),
        None => text.parse().expect("decimal"),
    }
}

/// An address as the zoo prints it.
pub(crate) fn address(text: &str) -> Addr {
    Addr::new(number(text))
}
