//! One object: what it is, what it holds, who holds it.

use leakscope_model::{Addr, Frame, PathStep, Value};
use serde::Serialize;

use super::Beside;
use crate::json::{FrameRow, StepRow};
use crate::page::Page;
use crate::{Format, Look, numbers, sites, value_json, value_text};

/// One object.
#[derive(Debug, Clone)]
pub struct ObjectFacts {
    /// The address that was asked for.
    pub asked: Addr,
    /// Where the object begins.
    pub addr: Addr,
    /// The field at which the address lies; `None` for the start and where it is not known.
    pub field: Option<String>,
    /// As Go writes it.
    pub ty: String,
    /// How the type was found: `dwarf`, `header`, `itab`, `pointer`, `call` or `none`.
    pub how: &'static str,
    /// Bytes of its slot.
    pub size: u64,
    /// Where it lies.
    pub span: SpanFacts,
    /// Whether a root leads to it.
    pub reachable: bool,
    /// Bytes that only it keeps, itself among them.
    pub retained_bytes: u64,
    /// How old it is, where two moments tell.
    pub age: Option<Age>,
    /// Where it was allocated, innermost frame first, if it was sampled.
    pub allocated_at: Option<Vec<Frame>>,
    /// What it holds; `None` where no contents are at hand.
    pub contents: Option<Value>,
    /// The first of those that point at it.
    pub referrers: Vec<ReferrerRow>,
    /// How many there are.
    pub referrer_count: u64,
    /// From a root to it.
    pub path: Vec<PathStep>,
}

/// The span of an object.
#[derive(Debug, Clone, Serialize)]
pub struct SpanFacts {
    /// In hex.
    pub base: String,
    /// `in use`: others hold no objects.
    pub state: &'static str,
    /// The number of its size class; 0 for one large object.
    pub size_class: u32,
    /// Bytes of one slot.
    pub elem_size: u64,
    /// Bytes in each slot that the runtime keeps for itself.
    pub header_bytes: u64,
    /// How many slots there are.
    pub slots: u32,
    /// How many hold objects.
    pub objects: u32,
    /// Whether no object in it holds pointers.
    pub noscan: bool,
}

/// How old an object is, in seconds; one of both is known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Age {
    /// It was there in the first moment.
    pub at_least_seconds: Option<f64>,
    /// It was not.
    pub at_most_seconds: Option<f64>,
}

/// One pointer at an object, or all of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct ReferrerRow {
    /// The object that holds the pointer, in hex; `None` for a root and for more than one.
    pub addr: Option<String>,
    /// The type of the holder; empty for a root.
    #[serde(rename = "type")]
    pub ty: String,
    /// The field, or the variable.
    pub name: String,
    /// How it hangs there.
    pub via: &'static str,
    /// Whether the holder is reachable itself.
    pub reachable: bool,
    /// How many pointers there are.
    pub references: u64,
    /// At how many objects.
    pub objects: u64,
    /// From a root to the holder, on one line; empty for more than one.
    pub path: String,
}

#[derive(Serialize)]
struct ObjectJson<'o> {
    asked: String,
    addr: String,
    offset: u64,
    field: Option<&'o str>,
    #[serde(rename = "type")]
    ty: &'o str,
    how: &'static str,
    size: u64,
    span: &'o SpanFacts,
    reachable: bool,
    retained_bytes: u64,
    age: Option<Age>,
    allocated_at: Option<Vec<FrameRow>>,
    contents: Option<serde_json::Value>,
    referrers: &'o [ReferrerRow],
    referrer_count: u64,
    path: Vec<StepRow>,
}

