//! The report as Markdown: to be pasted into a ticket.

use std::fmt::Write;

use leakscope_model::{Evidence, Finding, Gap, Report, Target};

use crate::numbers;
use crate::sites;

/// The whole report.
pub fn markdown(report: &Report) -> String {
    let Report { target, window, memory, findings, forecast, evidence, gaps } = report;
    let Target { pid, exe, go, arch, build_id: _, debug: _ } = target;
    let process = pid.map_or(exe.clone(), |pid| format!("{exe} (pid {pid})"));
    let mut out = format!("# Memory of {process}\n\n{go} {arch}, {} to {}", window.from, window.to);
    push(
        &mut out,
        format_args!(" ({}), {} resident.\n", numbers::seconds(window.seconds), numbers::bytes(memory.rss)),
    );
    if findings.is_empty() {
        out.push_str("\n**No leak found.**\n");
    }
    for (index, found) in findings.iter().enumerate() {
        finding(&mut out, index + 1, found, evidence);
    }
    if let Some(forecast) = forecast {
        let when = numbers::seconds(forecast.seconds_to_limit);
        let limit = numbers::bytes(forecast.limit_bytes);
        push(&mut out, format_args!("\nAt this growth the limit of {limit} is reached in {when}.\n"));
    }
    if !gaps.is_empty() {
        out.push_str("\n## Not seen\n\n");
    }
    for Gap { part, reason } in gaps {
        push(&mut out, format_args!("- {part}: {reason}\n"));
    }
    out
}

fn finding(out: &mut String, number: usize, found: &Finding, evidence: &[Evidence]) {
    push(out, format_args!("\n## {number}. {}\n\n", found.title));
    out.push_str("| | |\n| --- | --- |\n");
    let confidence = crate::text::confidence_word(found.confidence);
    row(out, "rule", &format!("{}, {confidence}", found.rule));
    row(out, "keeps", &numbers::bytes(found.retained_bytes));
    row(out, "objects", &format!("{} `{}`", numbers::count(found.objects), found.ty));
    row(out, "goroutines", &numbers::count(found.goroutines));
    row(
        out,
        "growth",
        &format!(
            "{}, {}",
            numbers::per_second(found.growth_objects_per_s),
            numbers::bytes_per_second(found.growth_bytes_per_s)
        ),
    );
    row(out, "retained by", &format!("`{}`", sites::path_line(&found.path)));
    for site in &found.allocated_at {
        let place = sites::position(&site.file, site.line);
        row(out, "allocated at", &format!("`{}` {place} ({})", site.function, numbers::percent(site.share)));
    }
    if let Some(held) = &found.held_by {
        let place = sites::position(&held.file, held.line);
        row(out, "held by", &format!("{} × `{}` {place}, {}", held.count, held.function, held.wait));
    }
    if let Some(fix) = &found.fix {
        push(out, format_args!("\n**Change `{}`**: {}\n", sites::position(&fix.file, fix.line), fix.advice));
    }
    out.push_str("\nWhy we say so:\n\n");
    for fact in found.because.iter().filter_map(|index| evidence.get(*index)) {
        push(out, format_args!("- {}\n", fact.says));
        if !fact.how.is_empty() {
            push(out, format_args!("  `{}`\n", fact.how));
        }
    }
}

fn row(out: &mut String, name: &str, value: &str) {
    push(out, format_args!("| {name} | {} |\n", value.replace('|', "\\|")));
}

/// Writing to a `String` cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
