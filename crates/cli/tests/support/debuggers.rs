//! Real gdb and real delve: cores by both, and what delve says of goroutines.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A core of process `pid` by gdb.
pub(crate) fn gcore(pid: u32, folder: &Path) -> PathBuf {
    let stem = folder.join("core");
    let made = Command::new("gcore").arg("-o").arg(&stem).arg(pid.to_string()).output();
    let made = made.expect("gcore is there: run ./test");
    assert!(made.status.success(), "{made:?}");
    folder.join(format!("core.{pid}"))
}

/// A dump of process `pid` by delve.
pub(crate) fn delve_dump(pid: u32, folder: &Path) -> PathBuf {
    let core = folder.join("delve.core");
    let said = delve(&["attach", &pid.to_string()], folder, &format!("dump {}", core.display()));
    assert!(core.is_file(), "{said:?}");
    core
}

/// Runs delve with one command of its prompt.
pub(crate) fn delve(arguments: &[&str], folder: &Path, command: &str) -> Output {
    let script = folder.join("delve.commands");
    std::fs::write(&script, format!("{command}\nexit\n")).expect("the folder is ours");
    let home = || PathBuf::from(std::env::var_os("HOME").expect("a home")).join(".cache/leakscope");
    let cache = std::env::var_os("LEAKSCOPE_CACHE").map_or_else(home, PathBuf::from);
    let cached = cache.join("bin/dlv");
    let program = if cached.is_file() { cached } else { PathBuf::from("dlv") };
    Command::new(program)
        .args(arguments)
        .args(["--check-go-version=false", "--allow-non-terminal-interactive=true", "--init"])
        .arg(&script)
        .stdin(Stdio::null())
        .output()
        .expect("dlv is there: run ./test")
}
