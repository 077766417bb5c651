//! The report as JSON, after `schema/leakscope.report-1.json`.
//!
//! Mirror types, not derives on the model: the JSON changes only on purpose. Every `from` destructures without
//! `..`, so that a new field of the model asks here what is to become of it.

mod finding;

use leakscope_model::{self as model, Report};
use serde::Serialize;

pub use finding::{FrameRow, StepRow, via_word};

/// The name and version of the contract, as it stands in the output.
pub const SCHEMA: &str = "leakscope.report/1";

#[derive(Serialize)]
struct ReportJson<'r> {
    schema: &'static str,
    target: TargetJson<'r>,
    window: WindowJson<'r>,
    memory: MemoryJson,
    findings: Vec<finding::FindingJson<'r>>,
    forecast: Option<ForecastJson>,
    evidence: Vec<EvidenceJson<'r>>,
    gaps: Vec<GapJson<'r>>,
}

#[derive(Serialize)]
struct TargetJson<'r> {
    pid: Option<u32>,
    exe: &'r str,
    go: &'r str,
    arch: &'r str,
    build_id: &'r str,
    debug: &'static str,
}

#[derive(Serialize)]
struct WindowJson<'r> {
    from: &'r str,
    to: &'r str,
    seconds: f64,
    pauses_ms: &'r [f64],
    predicted_ms: &'r [Option<f64>],
    modes: &'r [String],
}

#[derive(Serialize)]
struct MemoryJson {
    rss: u64,
    heap_live: u64,
    heap_garbage: u64,
    heap_idle: u64,
    fragmentation: u64,
    stacks: u64,
    gc_metadata: u64,
    native: u64,
    mapped_files: u64,
}

#[derive(Serialize)]
struct ForecastJson {
    limit_bytes: u64,
    limit_source: &'static str,
    seconds_to_limit: f64,
    low: f64,
    high: f64,
}

#[derive(Serialize)]
struct EvidenceJson<'r> {
    source: &'static str,
    says: &'r str,
    value: f64,
    error: f64,
    how: &'r str,
}

/// A gap as every JSON answer shows it.
#[derive(Debug, Serialize)]
pub struct GapJson<'r> {
    part: &'r str,
    reason: &'r str,
}

/// The report as indented JSON with a line end behind it.
pub fn report(report: &Report) -> String {
    let Report { target, window, memory, findings, forecast, evidence, gaps } = report;
    pretty(&ReportJson {
        schema: SCHEMA,
        target: target_json(target),
        window: window_json(window),
        memory: memory_json(memory),
        findings: findings.iter().map(finding::finding).collect(),
        forecast: forecast.as_ref().map(forecast_json),
        evidence: evidence.iter().map(evidence_json).collect(),
        gaps: gap_rows(gaps),
    })
}

/// Gaps as rows of any JSON answer.
pub fn gap_rows(gaps: &[model::Gap]) -> Vec<GapJson<'_>> {
    gaps.iter().map(|model::Gap { part, reason }| GapJson { part, reason }).collect()
}

/// Indented JSON with a line end. Our mirror types hold nothing that JSON cannot say, so the error is a value
/// of the output and not of the caller's.
pub(crate) fn pretty(answer: &impl Serialize) -> String {
    match serde_json::to_string_pretty(answer) {
        Ok(json) => json + "\n",
        Err(error) => format!("{{ \"error\": \"{error}\" }}\n"),
    }
}

fn target_json(target: &model::Target) -> TargetJson<'_> {
    let model::Target { pid, exe, go, arch, build_id, debug } = target;
    let debug = match debug {
        model::DebugInfoKind::Dwarf => "dwarf",
        model::DebugInfoKind::Separate => "separate",
        model::DebugInfoKind::Stripped => "stripped",
    };
    TargetJson { pid: *pid, exe, go, arch, build_id, debug }
}

fn window_json(window: &model::Window) -> WindowJson<'_> {
    let model::Window { from, to, seconds, pauses_ms, predicted_ms, modes } = window;
    WindowJson { from, to, seconds: *seconds, pauses_ms, predicted_ms, modes }
}

fn memory_json(memory: &model::Memory) -> MemoryJson {
    let model::Memory {
        rss,
        heap_live,
        heap_garbage,
        heap_idle,
        fragmentation,
        stacks,
        gc_metadata,
        native,
        mapped_files,
    } = *memory;
    MemoryJson {
        rss,
        heap_live,
        heap_garbage,
        heap_idle,
        fragmentation,
        stacks,
        gc_metadata,
        native,
        mapped_files,
    }
}

fn forecast_json(forecast: &model::Forecast) -> ForecastJson {
    let model::Forecast { limit_bytes, limit_source, seconds_to_limit, low, high } = *forecast;
    let limit_source = match limit_source {
        model::LimitSource::Cgroup => "cgroup",
        model::LimitSource::Ram => "ram",
        model::LimitSource::GoMemLimit => "GOMEMLIMIT",
    };
    ForecastJson { limit_bytes, limit_source, seconds_to_limit, low, high }
}

fn evidence_json(evidence: &model::Evidence) -> EvidenceJson<'_> {
    let model::Evidence { source, says, value, error, how } = evidence;
    let source = match source {
        model::Source::Heap => "heap",
        model::Source::Pprof => "pprof",
        model::Source::Trace => "trace",
        model::Source::Os => "os",
    };
    EvidenceJson { source, says, value: *value, error: *error, how }
}
