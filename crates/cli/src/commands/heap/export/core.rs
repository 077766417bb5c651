//! A process as an ELF core.

use std::fs;
use std::io::Write;

use anyhow::{Context, Result, bail};
use leakscope_goruntime::Arch;
use leakscope_target::{CoreParts, Machine, write_core};

use crate::opening::Inspection;

/// Writes the core of a live process, as it stood at the snapshot.
pub(super) fn write(inspection: &Inspection<'_, '_>, out: &mut dyn Write) -> Result<()> {
    let at_hand = inspection.at_hand("memory")?;
    let Some(pid) = at_hand.live else { bail!("this is a core already: copy the file") };
    if at_hand.threads.is_empty() {
        bail!("process {pid} was read while it ran, so its registers are not known: try --snapshot stop");
    }
    let of_process = |name: &str| {
        fs::read(format!("/proc/{pid}/{name}")).with_context(|| format!("reading /proc/{pid}/{name}"))
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace('\0', " ").trim_end().to_owned();
    let (name, arguments, auxv) =
        (text(of_process("comm")?), text(of_process("cmdline")?), of_process("auxv")?);
    let parts = CoreParts {
        machine: match at_hand.runtime.arch {
            Arch::Amd64 => Machine::Amd64,
            Arch::Arm64 => Machine::Arm64,
        },
        pid,
        name: &name,
        arguments: &arguments,
        auxv: &auxv,
        threads: at_hand.threads,
        mappings: at_hand.mappings,
        memory: at_hand.memory,
    };
    write_core(&parts, out).context("writing the core")?;
    Ok(())
}
