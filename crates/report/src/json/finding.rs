//! One leak, its path and its lines as JSON.

use leakscope_model as model;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct FindingJson<'r> {
    rule: &'static str,
    kind: &'static str,
    title: &'r str,
    confidence: &'static str,
    retained_bytes: u64,
    objects: u64,
    goroutines: u64,
    growth_bytes_per_s: f64,
    growth_objects_per_s: f64,
    since: Option<&'r str>,
    #[serde(rename = "type")]
    ty: &'r str,
    path: Vec<StepRow>,
    allocated_at: Vec<SiteJson<'r>>,
    held_by: Option<HeldByJson<'r>>,
    fix: Option<FixJson<'r>>,
    because: &'r [usize],
}

/// One step of a retaining path, in findings and in `heap why`.
#[derive(Debug, Clone, Serialize)]
pub struct StepRow {
    name: String,
    via: &'static str,
    #[serde(rename = "type")]
    ty: String,
    addr: Option<String>,
}

/// A call or a `go` statement with its line, in every answer that shows stacks.
#[derive(Debug, Clone, Serialize)]
pub struct FrameRow {
    function: String,
    file: String,
    line: u32,
}

#[derive(Serialize)]
struct SiteJson<'r> {
    function: &'r str,
    file: &'r str,
    line: u32,
    share: f64,
}

#[derive(Serialize)]
struct HeldByJson<'r> {
    goroutine_group: &'r str,
    count: u64,
    wait: &'r str,
    function: &'r str,
    file: &'r str,
    line: u32,
}

#[derive(Serialize)]
struct FixJson<'r> {
    file: &'r str,
    line: u32,
    advice: &'r str,
}

impl StepRow {
    /// What the step is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl From<&model::PathStep> for StepRow {
    fn from(step: &model::PathStep) -> StepRow {
        let model::PathStep { name, via, ty, addr } = step;
        StepRow {
            name: name.clone(),
            via: via_word(*via),
            ty: ty.clone(),
            addr: addr.map(|addr| addr.to_string()),
        }
    }
}

impl From<&model::Frame> for FrameRow {
    fn from(frame: &model::Frame) -> FrameRow {
        let model::Frame { function, file, line, inlined: _ } = frame;
        FrameRow { function: function.to_string(), file: file.to_string(), line: *line }
    }
}

pub(super) fn finding(finding: &model::Finding) -> FindingJson<'_> {
    let model::Finding {
        rule,
        kind,
        title,
        confidence,
        retained_bytes,
        objects,
        goroutines,
        growth_bytes_per_s,
        growth_objects_per_s,
        since,
        ty,
        path,
        allocated_at,
        held_by,
        fix,
        because,
    } = finding;
    FindingJson {
        rule,
        kind: kind_word(*kind),
        title,
        confidence: confidence_word(*confidence),
        retained_bytes: *retained_bytes,
        objects: *objects,
        goroutines: *goroutines,
        growth_bytes_per_s: *growth_bytes_per_s,
        growth_objects_per_s: *growth_objects_per_s,
        since: since.as_deref(),
        ty,
        path: path.iter().map(StepRow::from).collect(),
        allocated_at: allocated_at.iter().map(site).collect(),
        held_by: held_by.as_ref().map(held_by_json),
        fix: fix.as_ref().map(fix_json),
        because,
    }
}

fn site(site: &model::Site) -> SiteJson<'_> {
    let model::Site { function, file, line, share } = site;
    SiteJson { function, file, line: *line, share: *share }
}

fn held_by_json(held: &model::HeldBy) -> HeldByJson<'_> {
    let model::HeldBy { goroutine_group, count, wait, function, file, line } = held;
    HeldByJson { goroutine_group, count: *count, wait, function, file, line: *line }
}

fn fix_json(fix: &model::Fix) -> FixJson<'_> {
    let model::Fix { file, line, advice } = fix;
    FixJson { file, line: *line, advice }
}

fn kind_word(kind: model::FindingKind) -> &'static str {
    match kind {
        model::FindingKind::Goroutine => "goroutine",
        model::FindingKind::Heap => "heap",
        model::FindingKind::Native => "native",
        model::FindingKind::Stack => "stack",
        model::FindingKind::Profile => "profile",
    }
}

fn confidence_word(confidence: model::Confidence) -> &'static str {
    match confidence {
        model::Confidence::Possible => "possible",
        model::Confidence::Likely => "likely",
        model::Confidence::Proven => "proven",
    }
}

/// The word of the contract for how a step hangs on the one before.
pub fn via_word(via: model::Via) -> &'static str {
    match via {
        model::Via::Global => "global",
        model::Via::Field => "field",
        model::Via::Element => "element",
        model::Via::Key => "key",
        model::Via::Value => "value",
        model::Via::Captured => "captured",
        model::Via::Local => "local",
        model::Via::Stack => "stack",
        model::Via::Special => "special",
    }
}
