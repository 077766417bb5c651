//! A live process: snapshots of it, each let go as soon as it is read.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use leakscope_collect::debug_files::Root;
use leakscope_diagnose::readings::HeapMoment;
use leakscope_goruntime::RuntimeError;
use leakscope_model::{Gap, Target};
use leakscope_target::clock::monotonic_nanoseconds;
use leakscope_target::{
    FileBytes, Gadgets, LiveProcess, MappedFile, Mapping, Mode, Residency, Snapshot, SnapshotFacts,
    SnapshotOptions,
};

use super::debug_info::{Program, SeparateDebugInfo};
use super::go_image::{Files, GoImage};
use super::heap_of::{HeapOf, Memory, heap_of, target_of_file};
use super::inspection::Inspection;
use super::{OneMoment, Wanted};
use crate::args::Access;
use crate::progress::Progress;

/// A process that we may look at, its executable, and how it may be looked at.
#[derive(Debug)]
pub(crate) struct LiveTarget {
    process: LiveProcess,
    image: GoImage,
    debug: SeparateDebugInfo,
    name: String,
    gadgets: Option<Gadgets>,
    options: SnapshotOptions,
    gaps: Vec<Gap>,
    /// The zero of the clock on which all its moments lie.
    clock: Instant,
}

impl LiveTarget {
    /// Checks that process `pid` is there, ours to look at, and a Go program; nothing is done to it yet.
    pub(crate) fn open(pid: u32, access: &Access) -> Result<LiveTarget> {
        let process = LiveProcess::open(pid).with_context(|| format!("cannot look at process {pid}"))?;
        let mappings = process.mappings().with_context(|| format!("cannot look at process {pid}"))?;
        let executable = process.executable_path().ok();
        let name = executable.as_deref().map_or_else(|| process.name(), file_name);
        let doing = || format!("cannot read process {pid} ({name})");
        let image = go_image(&process, executable, &mappings, access).with_context(doing)?;
        let (gadgets, gaps) = gadgets(&process, &image, &mappings).with_context(doing)?;
        let debug = debug_info(&process, &image, access).with_context(doing)?;
        let name = image.name(name);
        let options = access.snapshot_options();
        Ok(LiveTarget { process, image, debug, name, gadgets, options, gaps, clock: Instant::now() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Who it is, by its executable alone.
    pub(crate) fn target(&self) -> Target {
        target_of_file(&self.name, self.pid(), &self.image.bytes)
    }

    /// Seconds on the clock of its moments.
    pub(crate) fn now(&self) -> f64 {
        self.clock.elapsed().as_secs_f64()
    }

    /// The instant `seconds` on that clock.
    pub(crate) fn instant(&self, seconds: f64) -> Instant {
        self.clock + std::time::Duration::from_secs_f64(seconds.max(0.0))
    }

    /// Takes a snapshot, reads it, and lets it go.
    pub(crate) fn moment(&self, progress: &Progress) -> Result<OneMoment> {
        self.ask(progress, Wanted::Memory, |_| Ok(())).map(|(one, ())| one)
    }

    /// As [`LiveTarget::moment`], with what is resident at that moment, where it can be told.
    pub(crate) fn moment_with_residency(
        &self,
        progress: &Progress,
    ) -> Result<(OneMoment, Option<leakscope_heap::breakdown::Breakdown>)> {
        self.ask(progress, Wanted::Residency, |inspection| {
            // A report stands without it: then the runtime's own figures are shown.
            Ok(super::resident::broken_down(inspection).ok().map(|(found, _)| found))
        })
    }

    /// As [`LiveTarget::moment`]; before the snapshot is let go, `question` is asked of it.
    pub(crate) fn ask<T>(
        &self,
        progress: &Progress,
        wanted: Wanted,
        question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
    ) -> Result<(OneMoment, T)> {
        let pid = self.pid();
        progress.says("taking a snapshot");
        let snapshot = Snapshot::take(&self.process, self.gadgets, self.options)
            .with_context(|| format!("cannot take a snapshot of process {pid}"))?;
        // At once: the process goes on, and the heap takes a while to read.
        let residency = (wanted == Wanted::Residency).then(|| residency(pid));
        let (taken_at, at_seconds) = (jiff::Timestamp::now(), self.now());
        let monotonic = monotonic_nanoseconds();
        progress.says("reading the heap");
        let memory = Memory {
            image: &self.image,
            debug: &self.debug,
            name: self.name.clone(),
            pid: Some(pid),
            memory: &snapshot,
            mappings: snapshot.mappings(),
            threads: snapshot.threads(),
            live: Some(pid),
            monotonic,
            residency: residency.as_ref(),
        };
        let read = heap_of(&memory, question).map_err(|error| with_cause(error, &snapshot));
        let facts = snapshot.release();
        let (HeapOf { heap, target, gaps: more }, answer) = read?;
        let mut gaps = self.gaps.clone();
        gaps.extend(more);
        gaps.extend(other_way(&facts));
        let moment = HeapMoment {
            heap,
            taken_at: format!("{taken_at:.3}"),
            at_seconds,
            pause_ms: Some(milliseconds(facts.pause)),
            predicted_ms: facts.predicted_pause.map(milliseconds),
            mode: mode_word(facts.mode).to_owned(),
        };
        Ok((OneMoment { moment, target, gaps }, answer))
    }
}

/// The file of the process that is read as Go.
fn go_image(
    process: &LiveProcess,
    path: Option<PathBuf>,
    mappings: &[Mapping],
    access: &Access,
) -> Result<GoImage> {
    let executable = match &access.exe {
        Some(path) => MappedFile::open(path),
        None => process.executable(),
    };
    let executable = match (executable, &access.library) {
        (Ok(file), _) => Some((FileBytes::from(file), path.unwrap_or_default())),
        (Err(_), Some(_)) => None,
        (Err(error), None) => {
            return Err(error).context("cannot read its executable; name it with --exe");
        }
    };
    let open = |mapping: &Mapping| process.mapped_file(mapping).ok().map(FileBytes::from);
    GoImage::choose(&Files { executable, mappings, open: &open }, access.library.as_deref())
}

/// Its debug information, where that is in another file; a container's files are looked at before ours.
fn debug_info(process: &LiveProcess, image: &GoImage, access: &Access) -> Result<SeparateDebugInfo> {
    let executable = Some(image.path.clone()).filter(|path| path.is_absolute());
    let inside = process.has_own_files().then(|| Root {
        at: process.root(),
        executable: executable.as_deref().map(|path| process.inside(path)),
    });
    let roots = inside.into_iter().chain([Root { at: PathBuf::from("/"), executable }]).collect();
    SeparateDebugInfo::find(&Program { bytes: &image.bytes, roots }, &access.debug)
}

/// What of the process is resident; nothing with a gap where the system does not tell.
fn residency(pid: u32) -> Residency {
    Residency::of_process(pid).unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Residency { gaps: vec![Gap::new("os", format!("{error}{cause}"))], ..Residency::default() }
    })
}

/// What a fork needs of the program's code; a program that lacks it is still read in another way, one that is no Go
/// program is not.
fn gadgets(
    process: &LiveProcess,
    image: &GoImage,
    mappings: &[Mapping],
) -> Result<(Option<Gadgets>, Vec<Gap>), RuntimeError> {
    let mappings = image.mappings(mappings);
    match leakscope_goruntime::gadgets_in_memory(&image.bytes, &mappings, &process.memory()) {
        Ok(gadgets) => Ok((Some(gadgets), Vec::new())),
        Err(error @ (RuntimeError::NotElf(_) | RuntimeError::NotGo(_))) => Err(error),
        Err(error) => Ok((None, vec![Gap::new("snapshot", format!("no fork: {error}"))])),
    }
}

/// A snapshot that was given up says so first: what failed follows from that.
fn with_cause(error: anyhow::Error, snapshot: &Snapshot) -> anyhow::Error {
    match snapshot.lost() {
        Some(why) => error.context(format!("the snapshot had to be given up early: {why}")),
        None => error,
    }
}

/// Says why the snapshot was not taken in the best way.
fn other_way(facts: &SnapshotFacts) -> Option<Gap> {
    let why = facts.why.as_ref()?;
    let consequence = match facts.mode {
        Mode::Live => "the process was read while it ran: objects that it changed meanwhile may be torn",
        _ => "the process stood still while it was read",
    };
    Some(Gap::new("snapshot", format!("{consequence}, because: {why}")))
}

fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Auto | Mode::Fork => "fork",
        Mode::Stop => "stop",
        Mode::Live => "live",
    }
}

fn milliseconds(span: std::time::Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
