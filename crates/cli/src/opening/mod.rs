//! A target's word becomes a heap: from a live process, a core, or a capture.

mod core;
mod heap_of;
mod live;
mod process_name;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
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
    /// The bytes of a capture.
    Capture(Vec<u8>),
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
        TargetWord::File(path) if is_elf(path)? => {
            Ok(Found::Core(Box::new(core::read(path, access, progress)?)))
        }
        TargetWord::File(path) => {
            let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            Ok(Found::Capture(bytes))
        }
        TargetWord::Demo(case) => Ok(Found::Capture(capture_file::recording(case)?.to_vec())),
        TargetWord::Url(url) => Ok(Found::Url(url.clone())),
    }
}

/// One moment of whatever `word` names: a snapshot, the core, or the last moment of a capture.
pub(crate) fn one_moment(word: &TargetWord, access: &Access) -> Result<OneMoment> {
    let progress = Progress::new();
    match find(word, access, &progress)? {
        Found::Live(live) => live.moment(&progress),
        Found::Core(moment) => Ok(*moment),
        Found::Capture(bytes) => capture_file::last_moment(&bytes),
        Found::Url(url) => bail!("{url} tells no heap: name the PID of the process, a core or a capture"),
    }
}

/// Whether the file begins as an ELF file does: then it is a core.
fn is_elf(path: &Path) -> Result<bool> {
    let doing =
        || format!("opening {}: a target is a PID, name:PROCESS, a file, a URL or demo:grpc", path.display());
    let mut magic = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read(&mut magic)).with_context(doing)?;
    Ok(read == 4 && &magic == b"\x7fELF")
}
