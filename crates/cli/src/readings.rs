//! The wiring: a found target becomes readings, whatever it is.

use std::time::Duration;

use anyhow::Result;
use leakscope_diagnose::readings::{OsFacts, Readings};

use crate::args::{Access, TargetWord};
use crate::capture_file;
use crate::opening::{Found, LiveTarget, OneMoment, find};
use crate::progress::Progress;

/// What a reading may cost and where to look.
pub(crate) struct Plan<'a> {
    /// Time between the two snapshots of a live process; zero takes one.
    pub(crate) window: Duration,
    /// The pprof endpoint, where the user names it.
    pub(crate) pprof: Option<&'a str>,
    /// How the target may be opened.
    pub(crate) access: &'a Access,
}

/// Reads all there is to read of `word`.
pub(crate) fn read(word: &TargetWord, plan: &Plan<'_>) -> Result<Readings> {
    let progress = Progress::new();
    let name = word.to_string();
    match find(word, plan.access, &progress)? {
        Found::Live(live) => of_live(&live, name, plan, &progress),
        Found::Core(moment) => Ok(of_core(*moment, name)),
        Found::Capture(bytes) => capture_file::readings(&bytes, &name),
        Found::Url(url) => anyhow::bail!("{url}: endpoints are not wired yet"),
    }
}

/// Two snapshots, and what endpoint and system say after the last: `heap?gc=1` forces a collection, which must
/// not fall between them.
fn of_live(live: &LiveTarget, word: String, plan: &Plan<'_>, progress: &Progress) -> Result<Readings> {
    let OneMoment { moment, target, mut gaps } = live.moment(progress)?;
    let mut moments = vec![moment];
    if !plan.window.is_zero() {
        let from = moments.first().map_or(0.0, |moment| moment.at_seconds);
        progress.waits(live.instant(from + plan.window.as_secs_f64()));
        let second = live.moment(progress)?;
        gaps.extend(second.gaps);
        moments.push(second.moment);
    }
    let os = OsFacts::default();
    let _ = plan.pprof;
    Ok(Readings { target, word, moments, profiles: Vec::new(), dumps: Vec::new(), os, gaps })
}

fn of_core(read: OneMoment, word: String) -> Readings {
    let OneMoment { moment, target, gaps } = read;
    Readings {
        target,
        word,
        moments: vec![moment],
        profiles: Vec::new(),
        dumps: Vec::new(),
        os: OsFacts::default(),
        gaps,
    }
}
