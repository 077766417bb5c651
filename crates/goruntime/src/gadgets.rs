//! The places in Go's code that a snapshot lets the target run: found by function name in the pclntab, which
//! no `strip` removes, and checked byte by byte.

use leakscope_model::{Addr, Bias, LinkAddr};
use leakscope_target::{Gadgets, Image, Mapping, TargetMemory, read_u64};

use crate::elf::{Arch, ElfImage};
use crate::error::RuntimeError;
use crate::integers::i32_at;
use crate::pclntab::{Func, FuncTable};
use crate::types::WORD;

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
/// What loads the current `g` before all else.
const MORESTACK: [&str; 1] = ["runtime.morestack"];
/// Bytes of the instructions that load it.
const LOAD_G: usize = 11;
/// The farthest from the thread's pointer that its variables lie, in bytes.
const FARTHEST_G: i64 = 1 << 24;
/// `syscall` on amd64.
const SYSCALL_AMD64: [u8; 2] = [0x0f, 0x05];
/// `ret` on amd64.
const RET_AMD64: u8 = 0xc3;
/// The numbers of `rt_sigreturn` and `exit_group` on amd64, as the loads of `eax` and `rax` hold them.
const SIGRETURN_AMD64: [u8; 4] = 15u32.to_le_bytes();
const EXIT_GROUP_AMD64: [u8; 4] = 231u32.to_le_bytes();

/// Finds the gadgets of the executable `elf` as it is mapped in its process.
///
/// For a library use [`gadgets_in_memory`]: where the current `g` is, only the process knows.
pub fn gadgets(elf: &[u8], mappings: &[Mapping]) -> Result<Gadgets, RuntimeError> {
    gadgets_in_memory(elf, mappings, &Image::new(Addr::new(0), Vec::new()))
}

/// Finds the gadgets of an executable or a library, `elf`, as it is mapped in the process with this memory.
///
/// Fails where the file is no Go program, for an architecture without snapshots by fork, where a function is
/// missing or does not hold the instructions that it should (the error names it), and where no mapping fits.
pub fn gadgets_in_memory(
    elf: &[u8],
    mappings: &[Mapping],
    memory: &dyn TargetMemory,
) -> Result<Gadgets, RuntimeError> {
    let elf = ElfImage::parse(elf)?;
    if elf.arch != Arch::Amd64 {
        return Err(missing(
            "a system call gadget",
            "this architecture has none yet: snapshot with --mode stop",
        ));
    }
    let table = FuncTable::locate(&elf)?;
    let bias = elf.bias(mappings, memory);
    let bias = bias.ok_or_else(|| missing("the load address", "no mapping of the process fits this file"))?;
    let place = |at: LinkAddr| -> Addr { at.relocate(bias) };
    Ok(Gadgets {
        syscall: place(syscall_then_ret(&elf, &table)?),
        sigreturn: place(entry_that_calls(&elf, &table, &SIGRETURN, SIGRETURN_AMD64)?),
        exit: place(entry_that_calls(&elf, &table, &EXIT, EXIT_GROUP_AMD64)?),
        stack_word: current_g(&elf, &table, bias, memory)?,
    })
}

/// Offset of the current `g` from the thread's pointer (`runtime.tlsg`; the linker's `tlsoffset`).
///
/// On amd64 an executable's variables end at the thread's pointer. Go has one of a word; where C code has more of
/// them, Go's own code says which is its. The variables of a library lie where the loader found room, which it has
/// written down for the code to read.
fn current_g<'b>(
    elf: &ElfImage<'b>,
    table: &FuncTable<'b>,
    bias: Bias,
    memory: &dyn TargetMemory,
) -> Result<i64, RuntimeError> {
    let (name, func, code) = function(elf, table, &MORESTACK)?;
    let mut places = (0u64..).zip(code.windows(LOAD_G));
    if let Some((at, rest)) = places.find_map(|(at, code)| Some((at, word_with_offset(code)?))) {
        let word = func.entry.get().wrapping_add(at).wrapping_add_signed(rest);
        let offset = read_u64(memory, LinkAddr::new(word).relocate(bias)).ok().map(u64::cast_signed);
        let near = offset.filter(|offset| (-FARTHEST_G..0).contains(offset));
        return near
            .ok_or_else(|| missing(name, "where a thread keeps the current goroutine cannot be read"));
    }
    if elf.thread_storage().is_none_or(|(size, _)| size <= WORD) {
        return Ok(-WORD.cast_signed());
    }
    let offset = code.windows(LOAD_G).find_map(loaded_g);
    offset.map(i64::from).ok_or_else(|| missing(name, "it does not load the current goroutine as it should"))
}

/// Where, from the start of `code`, the word lies whose offset from `fs` the instructions load:
/// `mov WORD(%rip),%rcx` and `mov %fs:(%rcx),r64`.
fn word_with_offset(code: &[u8]) -> Option<i64> {
    match code {
        [0x48, 0x8b, 0x0d, _, _, _, _, 0x64, 0x48 | 0x4c, 0x8b, register, ..] if register & 0xc7 == 0x01 => {
            Some(i64::from(i32_at(code, 3)?) + 7)
        }
        _ => None,
    }
}

/// The offset from `fs` that the instructions at the start of `code` load: `mov %fs:OFFSET,r64`, or, in
/// position-independent code, `mov $OFFSET,%rcx` and `mov %fs:(%rcx),r64`.
fn loaded_g(code: &[u8]) -> Option<i32> {
    let offset = |at: usize| i32_at(code, at).filter(|offset| *offset < 0);
    match code {
        [0x64, 0x48 | 0x4c, 0x8b, register, 0x25, ..] if register & 0xc7 == 0x04 => offset(5),
        [0x48, 0xc7, 0xc1, _, _, _, _, 0x64, 0x48 | 0x4c, 0x8b, register, ..] if register & 0xc7 == 0x01 => {
            offset(3)
        }
        _ => None,
    }
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

fn missing(what: &str, why: &str) -> RuntimeError {
    RuntimeError::NoGadget { what: what.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{loaded_g, word_with_offset};
    use proptest::prelude::*;

    #[test]
    fn both_ways_to_load_the_current_goroutine() {
        // mov %fs:0xffffffffffffffc8,%rdi
        assert_eq!(loaded_g(&[0x64, 0x48, 0x8b, 0x3c, 0x25, 0xc8, 0xff, 0xff, 0xff, 0x48, 0x8b]), Some(-56));
        // mov $0xfffffffffffffff8,%rcx; mov %fs:(%rcx),%rdi
        assert_eq!(loaded_g(&[0x48, 0xc7, 0xc1, 0xf8, 0xff, 0xff, 0xff, 0x64, 0x48, 0x8b, 0x39]), Some(-8));
        // mov $0x18,%rcx; mov (%rcx),%rdi
        assert_eq!(loaded_g(&[0x48, 0xc7, 0xc1, 0x18, 0, 0, 0, 0x48, 0x8b, 0x39, 0x90]), None);
    }

    #[test]
    fn a_library_reads_where_its_variables_are() {
        // mov 0xd81e9(%rip),%rcx; mov %fs:(%rcx),%rdi
        let code = [0x48, 0x8b, 0x0d, 0xe9, 0x81, 0x0d, 0x00, 0x64, 0x48, 0x8b, 0x39];
        assert_eq!(word_with_offset(&code), Some(0xd_81f0));
        assert_eq!(word_with_offset(&code[1..]), None);
    }

    proptest! {
        #[test]
        fn no_code_panics(code: Vec<u8>) {
            let _ = (loaded_g(&code), word_with_offset(&code));
        }
    }
}
