//! A target's word becomes a heap: from a live process, a core, or a capture.

mod core;
mod debug_info;
mod go_image;
mod heap_of;
mod inspection;
mod live;
mod process_name;
pub(crate) mod resident;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use leakscope_collect::{Capture, FileKind};
use leakscope_diagnose::readings::HeapMoment;
use leakscope_model::{Gap, Target};

use crate::args::{Access, TargetWord};
use crate::capture_file;
use crate::progress::Progress;

pub(crate) use inspection::{Answered, AtHand, Earlier, HowRead, Inspection};
pub(crate) use live::LiveTarget;

/// One heap, and whose it is.
#[derive(Debug)]
pub(crate) struct OneMoment {
    /// The heap, with how and when it was read.
    pub(crate) moment: HeapMoment,
    /// Whose it is.
    pub(crate) target: Target,
    /// What could not be read, beside the gaps of the heap.
    pub(crate) gaps: Vec<Gap>,
}

/// A target, found but not read yet.
#[derive(Debug)]
pub(crate) enum Found {
    /// A process that we may look at.
    Live(Box<LiveTarget>),
    /// A core of one moment.
    Core(PathBuf),
    /// A capture, unpacked.
    Capture(Box<Capture>),
    /// A profile or a goroutine dump.
    Saved(PathBuf, FileKind),
    /// A pprof endpoint.
    Url(String),
}

/// Finds what `word` names and checks that it can be opened.
pub(crate) fn find(word: &TargetWord, access: &Access) -> Result<Found> {
    match word {
        TargetWord::Process(pid) => Ok(Found::Live(Box::new(LiveTarget::open(*pid, access)?))),
        TargetWord::Named(name) => {
            let pid = process_name::only_process(name)?;
            Ok(Found::Live(Box::new(LiveTarget::open(pid, access)?)))
        }
        TargetWord::File(path) => find_file(path),
        TargetWord::Demo(case) => Ok(Found::Capture(Box::new(capture_file::recording(case)?))),
        TargetWord::Url(url) => Ok(Found::Url(url.clone())),
    }
}

/// What a question wants to have at hand beside the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Nothing.
    Memory,
    /// Which pages are resident, as of the snapshot's moment.
    Residency,
}

/// As [`ask`], with which pages are resident.
pub(crate) fn ask_resident<T>(
    word: &TargetWord,
    access: &Access,
    question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
) -> Result<Answered<T>> {
    ask_wanting(word, access, Wanted::Residency, question)
}

/// Asks `question` of one moment of whatever `word` names, while its memory is at hand.
pub(crate) fn ask<T>(
    word: &TargetWord,
    access: &Access,
    question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
) -> Result<Answered<T>> {
    ask_wanting(word, access, Wanted::Memory, question)
}

fn ask_wanting<T>(
    word: &TargetWord,
    access: &Access,
    wanted: Wanted,
    question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
) -> Result<Answered<T>> {
    let (OneMoment { moment, gaps, .. }, answer) = asked(word, access, wanted, question)?;
    let HeapMoment { heap, taken_at, at_seconds: _, pause_ms, predicted_ms, mode } = moment;
    Ok(Answered::new(answer, &heap, HowRead { taken_at, mode, predicted_ms, pause_ms }, gaps))
}

fn asked<T>(
    word: &TargetWord,
    access: &Access,
    wanted: Wanted,
    question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
) -> Result<(OneMoment, T)> {
    let progress = Progress::new();
    match find(word, access)? {
        Found::Live(live) => live.ask(&progress, wanted, question),
        Found::Core(path) => core::ask(&path, access, &progress, wanted, question),
        Found::Capture(capture) => {
            let (one, os, first) = capture_file::last_moment(*capture)?;
            let earlier = first.as_ref().map(|first| Earlier {
                heap: &first.heap,
                seconds_before: one.moment.at_seconds - first.at_seconds,
            });
            let inspection =
                Inspection::new(&one.moment.heap, &one.target, None).with_os(os.as_ref()).after(earlier);
            let answer = question(&inspection)?;
            Ok((one, answer))
        }
        Found::Saved(path, _) => {
            bail!("{} tells no heap: name a process, a core or a capture", path.display())
        }
        Found::Url(url) => bail!("{url} tells no heap: name the PID of the process, a core or a capture"),
    }
}

/// The last moment of whatever `word` names.
pub(crate) fn last_moment(word: &TargetWord, access: &Access) -> Result<OneMoment> {
    asked(word, access, Wanted::Memory, |_| Ok(())).map(|(one, ())| one)
}

/// Reads the core at `path`.
pub(crate) fn core_moment(path: &Path, access: &Access, progress: &Progress) -> Result<OneMoment> {
    core::ask(path, access, progress, Wanted::Memory, |_| Ok(())).map(|(one, ())| one)
}

/// Tells a file's kind by its first bytes.
fn find_file(path: &Path) -> Result<Found> {
    let doing =
        || format!("opening {}: a target is a PID, name:PROCESS, a file, a URL or demo:grpc", path.display());
    let kind = FileKind::of_file(path).with_context(doing)?;
    Ok(match kind {
        FileKind::Core => Found::Core(path.to_owned()),
        FileKind::Elf => {
            bail!("{} is an executable, not a core: name a core of it, or its process", path.display())
        }
        FileKind::Capture => Found::Capture(Box::new(Capture::open(path)?)),
        FileKind::Profile | FileKind::GoroutineText => Found::Saved(path.to_owned(), kind),
        FileKind::Trace => bail!("{} is an execution trace, which is not read yet", path.display()),
        FileKind::Unknown => {
            bail!("{} is neither a core, a capture, a profile nor a goroutine dump", path.display())
        }
    })
}
