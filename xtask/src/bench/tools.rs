//! The programs that are measured: leakscope, a plain read, and the peers that are on PATH.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::cache_dir::{cache_dir, repository_root};
use crate::subprocess::run;

/// The name of the measure that others are compared with.
pub const PLAIN_READ: &str = "plain read";
/// The name of what is measured.
pub const LEAKSCOPE: &str = "leakscope";
/// The same, where it may use one processor only.
pub const ONE_CORE: &str = "leakscope on one processor";

/// A program that looks at a process, in one or more steps.
pub struct Tool {
    /// Its name in the table.
    pub name: &'static str,
    /// Whether it is another project's, so that its failure is no failure of the measurement.
    pub is_peer: bool,
    /// What to run for the process of that id.
    pub steps: Box<dyn Fn(u32) -> Vec<Step>>,
}

/// One command of a tool.
pub struct Step {
    /// The command.
    pub command: Command,
    /// A file to give it as its standard input.
    pub input: Option<PathBuf>,
}

/// Builds leakscope as it is released, but for the linking; where it lies.
///
/// # Errors
/// When the build fails.
pub fn build_leakscope() -> Result<PathBuf> {
    let root = repository_root();
    run(Command::new("cargo").current_dir(&root).args(["build", "--release", "--package", "leakscope"]))
        .context("building leakscope")?;
    Ok(root.join("target/release/leakscope"))
}

/// Every tool that can be run here; the first three are always there.
pub fn all(leakscope: &Path, program: &Path, scratch: &Path, alone: bool) -> Vec<Tool> {
    let mut tools =
        vec![plain_read(), leakscope_summary(leakscope.to_owned()), on_one_core(leakscope.to_owned())];
    if !alone {
        tools.extend(find("grf").map(|grf| grf_attach(grf, scratch.join("grf.out"))));
        let gcore = find("gcore");
        tools.extend(
            find("viewcore").zip(gcore).map(|(viewcore, gcore)| histogram(viewcore, gcore, program, scratch)),
        );
        tools.extend(find("dlv").map(|dlv| dlv_dump(dlv, scratch)));
    }
    tools
}

/// One command without input.
fn step(program: &Path, arguments: &[&str]) -> Step {
    let mut command = Command::new(program);
    command.args(arguments);
    Step { command, input: None }
}

fn plain_read() -> Tool {
    let me = env::current_exe().unwrap_or_else(|_| PathBuf::from("/proc/self/exe"));
    Tool {
        name: PLAIN_READ,
        is_peer: false,
        steps: Box::new(move |pid| vec![step(&me, &["bench", "plain-read", &pid.to_string()])]),
    }
}

/// What it is asked for; a stop longer than the usual limit is shown, not avoided.
fn question(pid: u32) -> Vec<String> {
    ["heap", "summary", &pid.to_string(), "--json", "--max-pause", "5s"].map(str::to_owned).to_vec()
}

fn leakscope_summary(leakscope: PathBuf) -> Tool {
    let steps = move |pid| {
        let mut command = Command::new(&leakscope);
        command.args(question(pid));
        vec![Step { command, input: None }]
    };
    Tool { name: LEAKSCOPE, is_peer: false, steps: Box::new(steps) }
}

fn on_one_core(leakscope: PathBuf) -> Tool {
    let steps = move |pid| {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0"]).arg(&leakscope).args(question(pid));
        vec![Step { command, input: None }]
    };
    Tool { name: ONE_CORE, is_peer: false, steps: Box::new(steps) }
}

/// goref, attached: it stops the process while it works.
fn grf_attach(grf: PathBuf, out: PathBuf) -> Tool {
    let out = out.display().to_string();
    Tool {
        name: "grf attach",
        is_peer: true,
        steps: Box::new(move |pid| vec![step(&grf, &["attach", &pid.to_string(), "-o", &out])]),
    }
}

/// A core by gcore, and viewcore's histogram of it.
fn histogram(viewcore: PathBuf, gcore: PathBuf, program: &Path, scratch: &Path) -> Tool {
    let (prefix, program) = (scratch.join("core").display().to_string(), program.display().to_string());
    Tool {
        name: "gcore + viewcore histogram",
        is_peer: true,
        steps: Box::new(move |pid| {
            let core = format!("{prefix}.{pid}");
            vec![
                step(&gcore, &["-o", &prefix, &pid.to_string()]),
                step(&viewcore, &[&core, "--exe", &program, "histogram"]),
            ]
        }),
    }
}

/// A core by dlv; it asks at its end whether the process is to be killed.
fn dlv_dump(dlv: PathBuf, scratch: &Path) -> Tool {
    let script = scratch.join("dlv.commands");
    let core = scratch.join("dlv.core").display().to_string();
    // The answer n leaves the process alive. Where the script cannot be written, dlv gets no input and says so.
    let _ = fs::write(&script, format!("dump {core}\nquit\nn\n"));
    Tool {
        name: "dlv dump",
        is_peer: true,
        steps: Box::new(move |pid| {
            let mut dump = step(&dlv, &["attach", &pid.to_string(), "--allow-non-terminal-interactive"]);
            dump.input = Some(script.clone());
            vec![dump]
        }),
    }
}

/// A program on PATH or in the cache's own `bin`.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(cache_dir().ok().map(|cache| cache.join("bin")));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}
