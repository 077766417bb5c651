//! The places in Go's code that a snapshot lets the target run: found by function name in the pclntab, which
//! no `strip` removes, and checked byte by byte.

use leakscope_model::{Addr, Bias, LinkAddr};
use leakscope_target::{Gadgets, Mapping};

use crate::elf::{Arch, ElfImage};
use crate::error::RuntimeError;
use crate::pclntab::{Func, FuncTable};

/// The raw system call, by its package over time.
const SYSCALL: [&str; 3] = [
    "internal/runtime/syscall/linux.Syscall6",
    "internal/runtime/syscall.Syscall6",
    "runtime/internal/syscall.Syscall6",
];
/// The trampoline that the kernel returns to from a signal handler.
const SIGRETURN: [&str; 1] = ["runtime.sigreturn__sigaction"];
/// The end of the process.
const EXIT: [&str; 1] = ["runtime.exit"];
/// The thread's word for the current `g`.
const TLSG: &str = "runtime.tlsg";
/// Bytes of a word.
const WORD: u64 = 8;
/// `syscall` on amd64.
const SYSCALL_AMD64: [u8; 2] = [0x0f, 0x05];
/// `ret` on amd64.
const RET_AMD64: u8 = 0xc3;
/// The numbers of `rt_sigreturn` and `exit_group` on amd64, as the loads of `eax` and `rax` hold them.
const SIGRETURN_AMD64: [u8; 4] = 15u32.to_le_bytes();
const EXIT_GROUP_AMD64: [u8; 4] = 231u32.to_le_bytes();

/// Finds the gadgets of the executable `elf` as it is mapped in its process.
///
/// Fails where the file is no Go program, for an architecture without snapshots by fork, where a function is
/// missing or does not hold the instructions that it should (the error names it), and where no mapping fits.
pub fn gadgets(elf: &[u8], mappings: &[Mapping]) -> Result<Gadgets, RuntimeError> {
    let elf = ElfImage::parse(elf)?;
    if elf.arch != Arch::Amd64 {
        return Err(missing(
            "a system call gadget",
            "this architecture has none yet: snapshot with --mode stop",
        ));
    }
    let table = FuncTable::locate(&elf)?;
    let bias = bias_by_mappings(&elf, mappings)?;
    let place = |at: LinkAddr| -> Addr { at.relocate(bias) };
    Ok(Gadgets {
        syscall: place(syscall_then_ret(&elf, &table)?),
        sigreturn: place(entry_that_calls(&elf, &table, &SIGRETURN, SIGRETURN_AMD64)?),
        exit: place(entry_that_calls(&elf, &table, &EXIT, EXIT_GROUP_AMD64)?),
        stack_word: current_g(&elf)?,
    })
}

/// Offset of the current `g` from the thread's pointer (`runtime.tlsg`; the linker's `tlsoffset`).
///
/// On amd64 an executable's variables end at the thread's pointer. Go has one of a word; where C code has more of
/// them, the symbol table must say which is Go's.
fn current_g(elf: &ElfImage<'_>) -> Result<i64, RuntimeError> {
    let Some((size, align)) = elf.thread_storage().filter(|(size, _)| *size > WORD) else {
        return Ok(-WORD.cast_signed());
    };
    let place = elf.thread_symbol(TLSG).ok_or_else(|| {
        missing(
            TLSG,
            "C code has variables of its own in the thread's storage, and the symbol table is stripped",
        )
    })?;
    let end = size.checked_next_multiple_of(align.max(1));
    let offset = end.and_then(|end| i64::try_from(end).ok()).zip(i64::try_from(place).ok());
    offset
        .and_then(|(end, place)| place.checked_sub(end))
        .ok_or_else(|| missing(TLSG, "it lies outside of the thread's storage"))
}

/// The `syscall` instruction of the raw system call, where the stack pointer is at the return address and the
/// function returns without moving it.
fn syscall_then_ret<'b>(elf: &ElfImage<'b>, table: &FuncTable<'b>) -> Result<LinkAddr, RuntimeError> {
    let (name, func, code) = function(elf, table, &SYSCALL)?;
    let at = code.windows(2).position(|two| two == SYSCALL_AMD64);
    let at = at.ok_or_else(|| missing(name, "it holds no syscall instruction"))?;
    if !code.get(at..).unwrap_or_default().contains(&RET_AMD64) {
        return Err(missing(name, "it does not return after its syscall instruction"));
    }
    let pc = LinkAddr::new(func.entry.get().saturating_add(at as u64));
    match table.sp_delta(pc) {
        Some(0) => Ok(pc),
        delta => Err(missing(name, &format!("its frame is not empty at the syscall instruction: {delta:?}"))),
    }
}

/// The entry of a function that loads the number of a system call and makes it.
fn entry_that_calls<'b>(
    elf: &ElfImage<'b>,
    table: &FuncTable<'b>,
    names: &[&'static str],
    number: [u8; 4],
) -> Result<LinkAddr, RuntimeError> {
    let (name, func, code) = function(elf, table, names)?;
    let load = code.windows(4).position(|four| four == number);
    let call = code.windows(2).position(|two| two == SYSCALL_AMD64);
    match (load, call) {
        (Some(load), Some(call)) if load < call => Ok(func.entry),
        _ => Err(missing(name, "it does not make the system call that it should")),
    }
}

/// The first of these functions that the program has, with its code.
fn function<'b>(
    elf: &ElfImage<'b>,
    table: &FuncTable<'b>,
    names: &[&'static str],
) -> Result<(&'static str, Func<'b>, &'b [u8]), RuntimeError> {
    let wanted = names.first().copied().unwrap_or_default();
    let known = names.iter().find_map(|name| Some((*name, table.find(table.by_name(name)?)?)));
    let (name, func) = known.ok_or_else(|| missing(wanted, "the program has no such function"))?;
    let len = func.end.get().saturating_sub(func.entry.get());
    let code = usize::try_from(len).ok().and_then(|len| elf.read(func.entry, len));
    Ok((name, func, code.ok_or_else(|| missing(name, "its code is not in the file"))?))
}

/// How far the image was moved, by its mappings alone: no memory may be read before there is a snapshot.
fn bias_by_mappings(elf: &ElfImage<'_>, mappings: &[Mapping]) -> Result<Bias, RuntimeError> {
    let nothing = leakscope_target::Image::new(Addr::new(0), Vec::new());
    elf.bias(mappings, &nothing)
        .ok_or_else(|| missing("the load address", "no mapping of the process fits this file"))
}

fn missing(what: &str, why: &str) -> RuntimeError {
    RuntimeError::NoGadget { what: what.to_owned(), why: why.to_owned() }
}