/// The object in one of the formats.
pub fn object(facts: &ObjectFacts, beside: &Beside, format: Format, look: Look) -> String {
    let ObjectFacts { asked, addr, field, ty, how, size, span, reachable, retained_bytes, age, .. } = facts;
    let answer = ObjectJson {
        asked: asked.to_string(),
        addr: addr.to_string(),
        offset: asked.offset_from(*addr).unwrap_or(0),
        field: field.as_deref(),
        ty,
        how,
        size: *size,
        span,
        reachable: *reachable,
        retained_bytes: *retained_bytes,
        age: *age,
        allocated_at: facts.allocated_at.as_ref().map(|stack| stack.iter().map(FrameRow::from).collect()),
        contents: facts.contents.as_ref().map(value_json::value),
        referrers: &facts.referrers,
        referrer_count: facts.referrer_count,
        path: facts.path.iter().map(StepRow::from).collect(),
    };
    beside.answer("heap-object", &answer, format, look, || text(facts, look))
}

fn text(facts: &ObjectFacts, look: Look) -> String {
    let mut page = Page::new(look);
    let ObjectFacts { asked, addr, field, ty, how, size, span, .. } = facts;
    page.line(&format!("{ty} at {addr}"));
    if asked != addr {
        let offset = asked.offset_from(*addr).unwrap_or(0);
        let field = field.as_ref().map(|field| format!(", {field}")).unwrap_or_default();
        page.line(&format!("  asked for   {asked}: {offset} bytes in{field}"));
    }
    page.line(&format!("  type        known by {how}"));
    page.line(&format!("  size        {}", numbers::bytes(*size)));
    page.line(&format!("  span        {}", span_text(span)));
    let held = if facts.reachable { "reachable" } else { "garbage: the next collection frees it" };
    page.line(&format!("  state       {held}"));
    page.line(&format!("  keeps       {}", numbers::bytes(facts.retained_bytes)));
    if let Some(age) = facts.age {
        page.line(&format!("  age         {}", age_text(age)));
    }
    if let Some(stack) = &facts.allocated_at {
        page.heading("Allocated at");
        for Frame { function, file, line, .. } in stack {
            page.line(&format!("  {function}  {}", sites::position(file, *line)));
        }
    }
    if let Some(contents) = &facts.contents {
        page.heading("Contents");
        page.line(&value_text::value(contents));
    }
    add_referrers(&mut page, facts);
    add_path(&mut page, facts);
    page.finish()
}

fn span_text(span: &SpanFacts) -> String {
    let SpanFacts { base, state, size_class, elem_size, slots, objects, noscan, .. } = span;
    let class = if *size_class == 0 { "one large object".to_owned() } else { format!("class {size_class}") };
    let pointers = if *noscan { "without pointers" } else { "with pointers" };
    format!("{base}, {state}: {class}, {objects} of {slots} slots of {elem_size} B, {pointers}")
}

fn age_text(age: Age) -> String {
    match age {
        Age { at_least_seconds: Some(seconds), .. } => {
            format!("at least {}: it was there in the first snapshot", numbers::seconds(seconds))
        }
        Age { at_most_seconds: Some(seconds), .. } => {
            format!("at most {}: it was not there in the first snapshot", numbers::seconds(seconds))
        }
        Age { .. } => "not known".to_owned(),
    }
}

fn add_referrers(page: &mut Page, facts: &ObjectFacts) {
    if facts.referrer_count > 0 {
        page.heading(&format!("Referred to by {}", numbers::counted(facts.referrer_count, "pointer")));
    }
    for ReferrerRow { addr, ty, name, via, reachable, path, .. } in &facts.referrers {
        let garbage = if *reachable { "" } else { ", garbage" };
        match addr {
            Some(addr) => {
                page.wrapped(&format!("  {ty} {addr}  "), &format!("{name}{garbage}  by way of {path}"))
            }
            None => page.wrapped(&format!("  {name}  "), &format!("({via})")),
        }
    }
    let left = facts.referrer_count.saturating_sub(facts.referrers.len() as u64);
    if left > 0 {
        page.line(&format!("  … {} more", numbers::count(left)));
    }
}

fn add_path(page: &mut Page, facts: &ObjectFacts) {
    if !facts.path.is_empty() {
        page.heading("Held by");
        page.wrapped("  ", &sites::path_line(&facts.path));
    }
}
