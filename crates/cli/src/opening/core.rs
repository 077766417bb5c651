//! A core file and its executable.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use leakscope_collect::debug_files::Root;
use leakscope_diagnose::readings::HeapMoment;
use leakscope_target::{CoreFile, FileBytes, MappedFile, Mapping};

use super::debug_info::{Program, SeparateDebugInfo};
use super::go_image::{Files, GoImage};
use super::heap_of::{HeapOf, Memory, heap_of};
use super::inspection::Inspection;
use super::{OneMoment, Wanted};
use crate::args::Access;
use crate::progress::Progress;

/// Reads the core at `path`, one moment for which nothing stands still now, and asks `question` of it.
pub(crate) fn ask<T>(
    path: &Path,
    access: &Access,
    progress: &Progress,
    wanted: Wanted,
    question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
) -> Result<(OneMoment, T)> {
    progress.says("opening the core");
    let core = CoreFile::open(path).with_context(|| format!("cannot read {} as a core", path.display()))?;
    let (core, image) = with_program(core, path, access)?;
    let executable = image.path.canonicalize().unwrap_or_else(|_| image.path.clone());
    let roots = vec![Root { at: PathBuf::from("/"), executable: Some(executable) }];
    let program = Program { bytes: &image.bytes, roots };
    let debug = SeparateDebugInfo::find(&program, &access.debug)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let residency = (wanted == Wanted::Residency).then(|| core.residency());
    progress.says("reading the heap");
    let memory = Memory {
        image: &image,
        debug: &debug,
        name: image.path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        pid: core.process().map(|process| process.pid),
        memory: &core,
        mappings: core.mappings(),
        threads: core.threads(),
        live: None,
        monotonic: None,
        residency: residency.as_ref(),
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

/// The core with the file that is read as Go: its executable, or a library.
fn with_program(core: CoreFile, path: &Path, access: &Access) -> Result<(CoreFile, GoImage)> {
    let (core, executable) = match with_executable(core, path, access) {
        Ok((core, executable)) => (core, Some(executable)),
        Err((core, _)) if access.library.is_some() => (core, None),
        Err((_, error)) => return Err(error),
    };
    let open = |mapping: &Mapping| library(&core, mapping, access);
    let files = Files { executable, mappings: core.mappings(), open: &open };
    let wanted = access.library.as_deref().and_then(Path::file_name).map(Path::new);
    let doing = || format!("cannot read {}", path.display());
    let image = GoImage::choose(&files, wanted).with_context(doing)?;
    match image.is_library {
        true => {
            let core = core.with_library(&image.path, image.bytes.clone());
            Ok((core.context("the core and its library do not go together")?, image))
        }
        false => Ok((core, image)),
    }
}

/// The core with its executable, which may be the host of a Go library and nothing more; the core alone comes back
/// with the error.
#[allow(clippy::result_large_err, reason = "one call, and the core must not be lost")]
fn with_executable(
    core: CoreFile,
    path: &Path,
    access: &Access,
) -> Result<(CoreFile, (FileBytes, PathBuf)), (CoreFile, anyhow::Error)> {
    let exe_path = match executable_path(&core, path, access) {
        Ok(exe_path) => exe_path,
        Err(error) => return Err((core, error)),
    };
    let bytes = match MappedFile::open(&exe_path).with_context(|| remedy(&exe_path)) {
        Ok(file) => FileBytes::from(file),
        Err(error) => return Err((core, error)),
    };
    let joined = core.clone().with_executable(&exe_path, bytes.clone());
    match joined.context("the core and its executable do not go together") {
        Ok(joined) => Ok((joined, (bytes, exe_path))),
        Err(error) => Err((core, error)),
    }
}

/// The library behind a mapping: the one that the user names, else what lies at its path here or in its container.
fn library(core: &CoreFile, mapping: &Mapping, access: &Access) -> Option<FileBytes> {
    let mapped = Path::new(mapping.path.strip_suffix(" (deleted)").unwrap_or(&mapping.path));
    let named = access.library.iter().filter(|named| named.file_name() == mapped.file_name());
    let here = named.cloned().chain([mapped.to_owned()]).chain(in_container(core, mapped));
    let found = here.into_iter().find(|path| path.is_file())?;
    MappedFile::open(&found).ok().map(FileBytes::from)
}

/// Where a container's file is seen from outside, as long as a process of that id is alive.
fn in_container(core: &CoreFile, path: &Path) -> Option<PathBuf> {
    let pid = core.process()?.pid;
    let inside = path.strip_prefix("/").unwrap_or(path);
    Some(PathBuf::from(format!("/proc/{pid}/root")).join(inside))
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
    let candidates = [Some(hint.clone()), in_container(core, &hint)];
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
