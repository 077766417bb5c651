//! A pprof endpoint alone: two goroutine dumps, and a heap profile after the last.

use std::time::Instant;

use anyhow::{Context, Result};
use leakscope_collect::{PprofEndpoint, now};
use leakscope_model::Gap;

use super::{Answer, Gathered, Plan, unknown_target};
use crate::progress::Progress;

/// Gathers. What cannot be had at all is an error, since nothing else is there to be judged.
pub(super) fn gather(url: &str, plan: &Plan<'_>, progress: &Progress) -> Result<Gathered> {
    let endpoint = PprofEndpoint::of_url(url);
    let (limits, window) = (plan.endpoint.limits(), plan.window);
    let clock = Instant::now();
    let mut gathered = Gathered::of(unknown_target(endpoint.base()));
    let dump = || -> Result<Answer> {
        let at_seconds = clock.elapsed().as_secs_f64();
        let bytes = endpoint.goroutines(&limits).context("cannot read goroutines from the endpoint")?;
        Ok(Answer { from: endpoint.address_of("goroutine?debug=2"), taken_at: now(), at_seconds, bytes })
    };
    progress.says("asking the pprof endpoint");
    gathered.dumps.push(dump()?);
    if !window.is_zero() {
        progress.waits(clock + window);
        gathered.dumps.push(dump()?);
    }
    let at_seconds = clock.elapsed().as_secs_f64();
    let bytes = endpoint.heap(&limits).context("cannot read the heap profile from the endpoint")?;
    let from = endpoint.address_of("heap?gc=1");
    gathered.heap_profiles.push(Answer { from, taken_at: now(), at_seconds, bytes });
    gathered.gaps.push(Gap::new(
        "heap",
        "an endpoint tells no heap: diagnose the process by its PID to see who holds what",
    ));
    Ok(gathered)
}
