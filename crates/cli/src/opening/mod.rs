//! A target's word becomes a heap: from a live process, a core, or a capture.

mod core;
mod heap_of;
mod live;
mod process_name;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use leakscope_collect::{Capture, FileKind};
use leakscope_diagnose::readings::HeapMoment;
use leakscope_model::{Gap, Target};

use crate::args::{Access, TargetWord};
use crate::capture_file;
use crate::progress::Progress;

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
    /// A core of one moment, read.
    Core(Box<OneMoment>),
    /// A capture, unpacked.
    Capture(Box<Capture>),
    /// A profile or a goroutine dump.
    Saved(PathBuf, FileKind),
    /// A pprof endpoint.
    Url(String),
}

/// Finds what `word` names and checks that it can be opened.
pub(crate) fn find(word: &TargetWord, access: &Access, progress: &Progress) -> Result<Found> {
    match word {
        TargetWord::Process(pid) => Ok(Found::Live(Box::new(LiveTarget::open(*pid, access)?))),
        TargetWord::Named(name) => {
            let pid = process_name::only_process(name)?;
            Ok(Found::Live(Box::new(LiveTarget::open(pid, access)?)))
        }
        TargetWord::File(path) => find_file(path, access, progress),
        TargetWord::Demo(case) => Ok(Found::Capture(Box::new(capture_file::recording(case)?))),
        TargetWord::Url(url) => Ok(Found::Url(url.clone())),
    }
}

/// One moment of whatever `word` names: a snapshot, the core, or the last moment of a capture.
pub(crate) fn one_moment(word: &TargetWord, access: &Access) -> Result<OneMoment> {
    let progress = Progress::new();
    match find(word, access, &progress)? {
        Found::Live(live) => live.moment(&progress),
        Found::Core(moment) => Ok(*moment),
        Found::Capture(capture) => capture_file::last_moment(*capture),
        Found::Saved(path, _) => {
            bail!("{} tells no heap: name a process, a core or a capture", path.display())
        }
        Found::Url(url) => bail!("{url} tells no heap: name the PID of the process, a core or a capture"),
    }
}

/// Tells a file's kind by its first bytes.
fn find_file(path: &Path, access: &Access, progress: &Progress) -> Result<Found> {
    let doing =
        || format!("opening {}: a target is a PID, name:PROCESS, a file, a URL or demo:grpc", path.display());
    let kind = FileKind::of_file(path).with_context(doing)?;
    Ok(match kind {
        FileKind::Core => Found::Core(Box::new(core::read(path, access, progress)?)),
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
