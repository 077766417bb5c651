//! A live process: two snapshots, and what its endpoint and the system say after the last.

use anyhow::Result;
use leakscope_collect::{OsFacts, PprofEndpoint, discover, now};
use leakscope_heap::breakdown::Breakdown;
use leakscope_model::Gap;

use super::{Answer, Gathered, Heaps, Plan};
use crate::opening::{LiveTarget, resident};
use crate::progress::Progress;

/// Gathers. `heap?gc=1` forces a collection, which must not fall between the snapshots: profiles are asked for last.
pub(super) fn gather(live: &LiveTarget, plan: &Plan<'_>, progress: &Progress) -> Result<Gathered> {
    let mut gaps = Vec::new();
    let endpoint = endpoint(live, plan, progress, &mut gaps);
    let (mut gathered, resident) = heaps(live, plan, progress)?;
    let (mut os, more) = OsFacts::of_process(live.pid());
    if let Some(found) = resident {
        os.resident = resident::by_name(&found);
        os.resident_rss = found.rss;
    }
    gathered.os = Some(os);
    gaps.extend(more);
    if let Some(endpoint) = endpoint {
        progress.says("asking the pprof endpoint");
        let limits = plan.endpoint.limits();
        let dump = endpoint.goroutines(&limits).map_err(|error| error.to_string());
        gathered.dumps.extend(kept(live, &endpoint, "goroutine?debug=2", dump, &mut gaps));
        let heap = endpoint.heap(&limits).map_err(|error| error.to_string());
        gathered.heap_profiles.extend(kept(live, &endpoint, "heap?gc=1", heap, &mut gaps));
    }
    gathered.gaps.extend(gaps);
    Ok(gathered)
}

/// None, one or two heaps, `plan.window` apart; with the last, what is resident.
fn heaps(live: &LiveTarget, plan: &Plan<'_>, progress: &Progress) -> Result<(Gathered, Option<Breakdown>)> {
    if plan.heaps == Heaps::LeaveOut {
        let mut gathered = Gathered::of(live.target());
        gathered.gaps.push(Gap::new("heap", "left out, as asked for"));
        return Ok((gathered, None));
    }
    if plan.window.is_zero() {
        let (only, resident) = live.moment_with_residency(progress)?;
        return Ok((Gathered::of_moment(only), resident));
    }
    let mut gathered = Gathered::of_moment(live.moment(progress)?);
    let from = gathered.moments.first().map_or(0.0, |moment| moment.at_seconds);
    progress.waits(live.instant(from + plan.window.as_secs_f64()));
    let (second, resident) = live.moment_with_residency(progress)?;
    gathered.gaps.extend(second.gaps);
    gathered.moments.push(second.moment);
    Ok((gathered, resident))
}

/// The endpoint that the user names, else the one that is found through the process's listening sockets.
fn endpoint(
    live: &LiveTarget,
    plan: &Plan<'_>,
    progress: &Progress,
    gaps: &mut Vec<Gap>,
) -> Option<PprofEndpoint> {
    if let Some(url) = &plan.endpoint.pprof {
        return Some(PprofEndpoint::of_url(url));
    }
    progress.says("looking for a pprof endpoint");
    let found = discover(live.pid());
    if found.endpoint.is_none() && found.gaps.is_empty() {
        gaps.push(Gap::new(
            "pprof",
            "the process serves no net/http/pprof that we found; --pprof URL names it",
        ));
    }
    gaps.extend(found.gaps);
    found.endpoint
}

/// An answer with its moment, or a gap.
fn kept(
    live: &LiveTarget,
    endpoint: &PprofEndpoint,
    profile: &str,
    answer: Result<Vec<u8>, String>,
    gaps: &mut Vec<Gap>,
) -> Option<Answer> {
    let from = endpoint.address_of(profile);
    match answer {
        Ok(bytes) => Some(Answer { from, taken_at: now(), at_seconds: live.now(), bytes }),
        Err(error) => {
            gaps.push(Gap::new("pprof", error));
            None
        }
    }
}
