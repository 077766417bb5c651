//! Captures: what was gathered, written into one file, and read from it again.

use std::path::Path;

use anyhow::{Context, Result, bail};
use leakscope_collect::{Capture, OsFacts, Part, PartKind, TargetFacts};
use leakscope_diagnose::readings::HeapMoment;
use leakscope_heap::graph_file;
use leakscope_model::{DebugInfoKind, Gap, Target};
use serde::{Deserialize, Serialize};

use crate::gathered::{Answer, Gathered};
use crate::opening::OneMoment;

/// The recordings that are part of this binary.
const RECORDINGS: [(&str, &[u8]); 1] = [("grpc", include_bytes!("../../../demo/grpc.leakscope"))];

/// How and when each heap was read, and what could not be had: the part of kind [`PartKind::Snapshots`].
#[derive(Debug, Serialize, Deserialize)]
struct Snapshots {
    moments: Vec<Snapshot>,
    gaps: Vec<(String, String)>,
}

/// All of a [`HeapMoment`] but its heap.
#[derive(Debug, Serialize, Deserialize)]
struct Snapshot {
    taken_at: String,
    at_seconds: f64,
    pause_ms: Option<f64>,
    predicted_ms: Option<f64>,
    mode: String,
}

/// A recording by its name.
pub(crate) fn recording(case: &str) -> Result<Capture> {
    let Some((_, bytes)) = RECORDINGS.iter().find(|(name, _)| *name == case) else {
        let names: Vec<&str> = RECORDINGS.iter().map(|(name, _)| *name).collect();
        bail!("no recording is called {case}; there is {}", names.join(", "));
    };
    Capture::read(*bytes).with_context(|| format!("the recording {case} of this build is damaged"))
}

/// Writes what was gathered, whole or not at all.
pub(crate) fn write(gathered: &Gathered, path: &Path) -> Result<()> {
    let Gathered { target, moments, heap_profiles, dumps, os, gaps } = gathered;
    let tool = concat!("leakscope ", env!("CARGO_PKG_VERSION"));
    let mut capture = Capture::new(tool, target_facts(target));
    let snapshots = Snapshots {
        moments: moments.iter().map(snapshot).collect(),
        gaps: gaps.iter().map(|gap| (gap.part.clone(), gap.reason.clone())).collect(),
    };
    capture.add(PartKind::Snapshots, "snapshots", serde_json::to_vec(&snapshots)?);
    for answer in heap_profiles {
        capture.add_taken_at(
            PartKind::HeapProfile,
            &answer.from,
            answer.taken_at.clone(),
            answer.bytes.clone(),
        );
    }
    for answer in dumps {
        capture.add_taken_at(
            PartKind::GoroutineDump,
            &answer.from,
            answer.taken_at.clone(),
            answer.bytes.clone(),
        );
    }
    if let Some(os) = os {
        capture.add(PartKind::Os, "os", serde_json::to_vec(os)?);
    }
    for (index, moment) in moments.iter().enumerate() {
        let mut bytes = Vec::new();
        graph_file::write(&moment.heap, &mut bytes).context("packing the heap")?;
        capture.add_taken_at(PartKind::HeapGraph, &format!("heap {index}"), moment.taken_at.clone(), bytes);
    }
    capture.write_to(path).with_context(|| format!("cannot write the capture {}", path.display()))
}

/// The last moment of a capture, what the system said then, and the first moment, if it holds more than one.
pub(crate) fn last_moment(capture: Capture) -> Result<(OneMoment, Option<OsFacts>, Option<HeapMoment>)> {
    let Gathered { target, mut moments, gaps, os, .. } = gathered(capture)?;
    let Some(moment) = moments.pop() else {
        bail!("the capture holds no heap: it was made with --memory none")
    };
    let first = moments.into_iter().next();
    Ok((OneMoment { moment, target, gaps }, os, first))
}

