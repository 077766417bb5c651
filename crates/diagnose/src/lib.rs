//! Readings become evidence, evidence becomes findings, by a table of rules, one file a rule.
//!
//! What comes in: [`readings::Readings`], that is one or two analysed heaps and what profiles, dumps and the operating
//! system say. What goes out: a [`Report`]. This crate must not know any format, file or way of drawing; a finding always
//! points at its evidence.
//!
//! ```
//! let rule = leakscope_diagnose::rules::rule("GO-CTX-001").expect("a row of the table");
//! assert_eq!(rule.title, "contexts that nobody cancels");
//! ```

pub mod allocation;
pub mod evidence;
pub mod facts;
pub mod forecast;
pub mod population;
pub mod rank;
pub mod readings;
pub mod rules;
mod second_source;
mod waterfall;
mod write_up;

use leakscope_heap::Heap;
use leakscope_model::{Confidence, Finding, Gap, Report, Window};

use evidence::{Commands, Ledger};
use facts::{Facts, from_dumps, from_heap};
use rank::Scale;
use readings::{HeapMoment, Readings};
use second_source::SecondSource;

/// A window shorter than this many seconds shows only what grows fast.
const SHORT_WINDOW: f64 = 10.0;

/// Judges what was read.
pub fn diagnose(readings: Readings) -> Report {
    let Readings { target, word, moments, profiles, dumps, os, gaps } = readings;
    let window = seconds_between(&moments);
    let uptime = os.uptime_seconds.map(|seconds| seconds as f64);
    let last = moments.last();
    let ceiling = ceiling(gaps.iter().chain(moments.iter().flat_map(|moment| &moment.heap.gaps)));
    let commands = Commands::on(&word);
    let mut ledger = Ledger::default();
    let (findings, window) = match last {
        Some(last) => {
            let first = window.and(moments.first()).map(|moment| &moment.heap);
            let observed = from_heap::observe(first, &last.heap, window, uptime);
            compared(&observed.facts, first, &last.heap, &commands, &mut ledger);
            let second = SecondSource::new(dumps, profiles, last.at_seconds, window.unwrap_or(0.0));
            (findings(&observed.facts, &observed, &commands, (&second, ceiling), &mut ledger), window)
        }
        None => {
            let facts = from_dumps::observe(&dumps);
            let second = SecondSource::default();
            let found = findings(&facts, &from_dumps::NoBytes, &commands, (&second, ceiling), &mut ledger);
            (found, facts.window)
        }
    };
    Report {
        memory: waterfall::memory(last.map(|moment| &moment.heap), os),
        forecast: forecast_of(&findings, window, last.map(|moment| &moment.heap), os),
        gaps: all_gaps(gaps, &moments, window),
        window: window_of(&moments, window),
        target,
        findings,
        evidence: ledger.into_rows(),
    }
}

fn findings(
    facts: &Facts,
    scale: &dyn Scale,
    commands: &Commands,
    (second, ceiling): (&SecondSource, Confidence),
    ledger: &mut Ledger,
) -> Vec<Finding> {
    let desk = write_up::Desk { facts, scale, commands, second, ceiling };
    let suspicions = rank::join(rules::judge(facts), facts, scale);
    let mut found: Vec<Finding> =
        suspicions.iter().filter_map(|suspicion| write_up::write_up(suspicion, &desk, ledger)).collect();
    rank::order(&mut found);
    found
}

/// How sure a finding can be: where all was read by a layout that may be another build's, no more than possible.
fn ceiling<'g>(mut gaps: impl Iterator<Item = &'g Gap>) -> Confidence {
    if gaps.any(|gap| gap.part == Gap::LAYOUT) { Confidence::Possible } else { Confidence::Proven }
}

/// What was looked at, so that a healthy answer has reasons too.
fn compared(facts: &Facts, first: Option<&Heap>, last: &Heap, commands: &Commands, ledger: &mut Ledger) {
    let live = last.live();
    let goroutines: u64 = facts.crowds.iter().map(|crowd| crowd.after).sum();
    let now = format!(
        "{} live objects ({} bytes) in {} groups by path and type, {goroutines} goroutines in {} groups by stack",
        live.objects,
        live.bytes,
        facts.groups.len(),
        facts.crowds.len()
    );
    let says = match (first, facts.window) {
        (Some(first), Some(seconds)) => {
            let before = first.live();
            format!("{now}; {seconds:.1} s before: {} live objects ({} bytes)", before.objects, before.bytes)
        }
        _ => now,
    };
    ledger.enter(evidence::counted(says, live.bytes as f64, commands.types()));
}

/// Seconds between the first and the last heap; `None` for one moment.
fn seconds_between(moments: &[HeapMoment]) -> Option<f64> {
    let seconds = moments.last()?.at_seconds - moments.first()?.at_seconds;
    (moments.len() > 1 && seconds > 0.0).then_some(seconds)
}

fn window_of(moments: &[HeapMoment], seconds: Option<f64>) -> Window {
    let at = |moment: Option<&HeapMoment>| moment.map(|moment| moment.taken_at.clone()).unwrap_or_default();
    Window {
        from: at(moments.first()),
        to: at(moments.last()),
        seconds: seconds.unwrap_or(0.0),
        pauses_ms: moments.iter().filter_map(|moment| moment.pause_ms).collect(),
        predicted_ms: moments.iter().map(|moment| moment.predicted_ms).collect(),
        modes: moments.iter().map(|moment| moment.mode.clone()).collect(),
    }
}

fn forecast_of(
    findings: &[Finding],
    window: Option<f64>,
    heap: Option<&Heap>,
    os: readings::OsFacts,
) -> Option<leakscope_model::Forecast> {
    let stats = heap?.memstats;
    let (bytes_per_second, error) = forecast::growth_of(findings, window);
    let heap_per_live = stats.heap_goal as f64 / stats.heap_marked.max(1) as f64;
    let runtime_bytes =
        stats.heap_in_use.saturating_add(stats.stacks_in_use).saturating_add(stats.gc_metadata);
    let growth = forecast::Growth {
        bytes_per_second,
        error,
        heap_per_live,
        runtime_bytes,
        memory_limit: stats.memory_limit,
    };
    forecast::forecast(growth, os)
}

/// The readers' gaps, each heap's, and the window's own; in order, each once.
fn all_gaps(mut gaps: Vec<Gap>, moments: &[HeapMoment], window: Option<f64>) -> Vec<Gap> {
    gaps.extend(moments.iter().flat_map(|moment| moment.heap.gaps.iter().cloned()));
    if moments.len() == 1 {
        gaps.push(Gap::new(
            "window",
            "one moment: what grows cannot be told from what is merely large; use --for",
        ));
    }
    if let Some(seconds) = window.filter(|seconds| *seconds < SHORT_WINDOW) {
        gaps.push(Gap::new(
            "window",
            format!("{seconds:.1} s show only what grows fast; use --for 30s or longer"),
        ));
    }
    gaps.sort();
    gaps.dedup();
    gaps
}
