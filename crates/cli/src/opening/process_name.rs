//! `name:PROCESS`.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The id of the one process whose name or executable is called `name`.
pub(crate) fn only_process(name: &str) -> Result<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("listing /proc: processes are found by name on Linux alone")? {
        let Ok(entry) = entry else { continue };
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid.filter(|pid| *pid != std::process::id() && is_called(&entry.path(), name)) {
            found.push(pid);
        }
    }
    found.sort_unstable();
    match found.as_slice() {
        [pid] => Ok(*pid),
        [] => bail!("no process is called {name}, or none that we may see; name its PID"),
        several => bail!("{} processes are called {name} ({several:?}); name one by its PID", several.len()),
    }
}

/// By its executable's file name, or by the name that the kernel keeps (cut to 15 bytes).
fn is_called(folder: &Path, name: &str) -> bool {
    let by_file = fs::read_link(folder.join("exe")).ok().is_some_and(|path| {
        path.file_name().is_some_and(|file| file == name || file == &*format!("{name} (deleted)"))
    });
    let by_kernel = || {
        fs::read_to_string(folder.join("comm")).is_ok_and(|comm| !comm.is_empty() && comm.trim_end() == name)
    };
    by_file || by_kernel()
}
