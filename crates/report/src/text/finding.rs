//! One leak on the page.

use leakscope_model::{Confidence, Evidence, Finding, FindingKind, Fix, HeldBy, PathStep, Site};

use super::evidence_row;
use crate::numbers;
use crate::page::{Ink, Page};
use crate::sites;

/// Writes the leak as number `number` of the report.
pub(super) fn write(page: &mut Page, number: usize, finding: &Finding, evidence: &[Evidence]) {
    let Finding {
        rule,
        kind,
        title,
        confidence,
        retained_bytes: _,
        objects: _,
        goroutines: _,
        growth_bytes_per_s: _,
        growth_objects_per_s: _,
        since: _,
        ty: _,
        path,
        allocated_at,
        held_by,
        fix,
        because,
    } = finding;
    let title = page.ink(Ink::Alarm, &format!("{number}. {title}"));
    page.line(&title);
    let label = format!("   {rule}, {}, {}", confidence_word(*confidence), kind_word(*kind));
    let label = page.ink(Ink::Faint, &label);
    page.line(&label);
    for line in amounts(finding) {
        page.wrapped("   ", &line);
    }
    retained_through(page, path);
    allocated(page, allocated_at);
    if let Some(held_by) = held_by {
        held(page, held_by);
    }
    if let Some(fix) = fix {
        change(page, fix);
    }
    section(page, "why we say so");
    for fact in because.iter().filter_map(|index| evidence.get(*index)) {
        evidence_row(page, "     ", fact);
    }
}

fn section(page: &mut Page, title: &str) {
    page.blank();
    let title = page.ink(Ink::Heading, title);
    page.line(&format!("   {title}"));
}

/// How much there is and how fast it grows.
fn amounts(finding: &Finding) -> Vec<String> {
    let objects = match (finding.ty.is_empty(), finding.objects) {
        (_, 0) => String::new(),
        (true, count) => numbers::counted(count, "object"),
        (false, count) => format!("{} {}", numbers::count(count), finding.ty),
    };
    let goroutines = match finding.goroutines {
        0 => String::new(),
        count => numbers::counted(count, "goroutine"),
    };
    let things: Vec<String> = [objects, goroutines].into_iter().filter(|part| !part.is_empty()).collect();
    let mut lines =
        vec![format!("{} keep {}.", things.join(" and "), numbers::bytes(finding.retained_bytes))];
    if finding.growth_objects_per_s != 0.0 || finding.growth_bytes_per_s != 0.0 {
        let since = finding.since.as_ref().map(|since| format!(" since {since}")).unwrap_or_default();
        lines.push(format!(
            "Growing{since} by {}, {}.",
            numbers::per_second(finding.growth_objects_per_s),
            numbers::bytes_per_second(finding.growth_bytes_per_s)
        ));
    }
    lines
}

/// The path, a step a line, each with its type.
fn retained_through(page: &mut Page, path: &[PathStep]) {
    if path.is_empty() {
        return;
    }
    section(page, "who retains it");
    for (depth, step) in path.iter().enumerate() {
        let lead = if depth == 0 {
            "     ".to_owned()
        } else {
            format!("     {}└ ", "  ".repeat((depth - 1).min(8)))
        };
        let place = match step.ty.is_empty() {
            true => sites::via(step.via).to_owned(),
            false => format!("{}  ({})", step.ty, sites::via(step.via)),
        };
        page.wrapped(&format!("{lead}{}  ", sites::step(step)), &place);
    }
}

fn allocated(page: &mut Page, sites: &[Site]) {
    if sites.is_empty() {
        return;
    }
    section(page, "where it is allocated");
    for Site { function, file, line, share } in sites {
        page.line(&format!("   {:>6}  {function}", numbers::percent(*share)));
        page.line(&format!("           {}", position(file, *line)));
    }
}

fn held(page: &mut Page, held: &HeldBy) {
    let HeldBy { goroutine_group: _, count, wait, function, file, line } = held;
    section(page, "which goroutines hold it");
    let waits = if wait.is_empty() { String::new() } else { format!(" in {wait}") };
    page.wrapped("     ", &format!("{}{waits}", numbers::counted(*count, "goroutine")));
    page.line(&format!("           {function}"));
    page.line(&format!("           {}", position(file, *line)));
}

fn change(page: &mut Page, fix: &Fix) {
    let Fix { file, line, advice } = fix;
    section(page, "what to change");
    let place = page.ink(Ink::Good, &position(file, *line));
    page.line(&format!("     {place}"));
    page.wrapped("     ", advice);
}

/// The whole path of the file: to be copied into an editor.
fn position(file: &str, line: u32) -> String {
    if line == 0 { file.to_owned() } else { format!("{file}:{line}") }
}

/// How sure we are, and what that means.
pub(crate) fn confidence_word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Possible => "possible (one moment or one source)",
        Confidence::Likely => "likely (it grew, and what grew stayed)",
        Confidence::Proven => "proven",
    }
}

fn kind_word(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Goroutine => "goroutine leak",
        FindingKind::Heap => "heap leak",
        FindingKind::Native => "leak outside the Go heap",
        FindingKind::Stack => "stack leak",
        FindingKind::Profile => "seen in a profile alone",
    }
}
