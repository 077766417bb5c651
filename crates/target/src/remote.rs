//! Reading another process's memory, by one of two ways with the same answers.
//!
//! `process_vm_readv` takes a thousand ranges at a time, but pins the pages that it reads, and the kernel gives a process
//! its own copy of a page that is to be pinned and that it shares with the one it was forked from (`mm/gup.c`,
//! `gup_must_unshare`). Reading a forked copy that way takes as much memory as is read, on the account of the process that
//! we look at, and three times the CPU. `/proc/PID/mem` does not pin: a copy is read through it.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use leakscope_model::Addr;
use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

use crate::error::ReadError;

/// Ranges that one system call takes at most (`UIO_MAXIOV`).
const MAX_RANGES: usize = 1024;

/// The memory of a process, read from outside; it may run meanwhile.
#[derive(Debug)]
pub(crate) struct RemoteMemory {
    pid: Pid,
    /// Whether it shares its pages with the process that it was forked from.
    is_copy: bool,
    /// `/proc/PID/mem`: for a copy, and where `process_vm_readv` is not allowed (a container's seccomp profile, an
    /// old kernel).
    file: OnceLock<Option<File>>,
}

impl RemoteMemory {
    pub(crate) fn of(pid: Pid) -> RemoteMemory {
        RemoteMemory { pid, is_copy: false, file: OnceLock::new() }
    }

    /// The memory of a process that was forked from another to be read.
    pub(crate) fn of_copy(pid: Pid) -> RemoteMemory {
        RemoteMemory { is_copy: true, ..RemoteMemory::of(pid) }
    }

    /// Fills all of `buf`, or names the first address that could not be read.
    pub(crate) fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = buf.len();
        let mut done = 0_usize;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = addr.get().wrapping_add(done as u64);
            match self.read_some(at, rest) {
                Ok(count) if count > 0 => done += count,
                _ => return Err(ReadError::partial(addr, len, Addr::new(at))),
            }
        }
        Ok(())
    }

    /// One little-endian word, if it can be read.
    pub(crate) fn read_word(&self, addr: Addr) -> Option<u64> {
        let mut word = [0; 8];
        self.read_exact(addr, &mut word).ok()?;
        Some(u64::from_le_bytes(word))
    }

    /// Fills many ranges; up to a thousand with one system call where it is no copy.
    pub(crate) fn read_many(&self, ranges: &mut [(Addr, &mut [u8])]) -> Vec<Result<(), ReadError>> {
        if self.is_copy {
            return ranges.iter_mut().map(|(addr, buf)| self.read_exact(*addr, buf)).collect();
        }
        let mut answers = Vec::with_capacity(ranges.len());
        for batch in ranges.chunks_mut(MAX_RANGES) {
            let mut rest = batch;
            while !rest.is_empty() {
                let filled = self.read_batch(rest);
                answers.extend((0..filled).map(|_| Ok(())));
                let Some((unfilled, behind)) = rest.get_mut(filled..).and_then(<[_]>::split_first_mut) else {
                    break;
                };
                answers.push(self.read_exact(unfilled.0, unfilled.1));
                rest = behind;
            }
        }
        answers
    }

    /// How many ranges from the first on one call filled whole.
    fn read_batch(&self, ranges: &mut [(Addr, &mut [u8])]) -> usize {
        let remote: Vec<RemoteIoVec> = ranges
            .iter()
            .map(|(addr, buf)| RemoteIoVec { base: addr.get() as usize, len: buf.len() })
            .collect();
        let mut local: Vec<IoSliceMut<'_>> = ranges.iter_mut().map(|(_, buf)| IoSliceMut::new(buf)).collect();
        let mut left = process_vm_readv(self.pid, &mut local, &remote).unwrap_or(0);
        let whole = |range: &&RemoteIoVec| match left.checked_sub(range.len) {
            Some(behind) => {
                left = behind;
                true
            }
            None => false,
        };
        remote.iter().take_while(whole).count()
    }

    fn read_some(&self, addr: u64, buf: &mut [u8]) -> io::Result<usize> {
        if self.is_copy
            && let Some(file) = self.file()
        {
            return file.read_at(buf, addr);
        }
        let remote = [RemoteIoVec { base: addr as usize, len: buf.len() }];
        match process_vm_readv(self.pid, &mut [IoSliceMut::new(buf)], &remote) {
            Err(Errno::EPERM | Errno::ENOSYS) => self.read_file(addr, buf),
            count => count.map_err(io::Error::from),
        }
    }

    fn read_file(&self, addr: u64, buf: &mut [u8]) -> io::Result<usize> {
        match self.file() {
            Some(file) => file.read_at(buf, addr),
            None => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    fn file(&self) -> Option<&File> {
        self.file.get_or_init(|| File::open(format!("/proc/{}/mem", self.pid)).ok()).as_ref()
    }
}
