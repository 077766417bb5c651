//! Everything that was gathered of one target, as it came: what a capture holds, and what is judged.

mod endpoint;
mod live;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use leakscope_collect::{FileKind, OsFacts};
use leakscope_diagnose::readings::{self, DumpReading, HeapMoment, ProfileReading, Readings};
use leakscope_model::{DebugInfoKind, Gap, Target};
use leakscope_pprof::{GoroutineDump, HeapEstimate, Profile};

use crate::args::{Access, EndpointArgs, TargetWord};
use crate::capture_file;
use crate::opening::{Found, OneMoment, core_moment, find, resident};
use crate::progress::Progress;

/// Bytes that an endpoint answered or a file held.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The URL or file.
    pub(crate) from: String,
    /// RFC 3339.
    pub(crate) taken_at: String,
    /// The same moment, on the clock of the heap moments.
    pub(crate) at_seconds: f64,
    /// In the format of its kind.
    pub(crate) bytes: Vec<u8>,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Gathered {
    /// Who was looked at.
    pub(crate) target: Target,
    /// One or two heaps, in order of time.
    pub(crate) moments: Vec<HeapMoment>,
    /// `heap?gc=1`.
    pub(crate) heap_profiles: Vec<Answer>,
    /// `goroutine?debug=2`.
    pub(crate) dumps: Vec<Answer>,
    /// The system's view after the last moment.
    pub(crate) os: Option<OsFacts>,
    /// What could not be had.
    pub(crate) gaps: Vec<Gap>,
}

/// What gathering may cost and where to look.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// Time between the two snapshots of a live process; zero takes one.
    pub(crate) window: Duration,
    /// The pprof endpoint, and how long it may take.
    pub(crate) endpoint: &'a EndpointArgs,
    /// Whether heaps are read at all.
    pub(crate) heaps: Heaps,
    /// How the target may be opened.
    pub(crate) access: &'a Access,
}

/// Whether heaps are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heaps {
    /// Yes.
    Read,
    /// Profiles and figures alone.
    LeaveOut,
}

/// Gathers all there is of what `word` names.
pub(crate) fn gather(word: &TargetWord, plan: &Plan<'_>) -> Result<Gathered> {
    let progress = Progress::new();
    match find(word, plan.access)? {
        Found::Live(live) => live::gather(&live, plan, &progress),
        Found::Core(path) => Ok(Gathered::of_moment(core_moment(&path, plan.access, &progress)?)),
        Found::Capture(capture) => capture_file::gathered(*capture),
        Found::Saved(path, kind) => of_file(&path, kind),
        Found::Url(url) => endpoint::gather(&url, plan, &progress),
    }
}

impl Gathered {
    /// Nothing yet, of `target`.
    pub(crate) fn of(target: Target) -> Gathered {
        Gathered { target, moments: vec![], heap_profiles: vec![], dumps: vec![], os: None, gaps: vec![] }
    }

    fn of_moment(one: OneMoment) -> Gathered {
        let OneMoment { moment, target, gaps } = one;
        Gathered { moments: vec![moment], gaps, ..Gathered::of(target) }
    }

    /// What can be judged; `word` is how the user named the target.
    pub(crate) fn readings(self, word: &TargetWord) -> Readings {
        let Gathered { target, moments, heap_profiles, dumps, os, mut gaps } = self;
        let profiles =
            heap_profiles.into_iter().filter_map(|answer| kept(profile(answer), &mut gaps)).collect();
        let dumps = dumps.into_iter().filter_map(|answer| kept(dump(answer), &mut gaps)).collect::<Vec<_>>();
        let (dumps, more): (Vec<DumpReading>, Vec<Vec<Gap>>) = dumps.into_iter().unzip();
        gaps.extend(more.into_iter().flatten());
        let os = os.as_ref().map(os_facts).unwrap_or_default();
        Readings { target, word: word.to_string(), moments, profiles, dumps, os, gaps }
    }
}

/// A part that cannot be understood costs itself alone.
fn kept<T>(read: Result<T>, gaps: &mut Vec<Gap>) -> Option<T> {
    read.map_err(|error| gaps.push(Gap::new("pprof", format!("{error:#}")))).ok()
}

fn profile(answer: Answer) -> Result<ProfileReading> {
    let Answer { from, taken_at: _, at_seconds, bytes } = answer;
    let profile = Profile::decode(&bytes).with_context(|| from.clone())?;
    let Some(estimate) = HeapEstimate::of(&profile) else { bail!("{from} is no heap profile") };
    Ok(ProfileReading { estimate, from, at_seconds })
}

fn dump(answer: Answer) -> Result<(DumpReading, Vec<Gap>)> {
    let Answer { from, taken_at: _, at_seconds, bytes } = answer;
    let mut dump = GoroutineDump::parse(&bytes).with_context(|| from.clone())?;
    let gaps = std::mem::take(&mut dump.gaps);
    Ok((DumpReading { goroutines: dump.goroutines(), from, at_seconds }, gaps))
}

/// The figures that are judged.
fn os_facts(os: &OsFacts) -> readings::OsFacts {
    let cgroup = os.cgroup.as_ref();
    readings::OsFacts {
        rss: os.rss,
        anonymous: os.anonymous,
        mapped_files: os.mapped_files,
        cgroup_limit: cgroup.and_then(|cgroup| cgroup.limit),
        cgroup_usage: cgroup.and_then(|cgroup| cgroup.working_set.or(cgroup.usage)),
        ram: os.ram,
        uptime_seconds: os.uptime_seconds.map(|seconds| seconds as u64),
        resident: resident::memory(&os.resident, os.resident_rss),
    }
}

/// A profile or a dump that was saved by hand: no heap, one moment.
fn of_file(path: &Path, kind: FileKind) -> Result<Gathered> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let from = path.display().to_string();
    let answer = Answer { from: from.clone(), taken_at: String::new(), at_seconds: 0.0, bytes };
    let mut gathered = Gathered::of(unknown_target(&from));
    match kind {
        FileKind::Profile => gathered.heap_profiles.push(answer),
        FileKind::GoroutineText => gathered.dumps.push(answer),
        FileKind::Core | FileKind::Elf | FileKind::Capture | FileKind::Trace | FileKind::Unknown => {
            bail!("{from} is neither a core, a capture, a profile nor a goroutine dump")
        }
    }
    gathered
        .gaps
        .push(Gap::new("heap", "a saved profile tells no heap: name the process, a core or a capture"));
    Ok(gathered)
}

/// A target of which only its name is known.
pub(crate) fn unknown_target(name: &str) -> Target {
    Target {
        pid: None,
        exe: name.to_owned(),
        go: String::new(),
        arch: String::new(),
        build_id: String::new(),
        debug: DebugInfoKind::Stripped,
    }
}
