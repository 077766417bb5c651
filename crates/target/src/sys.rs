//! The only `unsafe` of leakscope: system calls behind safe signatures.
//!
//! Three kinds of calls stand here: mapping a file, asking for pages of zeros, and those requests of `ptrace` and
//! `waitpid` that take or give raw numbers (real-time signals, signal masks, seccomp filters), for which no safe
//! wrapper exists.
//! Nothing here decides anything.
#![allow(unsafe_code, reason = "system calls; every block says why it is sound")]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use memmap2::Mmap;
use nix::libc::{self, c_int, c_long, c_uint, c_void};
use nix::unistd::Pid;

/// The general-purpose registers of one thread, in the kernel's own layout (`NT_PRSTATUS`).
pub(crate) type Registers = libc::user_regs_struct;

/// `PTRACE_SECCOMP_GET_FILTER` (`include/uapi/linux/ptrace.h`).
const SECCOMP_GET_FILTER: c_uint = 0x420c;
/// The register set of `NT_PRSTATUS` (`include/uapi/linux/elf.h`).
const NT_PRSTATUS: usize = 1;
/// Most instructions that the kernel lets one filter have (`BPF_MAXINSNS`).
const MAX_FILTER_LEN: usize = 4096;

/// Maps all of `file`, read-only and private.
pub(crate) fn map_file(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is private and never written through. What the compiler is promised, that the bytes do
    // not change, rests on files that nobody rewrites while we read them: executables (the kernel refuses to
    // write a running one), finished cores, and snapshots in files of our own. A file cut short meanwhile ends
    // us by SIGBUS; no memory is corrupted.
    unsafe { Mmap::map(file) }
}

/// `PAGEMAP_SCAN` (`include/uapi/linux/fs.h`), since Linux 6.7: `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: u64 = 0xc060_6610;
/// `PAGE_IS_PFNZERO`: the one page of zeros, which counts for nobody.
const PAGE_IS_ZERO: u64 = 1 << 5;
/// Ranges that one call hands back at most.
const SCANNED_RANGES: usize = 512;

/// `struct page_region`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg`.
#[repr(C)]
#[derive(Default)]
struct ScanArguments {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    regions: u64,
    regions_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// The ranges between `start` and `end` where a process has the one page of zeros mapped; `pagemap` is its
/// `/proc/PID/pagemap`. An error on a kernel that does not tell.
pub(crate) fn zero_pages(pagemap: &File, start: u64, end: u64) -> io::Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    let mut regions = [PageRegion::default(); SCANNED_RANGES];
    let mut from = start;
    while from < end {
        let mut arguments = ScanArguments {
            size: size_of::<ScanArguments>() as u64,
            start: from,
            end,
            regions: regions.as_mut_ptr() as u64,
            regions_len: SCANNED_RANGES as u64,
            category_mask: PAGE_IS_ZERO,
            return_mask: PAGE_IS_ZERO,
            ..ScanArguments::default()
        };
        // SAFETY: the arguments are of the size that they say, and `regions` is valid for as many as they say;
        // both live until the call is back, and the kernel keeps neither.
        let count = unsafe { libc::ioctl(pagemap.as_raw_fd(), PAGEMAP_SCAN as _, &raw mut arguments) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        found.extend(regions.iter().take(count).map(|region| (region.start, region.end)));
        if arguments.walk_end <= from {
            break;
        }
        from = arguments.walk_end;
    }
    Ok(found)
}

/// Bytes of a page of this machine.
pub(crate) fn page_size() -> u64 {
    // SAFETY: the call takes a number and hands one back.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).ok().filter(|size| *size > 0).unwrap_or(4096)
}

/// Puts the process that `command` starts into a session of its own, out of reach of the terminal's signals.
pub(crate) fn in_new_session(command: &mut Command) -> &mut Command {
    let new_session = || nix::unistd::setsid().map(drop).map_err(io::Error::from);
    // SAFETY: between fork and exec only `setsid` runs, which is async-signal-safe and allocates nothing.
    unsafe { command.pre_exec(new_session) }
}

/// One `ptrace` request whose `data` is a number, not an address in our memory.
fn request(request: c_uint, tid: Pid, data: usize) -> io::Result<c_long> {
    // SAFETY: no request that comes here reads or writes our memory: `addr` is null and `data` a number.
    unsafe { raw_request(request, tid, 0, data as *mut c_void) }
}

/// `ptrace` by the bare system call, whose return value is not bent by the C library.
///
/// # Safety
/// `data` must be valid for what `request` reads or writes there.
unsafe fn raw_request(request: c_uint, tid: Pid, addr: usize, data: *mut c_void) -> io::Result<c_long> {
    // SAFETY: promised by the caller.
    let done = unsafe { libc::syscall(libc::SYS_ptrace, c_long::from(request), tid.as_raw(), addr, data) };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(done) }
}

/// Attaches to `tid` without stopping it; `options` are `PTRACE_O_*`.
pub(crate) fn seize(tid: Pid, options: c_int) -> io::Result<()> {
    request(libc::PTRACE_SEIZE, tid, options as usize).map(drop)
}

/// Asks a seized thread to stop; the stop comes by [`wait`].
pub(crate) fn interrupt(tid: Pid) -> io::Result<()> {
    request(libc::PTRACE_INTERRUPT, tid, 0).map(drop)
}

/// Lets a stopped thread go on, delivering `signal` (0: none).
pub(crate) fn cont(tid: Pid, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_CONT, tid, signal as usize).map(drop)
}

