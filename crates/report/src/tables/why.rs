//! What keeps objects alive: each way from a root to them, and the ways of many as a tree.

use leakscope_model::PathStep;
use serde::Serialize;

use super::Beside;
use crate::json::StepRow;
use crate::page::Page;
use crate::{Format, Look, numbers, sites};

/// Objects that hang on a root in the same way.
#[derive(Debug, Clone)]
pub struct WhyRow {
    /// How many.
    pub objects: u64,
    /// Bytes of their slots.
    pub bytes: u64,
    /// From the root to them.
    pub steps: Vec<PathStep>,
}

/// One step of the ways to many objects.
#[derive(Debug, Clone)]
pub struct WhyNode {
    /// The step.
    pub step: PathStep,
    /// The objects at it and below.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The objects that are the step itself.
    pub objects_here: u64,
    /// The steps that go on.
    pub children: Vec<WhyNode>,
}

/// The answer to "why is it alive?".
#[derive(Debug, Clone)]
pub struct WhyAnswer {
    /// Each way.
    pub paths: Vec<WhyRow>,
    /// The same as a tree, by root; empty where the ways of one object are told.
    pub tree: Vec<WhyNode>,
}

#[derive(Serialize)]
struct WhyJson {
    paths: Vec<WhyPathJson>,
    tree: Vec<WhyNodeJson>,
}

#[derive(Serialize)]
struct WhyPathJson {
    objects: u64,
    bytes: u64,
    steps: Vec<StepRow>,
}

#[derive(Serialize)]
struct WhyNodeJson {
    #[serde(flatten)]
    step: StepRow,
    objects: u64,
    bytes: u64,
    children: Vec<WhyNodeJson>,
}

/// The answer in one of the formats.
pub fn why(answer: &WhyAnswer, beside: &Beside, format: Format, look: Look) -> String {
    let paths = answer.paths.iter().map(|WhyRow { objects, bytes, steps }| WhyPathJson {
        objects: *objects,
        bytes: *bytes,
        steps: steps.iter().map(StepRow::from).collect(),
    });
    let json = WhyJson { paths: paths.collect(), tree: answer.tree.iter().map(node_json).collect() };
    beside.answer("heap-why", &json, format, look, || text(answer, look))
}

fn node_json(node: &WhyNode) -> WhyNodeJson {
    let WhyNode { step, objects, bytes, objects_here: _, children } = node;
    WhyNodeJson {
        step: StepRow::from(step),
        objects: *objects,
        bytes: *bytes,
        children: children.iter().map(node_json).collect(),
    }
}

fn text(answer: &WhyAnswer, look: Look) -> String {
    let mut page = Page::new(look);
    if answer.paths.is_empty() {
        page.line("No root leads there: the next collection frees it.");
    } else if answer.tree.is_empty() {
        add_paths(&mut page, &answer.paths);
    } else {
        let mut lines = Vec::new();
        answer.tree.iter().for_each(|root| add_node(&mut lines, root, 0));
        add_tree(&mut page, &lines);
    }
    page.finish()
}

fn add_paths(page: &mut Page, rows: &[WhyRow]) {
    for (index, WhyRow { objects, bytes, steps }) in rows.iter().enumerate() {
        if index > 0 {
            page.blank();
        }
        let way =
            if rows.len() > 1 { format!("way {} of {}: ", index + 1, rows.len()) } else { String::new() };
        page.line(&format!("{way}{}, {}", numbers::counted(*objects, "object"), numbers::bytes(*bytes)));
        for step in steps {
            let addr = step.addr.map(|addr| format!("  at {addr}")).unwrap_or_default();
            page.wrapped(
                &format!("  {}  ", sites::step(step)),
                &format!("{} ({}){addr}", step.ty, sites::via(step.via)),
            );
        }
    }
}

/// One line of the tree.
struct Line {
    depth: usize,
    name: String,
    ty: String,
    objects: u64,
    bytes: u64,
}

/// A step, and on the same line those behind it as long as there is only one way on.
fn add_node(lines: &mut Vec<Line>, node: &WhyNode, depth: usize) {
    let mut name = node.step.name.clone();
    let mut end = node;
    while let ([only], 0) = (end.children.as_slice(), end.objects_here) {
        let step = sites::step(&only.step);
        // `sessions` and `[…]` are `sessions[…]`, a field is `.cart`, what a closure captured stands behind an arrow.
        let joined = if step.starts_with(['.', '[']) { step } else { format!(" → {step}") };
        name.push_str(&joined);
        end = only;
    }
    let ty = end.step.ty.clone();
    lines.push(Line { depth, name, ty, objects: node.objects, bytes: node.bytes });
    end.children.iter().for_each(|child| add_node(lines, child, depth + 1));
}

fn add_tree(page: &mut Page, lines: &[Line]) {
    let shown: Vec<String> = lines
        .iter()
        .map(|Line { depth, name, .. }| {
            let step =
                if *depth > 0 && !name.starts_with(['.', '[']) { format!(".{name}") } else { name.clone() };
            format!("{}{step}", "  ".repeat(*depth))
        })
        .collect();
    let widest = shown.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(60);
    for (name, Line { ty, objects, bytes, .. }) in shown.iter().zip(lines) {
        let blanks = " ".repeat(widest.saturating_sub(name.chars().count()));
        let count = numbers::counted(*objects, "object");
        page.line(&format!("{name}{blanks}  {count:>16}  {:>9}  {ty}", numbers::bytes(*bytes)));
    }
}
