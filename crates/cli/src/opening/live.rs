//! A live process: snapshots of it, each let go as soon as it is read.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use leakscope_diagnose::readings::HeapMoment;
use leakscope_goruntime::RuntimeError;
use leakscope_model::{Gap, Target};
use leakscope_target::clock::monotonic_nanoseconds;
use leakscope_target::{
    Gadgets, LiveProcess, MappedFile, Mapping, Mode, Snapshot, SnapshotFacts, SnapshotOptions,
};

use super::OneMoment;
use super::heap_of::{HeapOf, Memory, heap_of, target_of_file};
use super::inspection::Inspection;
use crate::args::Access;
use crate::progress::Progress;

/// A process that we may look at, its executable, and how it may be looked at.
#[derive(Debug)]
pub(crate) struct LiveTarget {
    process: LiveProcess,
    exe: MappedFile,
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
        let exe = match &access.exe {
            Some(path) => MappedFile::open(path),
            None => process.executable(),
        };
        let exe =
            exe.with_context(|| format!("cannot read the executable of process {pid}; name it with --exe"))?;
        let name = process.executable_path().map(|path| file_name(&path)).unwrap_or_else(|_| process.name());
        let mappings = process.mappings().with_context(|| format!("cannot look at process {pid}"))?;
        let (gadgets, gaps) =
            gadgets(&exe, &mappings).with_context(|| format!("cannot read process {pid} ({name})"))?;
        let options = access.snapshot_options();
        Ok(LiveTarget { process, exe, name, gadgets, options, gaps, clock: Instant::now() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Who it is, by its executable alone.
    pub(crate) fn target(&self) -> Target {
        target_of_file(&self.name, self.pid(), &self.exe)
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
        self.ask(progress, |_| Ok(())).map(|(one, ())| one)
    }

    /// As [`LiveTarget::moment`]; before the snapshot is let go, `question` is asked of it.
    pub(crate) fn ask<T>(
        &self,
        progress: &Progress,
        question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
    ) -> Result<(OneMoment, T)> {
        let pid = self.pid();
        progress.says("taking a snapshot");
        let snapshot = Snapshot::take(&self.process, self.gadgets, self.options)
            .with_context(|| format!("cannot take a snapshot of process {pid}"))?;
        let (taken_at, at_seconds) = (jiff::Timestamp::now(), self.now());
        let monotonic = monotonic_nanoseconds();
        progress.says("reading the heap");
        let memory = Memory {
            exe: &self.exe,
            name: self.name.clone(),
            pid: Some(pid),
            memory: &snapshot,
            mappings: snapshot.mappings(),
            threads: snapshot.threads(),
            live: Some(pid),
            monotonic,
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

/// What a fork needs of the program's code; a program that lacks it is still read in another way, one that is no Go
/// program is not.
fn gadgets(exe: &[u8], mappings: &[Mapping]) -> Result<(Option<Gadgets>, Vec<Gap>), RuntimeError> {
    match leakscope_goruntime::gadgets(exe, mappings) {
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