/// All that a capture holds; a part that is damaged costs itself alone.
pub(crate) fn gathered(capture: Capture) -> Result<Gathered> {
    let mut gaps = capture.gaps.clone();
    let Snapshots { moments: snapshots, gaps: told } = snapshots(&capture, &mut gaps);
    gaps.extend(told.into_iter().map(|(part, reason)| Gap { part, reason }));
    let clock = Clock::of(&snapshots);
    let mut gathered = Gathered::of(target(&capture.manifest.target));
    for part in capture.parts {
        let answer = |part: Part| Answer {
            at_seconds: clock.at(&part.entry.taken_at),
            from: part.entry.name,
            taken_at: part.entry.taken_at,
            bytes: part.bytes,
        };
        match part.entry.kind {
            PartKind::HeapProfile => gathered.heap_profiles.push(answer(part)),
            PartKind::GoroutineDump => gathered.dumps.push(answer(part)),
            PartKind::Os => {
                gathered.os =
                    read_part(&part, |bytes| Ok(serde_json::from_slice::<OsFacts>(bytes)?), &mut gaps)
            }
            PartKind::HeapGraph => {
                let known = snapshots.iter().find(|known| known.taken_at == part.entry.taken_at);
                let heap = read_part(&part, |bytes| Ok(graph_file::read(bytes)?), &mut gaps);
                gathered.moments.extend(heap.map(|heap| moment(heap, known, &part)));
            }
            _ => {}
        }
    }
    gathered.gaps.extend(gaps);
    Ok(gathered)
}

/// How the heaps were read; a capture that lost that part still has the heaps.
fn snapshots(capture: &Capture, gaps: &mut Vec<Gap>) -> Snapshots {
    let part = capture.parts_of(PartKind::Snapshots).next();
    part.and_then(|part| read_part(part, |bytes| Ok(serde_json::from_slice(bytes)?), gaps))
        .unwrap_or(Snapshots { moments: Vec::new(), gaps: Vec::new() })
}

fn read_part<T>(part: &Part, read: impl Fn(&[u8]) -> Result<T>, gaps: &mut Vec<Gap>) -> Option<T> {
    let read = read(&part.bytes).with_context(|| format!("the part {} of the capture", part.entry.name));
    read.map_err(|error| gaps.push(Gap::new("capture", format!("{error:#}")))).ok()
}

fn snapshot(moment: &HeapMoment) -> Snapshot {
    let HeapMoment { heap: _, taken_at, at_seconds, pause_ms, predicted_ms, mode } = moment;
    Snapshot {
        taken_at: taken_at.clone(),
        at_seconds: *at_seconds,
        pause_ms: *pause_ms,
        predicted_ms: *predicted_ms,
        mode: mode.clone(),
    }
}

fn moment(heap: leakscope_heap::Heap, known: Option<&Snapshot>, part: &Part) -> HeapMoment {
    HeapMoment {
        heap,
        taken_at: part.entry.taken_at.clone(),
        at_seconds: known.map_or_else(|| unix_seconds(&part.entry.taken_at), |known| known.at_seconds),
        pause_ms: known.and_then(|known| known.pause_ms),
        predicted_ms: known.and_then(|known| known.predicted_ms),
        mode: known.map_or_else(|| "capture".to_owned(), |known| known.mode.clone()),
    }
}

/// From wall-clock times of parts to the clock of the heap moments.
struct Clock {
    /// Seconds since 1970 at the zero of that clock.
    zero: f64,
}

impl Clock {
    fn of(snapshots: &[Snapshot]) -> Clock {
        let last = snapshots.last();
        Clock { zero: last.map_or(0.0, |last| unix_seconds(&last.taken_at) - last.at_seconds) }
    }

    fn at(&self, taken_at: &str) -> f64 {
        unix_seconds(taken_at) - self.zero
    }
}

/// Seconds since 1970; 0 for what is no time.
fn unix_seconds(rfc3339: &str) -> f64 {
    rfc3339.parse::<jiff::Timestamp>().map_or(0.0, |time| time.as_nanosecond() as f64 / 1e9)
}

fn target_facts(target: &Target) -> TargetFacts {
    let Target { pid, exe, go, arch, build_id, debug } = target;
    let debug = match debug {
        DebugInfoKind::Dwarf => "dwarf",
        DebugInfoKind::Separate => "separate",
        DebugInfoKind::Stripped => "stripped",
    };
    TargetFacts {
        pid: *pid,
        name: exe.clone(),
        go: Some(go.clone()),
        arch: Some(arch.clone()),
        build_id: Some(build_id.clone()),
        debug: Some(debug.to_owned()),
    }
}

fn target(facts: &TargetFacts) -> Target {
    let TargetFacts { pid, name, go, arch, build_id, debug } = facts.clone();
    Target {
        pid,
        exe: name,
        go: go.unwrap_or_default(),
        arch: arch.unwrap_or_default(),
        build_id: build_id.unwrap_or_default(),
        debug: match debug.as_deref() {
            Some("dwarf") => DebugInfoKind::Dwarf,
            Some("separate") => DebugInfoKind::Separate,
            _ => DebugInfoKind::Stripped,
        },
    }
}