/// Lets a stopped thread go on to its next system call entry or exit.
pub(crate) fn cont_to_syscall(tid: Pid) -> io::Result<()> {
    request(libc::PTRACE_SYSCALL, tid, 0).map(drop)
}

/// Lets a stopped thread go for good, delivering `signal` (0: none).
pub(crate) fn detach(tid: Pid, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, tid, signal as usize).map(drop)
}

/// Replaces the options given at [`seize`].
pub(crate) fn set_options(tid: Pid, options: c_int) -> io::Result<()> {
    request(libc::PTRACE_SETOPTIONS, tid, options as usize).map(drop)
}

/// What the kernel says of the event that stopped `tid`; for a clone, the id of the new task.
pub(crate) fn event_message(tid: Pid) -> io::Result<u64> {
    let mut message = 0_u64;
    // SAFETY: the kernel writes one word at the address of a live word.
    unsafe { raw_request(libc::PTRACE_GETEVENTMSG, tid, 0, (&raw mut message).cast()) }?;
    Ok(message)
}

/// The registers of a stopped thread.
pub(crate) fn registers(tid: Pid) -> io::Result<Registers> {
    let mut registers = MaybeUninit::<Registers>::zeroed();
    let mut into = libc::iovec { iov_base: registers.as_mut_ptr().cast(), iov_len: size_of::<Registers>() };
    // SAFETY: the kernel writes at most `iov_len` bytes into `registers`, which lives past the call.
    unsafe { raw_request(libc::PTRACE_GETREGSET, tid, NT_PRSTATUS, (&raw mut into).cast()) }?;
    // SAFETY: plain integers, zeroed above: any bytes are a value.
    Ok(unsafe { registers.assume_init() })
}

/// Sets the registers of a stopped thread.
pub(crate) fn set_registers(tid: Pid, registers: &Registers) -> io::Result<()> {
    let mut copy = *registers;
    let mut from = libc::iovec { iov_base: (&raw mut copy).cast(), iov_len: size_of::<Registers>() };
    // SAFETY: the kernel reads `iov_len` bytes of `copy`, which lives past the call.
    unsafe { raw_request(libc::PTRACE_SETREGSET, tid, NT_PRSTATUS, (&raw mut from).cast()) }.map(drop)
}

/// The signals that a stopped thread blocks, one bit each.
pub(crate) fn signal_mask(tid: Pid) -> io::Result<u64> {
    let mut mask = 0_u64;
    // SAFETY: the kernel writes the 8 bytes that `addr` announces, at the address of a live word.
    unsafe { raw_request(libc::PTRACE_GETSIGMASK, tid, size_of::<u64>(), (&raw mut mask).cast()) }?;
    Ok(mask)
}

/// Sets the signals that a stopped thread blocks.
pub(crate) fn set_signal_mask(tid: Pid, mask: u64) -> io::Result<()> {
    let mut mask = mask;
    // SAFETY: the kernel reads the 8 bytes that `addr` announces, from a live word.
    unsafe { raw_request(libc::PTRACE_SETSIGMASK, tid, size_of::<u64>(), (&raw mut mask).cast()) }.map(drop)
}

/// Seccomp filter number `index` (0: the newest) of a stopped thread, eight bytes an instruction.
///
/// Answers `Ok(None)` behind the last filter. Needs `CAP_SYS_ADMIN`.
pub(crate) fn seccomp_filter(tid: Pid, index: usize) -> io::Result<Option<Vec<[u8; 8]>>> {
    let mut instructions = vec![[0_u8; 8]; MAX_FILTER_LEN];
    // SAFETY: a filter has at most `BPF_MAXINSNS` instructions of 8 bytes, and so many have room.
    let count = unsafe { raw_request(SECCOMP_GET_FILTER, tid, index, instructions.as_mut_ptr().cast()) };
    match count {
        Ok(count) => {
            instructions.truncate(usize::try_from(count).unwrap_or(0));
            Ok(Some(instructions))
        }
        Err(err) if err.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        Err(err) => Err(err),
    }
}

/// How urgently the calling thread wants the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Like any other.
    Normal,
    /// Before all normal threads.
    Urgent,
}

/// Sets the urgency of the calling thread; a process without `CAP_SYS_NICE` stays as it is.
pub(crate) fn set_urgency(urgency: Urgency) {
    let (policy, priority) = match urgency {
        Urgency::Normal => (libc::SCHED_OTHER, 0),
        Urgency::Urgent => (libc::SCHED_RR, 1),
    };
    // SAFETY: all fields are integers; zeros are a value.
    let mut parameters = unsafe { std::mem::zeroed::<libc::sched_param>() };
    parameters.sched_priority = priority;
    // SAFETY: the kernel reads a live structure; 0 names the calling thread.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const parameters) };
}

/// Whether [`wait`] stays until something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Stay.
    Wait,
    /// Answer `None` at once where nothing has happened.
    Look,
}

/// The raw wait status of task `tid`, a tracee or child of ours.
pub(crate) fn wait(tid: Pid, patience: Patience) -> io::Result<Option<c_int>> {
    let flags = if patience == Patience::Look { libc::WNOHANG } else { 0 } | libc::__WALL;
    let mut status = 0;
    loop {
        // SAFETY: the kernel writes one word at the address of a live word.
        let task = unsafe { libc::waitpid(tid.as_raw(), &raw mut status, flags) };
        match task {
            0 => return Ok(None),
            task if task > 0 => return Ok(Some(status)),
            _ => match io::Error::last_os_error() {
                err if err.kind() == io::ErrorKind::Interrupted => {}
                err => return Err(err),
            },
        }
    }
}
