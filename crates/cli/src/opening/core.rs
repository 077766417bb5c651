//! A core file and its executable.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use leakscope_diagnose::readings::HeapMoment;
use leakscope_target::{CoreFile, FileBytes, MappedFile};

use super::OneMoment;
use super::heap_of::{HeapOf, Memory, heap_of};
use super::inspection::Inspection;
use crate::args::Access;
use crate::progress::Progress;

/// Reads the core at `path`, one moment for which nothing stands still now, and asks `question` of it.
pub(crate) fn ask<T>(
    path: &Path,
    access: &Access,
    progress: &Progress,
    question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
) -> Result<(OneMoment, T)> {
    progress.says("opening the core");
    let core = CoreFile::open(path).with_context(|| format!("cannot read {} as a core", path.display()))?;
    let exe_path = executable_path(&core, path, access)?;
    let exe = FileBytes::Mapped(Arc::new(MappedFile::open(&exe_path).with_context(|| remedy(&exe_path))?));
    let core = core
        .with_executable(&exe_path, exe.clone())
        .context("the core and its executable do not go together")?;
    progress.says("reading the heap");
    let memory = Memory {
        exe: &exe,
        name: exe_path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        pid: core.process().map(|process| process.pid),
        memory: &core,
        mappings: core.mappings(),
        threads: core.threads(),
        live: None,
        monotonic: None,
    };
    let (HeapOf { heap, target, mut gaps }, answer) =
        heap_of(&memory, question).map_err(|error| with_cause(error, &core))?;
    gaps.extend(core.gaps());
    let moment = HeapMoment {
        heap,
        taken_at: written_at(path),
        at_seconds: 0.0,
        pause_ms: None,
        predicted_ms: None,
        mode: "core".to_owned(),
    };
    Ok((OneMoment { moment, target, gaps }, answer))
}

/// `--exe`, else where the core says that it lay, here or in its process's own view of the files.
fn executable_path(core: &CoreFile, path: &Path, access: &Access) -> Result<PathBuf> {
    if let Some(exe) = &access.exe {
        return Ok(exe.clone());
    }
    let Some(hint) = core.executable_hint() else {
        let unknown =
            anyhow!("{} does not say which executable it is of; name it with --exe FILE", path.display());
        return Err(with_cause(unknown, core));
    };
    let pid = core.process().map(|process| process.pid);
    let in_container = pid.map(|pid| {
        let inside = hint.strip_prefix("/").unwrap_or(&hint);
        PathBuf::from(format!("/proc/{pid}/root")).join(inside)
    });
    let candidates = [Some(hint.clone()), in_container];
    Ok(candidates.into_iter().flatten().find(|path| path.is_file()).unwrap_or(hint))
}

/// A core that was cut off says so first: the rest follows from that.
fn with_cause(error: anyhow::Error, core: &CoreFile) -> anyhow::Error {
    match core.cut_off() {
        Some(gap) => error.context(gap.reason),
        None => error,
    }
}

fn remedy(exe: &Path) -> String {
    format!("cannot read the core's executable {}; name it with --exe FILE", exe.display())
}

/// When the core was written, by its file; empty where the system does not tell.
fn written_at(path: &Path) -> String {
    let modified = std::fs::metadata(path).and_then(|facts| facts.modified()).ok();
    let stamp = modified.and_then(|time| jiff::Timestamp::try_from(time).ok());
    stamp.map(|stamp| format!("{stamp:.3}")).unwrap_or_default()
}
