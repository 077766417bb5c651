//! Finds the gadgets of an unstripped Go program by its symbol table: a second way, beside the one of
//! `goruntime`, so that this crate is tested without it.

use leakscope_model::Addr;
use leakscope_target::{Gadgets, LiveProcess};
use object::{Object, ObjectSymbol};

/// The gadgets of `process`, an amd64 Go program that is linked to fixed addresses.
pub(crate) fn gadgets_of(process: &LiveProcess) -> Option<Gadgets> {
    let executable = process.executable().ok()?;
    let elf = object::File::parse(&executable[..]).ok()?;
    let at = |wanted: &[&str]| {
        let mut symbols = elf.symbols();
        symbols
            .find(|symbol| symbol.name().is_ok_and(|name| wanted.contains(&name)))
            .map(|symbol| symbol.address())
    };
    let function = at(&[
        "internal/runtime/syscall/linux.Syscall6",
        "internal/runtime/syscall.Syscall6",
        "runtime/internal/syscall.Syscall6",
    ])?;
    let code = bytes_at(&elf, function, 64)?;
    let syscall = code.windows(2).position(|pair| pair == [0x0f, 0x05])?;
    Some(Gadgets {
        syscall: Addr::new(function + syscall as u64),
        sigreturn: Addr::new(at(&["runtime.sigreturn__sigaction", "runtime.sigreturn__sigaction.abi0"])?),
        exit: Addr::new(at(&["runtime.exit", "runtime.exit.abi0"])?),
        stack_word: -8,
    })
}

fn bytes_at(elf: &object::File<'_>, address: u64, len: u64) -> Option<Vec<u8>> {
    use object::ObjectSection;
    let mut sections = elf.sections();
    sections.find_map(|section| section.data_range(address, len).ok().flatten().map(<[u8]>::to_vec))
}
