//! A live process before anything is done to it: its executable, mappings and threads.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use leakscope_model::Addr;

use crate::access;
use crate::error::{ReadError, TargetError};
use crate::mappings::{Mapping, parse_maps};
use crate::memory::TargetMemory;
use crate::proc_files::{self, Status};
use crate::remote::RemoteMemory;
use crate::sys;

/// The registers of one thread at the moment of the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThreadRegisters {
    /// The kernel's thread id; equals `m.procid` of the Go runtime.
    pub tid: u32,
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer (rbp, x29).
    pub fp: u64,
    /// All general-purpose registers, for conservative scanning.
    pub general: Vec<u64>,
    /// All of them as the kernel lays them out in a core (`NT_PRSTATUS`); empty where they are not known.
    pub kernel: Vec<u64>,
}

/// A file mapped read-only; reads as its bytes.
#[derive(Debug)]
pub struct MappedFile {
    bytes: memmap2::Mmap,
}

impl MappedFile {
    /// Maps the file at `path`.
    pub fn open(path: &Path) -> Result<MappedFile, TargetError> {
        let named = |doing, source| TargetError::File { path: path.to_owned(), doing, source };
        let file = File::open(path).map_err(|source| named("opening it", source))?;
        let bytes = sys::map_file(&file).map_err(|source| named("mapping it into memory", source))?;
        Ok(MappedFile { bytes })
    }
}

impl std::ops::Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The memory of a process that runs on while it is read.
#[derive(Debug)]
pub struct LiveMemory(RemoteMemory);

impl TargetMemory for LiveMemory {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.0.read_exact(addr, buf)
    }

    fn read_many(&self, ranges: &mut [(Addr, &mut [u8])]) -> Vec<Result<(), ReadError>> {
        self.0.read_many(ranges)
    }
}

/// A running process that we may look at.
#[derive(Debug)]
pub struct LiveProcess {
    /// Its process id.
    pub pid: u32,
}

impl LiveProcess {
    /// Opens process `pid`, or says why that is not possible: it is not there, it has ended, or the kernel does
    /// not let us attach, with the rule and the command that helps. Nothing is done to the process.
    pub fn open(pid: u32) -> Result<LiveProcess, TargetError> {
        let status = Status::of(pid).map_err(|_| TargetError::NoProcess { pid })?;
        if matches!(status.state, 'Z' | 'X') {
            return Err(TargetError::NoProcess { pid });
        }
        // A thread's id opens in /proc as well; what is meant is its process.
        let pid = if status.tgid == 0 { pid } else { status.tgid };
        access::check(pid)?;
        Ok(LiveProcess { pid })
    }

    /// Its executable, through `/proc/PID/exe`: right in containers and after an upgrade on disk.
    pub fn executable(&self) -> Result<MappedFile, TargetError> {
        let link = PathBuf::from(format!("/proc/{}/exe", self.pid));
        MappedFile::open(&link).or_else(|err| match self.executable_path() {
            Ok(path) => MappedFile::open(&self.as_seen_by_process(&path)).map_err(|_| err),
            Err(_) => Err(err),
        })
    }

    /// The path of its executable, as the process itself would write it; ` (deleted)` is cut off.
    pub fn executable_path(&self) -> Result<PathBuf, TargetError> {
        let link = PathBuf::from(format!("/proc/{}/exe", self.pid));
        let path = fs::read_link(&link).map_err(|source| TargetError::File {
            path: link,
            doing: "asking for its executable",
            source,
        })?;
        match path.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
            Some(cut) => Ok(PathBuf::from(cut)),
            None => Ok(path),
        }
    }

    /// Its memory as it is at the moment of each read: for what does not change while the process runs.
    pub fn memory(&self) -> LiveMemory {
        LiveMemory(RemoteMemory::of(nix::unistd::Pid::from_raw(self.pid.cast_signed())))
    }

    /// The file behind a mapping of it, as it was mapped, or, where the kernel does not let us have that, as it now
    /// lies at that path.
    ///
    /// # Errors
    /// Where there is no regular file behind it (opening a device could do anything), or it cannot be read.
    pub fn mapped_file(&self, mapping: &Mapping) -> Result<MappedFile, TargetError> {
        let (start, end) = (mapping.start.get(), mapping.end.get());
        let by_address = PathBuf::from(format!("/proc/{}/map_files/{start:x}-{end:x}", self.pid));
        let by_name = self.as_seen_by_process(Path::new(&mapping.path));
        let is_file = |path: &Path| fs::metadata(path).is_ok_and(|facts| facts.is_file());
        match is_file(&by_address) {
            true => MappedFile::open(&by_address),
            false if is_file(&by_name) => MappedFile::open(&by_name),
            false => Err(TargetError::File {
                path: by_name,
                doing: "opening it",
                source: std::io::Error::other("no regular file is there"),
            }),
        }
    }

    /// Whether it sees other files than we do: it lives in a container.
    pub fn has_own_files(&self) -> bool {
        let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
        let root = |process: &str| fs::read_link(format!("/proc/{process}/root")).ok();
        let pid = self.pid.to_string();
        namespace(&pid) != namespace("self") || root(&pid) != root("self")
    }

    /// Where we find what the process calls `path`: through its root directory, since it may live in a container.
    pub fn as_seen_by_process(&self, path: &Path) -> PathBuf {
        let inside = self.inside(path);
        let inside = inside.strip_prefix("/").unwrap_or(&inside);
        self.root().join(inside)
    }

    /// Its root directory, as we reach it.
    pub fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid))
    }

    /// What the process itself calls a file for which the kernel told us `path`: below a changed root the kernel tells
    /// the way from our root.
    pub fn inside(&self, path: &Path) -> PathBuf {
        let root = fs::read_link(self.root()).unwrap_or_default();
        match path.strip_prefix(&root) {
            Ok(rest) if root.parent().is_some() => Path::new("/").join(rest),
            _ => path.to_owned(),
        }
    }

    /// Its mappings now.
    pub fn mappings(&self) -> Result<Vec<Mapping>, TargetError> {
        mappings_of(self.pid)
    }

    /// The kernel's ids of its threads now.
    pub fn threads(&self) -> Result<Vec<u32>, TargetError> {
        proc_files::tasks(self.pid).map_err(|_| TargetError::NoProcess { pid: self.pid })
    }

    /// The name that the kernel shows for it (`/proc/PID/comm`).
    pub fn name(&self) -> String {
        proc_files::name_of(self.pid)
    }
}

/// The mappings of task `pid`.
pub(crate) fn mappings_of(pid: u32) -> Result<Vec<Mapping>, TargetError> {
    let path = PathBuf::from(format!("/proc/{pid}/maps"));
    match fs::read(&path) {
        Ok(text) if text.is_empty() => Err(TargetError::NoProcess { pid }),
        Ok(text) => Ok(parse_maps(&String::from_utf8_lossy(&text))),
        Err(source) => Err(TargetError::File { path, doing: "reading what is mapped where", source }),
    }
}
