//! The only `unsafe` of leakscope: system calls behind safe signatures.
#![allow(unsafe_code, reason = "system calls; every block says why it is sound")]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps all of `file`, read-only and private.
pub(crate) fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is private and never written through. What the compiler is promised, that the bytes do
    // not change, rests on files that nobody rewrites while we read them: executables (the kernel refuses to
    // write a running one), finished cores, and snapshots in files of our own. A file cut short meanwhile ends
    // us by SIGBUS; no memory is corrupted.
    unsafe { Mmap::map(file) }
}
