//! The report for the engineer on call: the leak first, then why we say so, then everything else.

mod finding;

pub(crate) use finding::confidence_word;

use leakscope_model::{
    DebugInfoKind, Evidence, Forecast, Gap, LimitSource, Memory, Report, Source, Target, Window,
};

use crate::numbers;
use crate::page::{Ink, Look, Page};

/// The whole report as text of `look.width` columns; paths and commands are never cut.
pub fn text(report: &Report, look: Look) -> String {
    let Report { target, window, memory, findings, forecast, evidence, gaps } = report;
    let mut page = Page::new(look);
    head(&mut page, target, window);
    page.blank();
    verdict(&mut page, report);
    for (index, found) in findings.iter().enumerate() {
        page.blank();
        finding::write(&mut page, index + 1, found, evidence);
    }
    if let Some(forecast) = forecast {
        forecast_line(&mut page, forecast);
    }
    memory_table(&mut page, memory);
    other_evidence(&mut page, report);
    gap_list(&mut page, gaps);
    page.finish()
}

/// Who was looked at, when, and what it cost them.
fn head(page: &mut Page, target: &Target, window: &Window) {
    let Target { pid, exe, go, arch, build_id: _, debug } = target;
    let debug = match debug {
        DebugInfoKind::Dwarf => "with debug information",
        DebugInfoKind::Separate => "with separate debug information",
        DebugInfoKind::Stripped => "stripped",
    };
    let process = pid.map_or(exe.clone(), |pid| format!("{exe} (pid {pid})"));
    page.wrapped("process  ", &format!("{process}, {go} {arch}, {debug}"));
    page.wrapped("window   ", &window_line(window));
}

fn window_line(window: &Window) -> String {
    let Window { from, to, seconds, pauses_ms, predicted_ms, modes } = window;
    let mut modes = modes.clone();
    modes.dedup();
    let by = modes.join(" and ");
    let snapshots = pauses_ms.len().max(1);
    let times =
        if snapshots > 1 { format!("{from} to {to} ({})", numbers::seconds(*seconds)) } else { to.clone() };
    let pauses: Vec<String> = pauses_ms.iter().map(|ms| format!("{ms:.1}")).collect();
    let predicted: Vec<String> = predicted_ms.iter().flatten().map(|ms| format!("{ms:.1}")).collect();
    let stood = match (pauses.is_empty() || by == "core", predicted.is_empty()) {
        (true, _) => String::new(),
        (false, true) => format!("; the process stood still for {} ms", pauses.join(" and ")),
        (false, false) => format!(
            "; the process stood still for {} ms (predicted: {})",
            pauses.join(" and "),
            predicted.join(" and ")
        ),
    };
    let noun = if snapshots == 1 { "one moment" } else { "snapshots" };
    format!("{times}, {noun} by {by}{stood}")
}

/// One line that says it all.
fn verdict(page: &mut Page, report: &Report) {
    let (ink, line) = match report.findings.len() {
        0 => (Ink::Good, "No leak found.".to_owned()),
        leaks => (Ink::Alarm, numbers::counted(leaks as u64, "leak").to_string() + " found."),
    };
    let line = page.ink(ink, &line);
    page.line(&line);
}

fn forecast_line(page: &mut Page, forecast: &Forecast) {
    let Forecast { limit_bytes, limit_source, seconds_to_limit, low, high } = *forecast;
    let limit = match limit_source {
        LimitSource::Cgroup => "the container's memory limit",
        LimitSource::Ram => "the machine's memory",
        LimitSource::GoMemLimit => "GOMEMLIMIT",
    };
    page.heading("Forecast");
    page.wrapped(
        "  ",
        &format!(
            "At this growth {limit} ({}) is reached in {} (95%: {} to {}).",
            numbers::bytes(limit_bytes),
            numbers::seconds(seconds_to_limit),
            numbers::seconds(low),
            numbers::seconds(high)
        ),
    );
}

/// Where the resident memory is; a part that nobody could tell is left out, not shown as nothing.
fn memory_table(page: &mut Page, memory: &Memory) {
    let Memory {
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
    let title =
        if rss > 0 { format!("Memory: {} resident", numbers::bytes(rss)) } else { "Memory".to_owned() };
    page.heading(&title);
    let parts = [
        ("live heap objects", heap_live),
        ("garbage, freed by the next collection", heap_garbage),
        ("heap pages kept idle", heap_idle),
        ("free slots in heap pages in use", fragmentation),
        ("goroutine stacks", stacks),
        ("the runtime's own data", gc_metadata),
        ("outside the Go runtime (cgo, mmap)", native),
        ("mapped files", mapped_files),
    ];
    let whole = parts.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let room = page.width().saturating_sub(54);
    for (name, bytes) in parts.into_iter().filter(|(_, bytes)| *bytes > 0) {
        let bar = bar(bytes, whole, room);
        page.line(&format!("  {name:<38} {:>10}  {bar}", numbers::bytes(bytes)));
    }
}

fn bar(part: u64, whole: u64, room: usize) -> String {
    let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    "█".repeat((share * room as f64).round() as usize)
}

/// Facts that no finding stands on, so that a healthy answer has reasons too.
fn other_evidence(page: &mut Page, report: &Report) {
    let used: Vec<usize> =
        report.findings.iter().flat_map(|finding| finding.because.iter().copied()).collect();
    let others: Vec<&Evidence> = report
        .evidence
        .iter()
        .enumerate()
        .filter(|(index, _)| !used.contains(index))
        .map(|(_, fact)| fact)
        .collect();
    if others.is_empty() {
        return;
    }
    page.heading("Also seen");
    for fact in others {
        evidence_row(page, "  ", fact);
    }
}

/// One fact, and the command that shows it.
fn evidence_row(page: &mut Page, lead: &str, fact: &Evidence) {
    let Evidence { source, says, value: _, error: _, how } = fact;
    page.wrapped(&format!("{lead}{:<6} ", source_name(*source)), says);
    if !how.is_empty() {
        let how = page.ink(Ink::Faint, &format!("$ {how}"));
        page.line(&format!("{lead}       {how}"));
    }
}

fn source_name(source: Source) -> &'static str {
    match source {
        Source::Heap => "heap",
        Source::Pprof => "pprof",
        Source::Trace => "trace",
        Source::Os => "os",
    }
}

fn gap_list(page: &mut Page, gaps: &[Gap]) {
    if gaps.is_empty() {
        return;
    }
    page.heading("Not seen");
    for Gap { part, reason } in gaps {
        page.wrapped("  ", &format!("{part}: {reason}"));
    }
}

/// A rule as `leakscope explain` shows it.
pub fn explanation(id: &str, title: &str, explanation: &str, remedy: &str, look: Look) -> String {
    let mut page = Page::new(look);
    let head = page.ink(Ink::Heading, &format!("{id}: {title}"));
    page.line(&head);
    for paragraph in explanation.split("\n\n") {
        page.blank();
        page.wrapped("  ", paragraph);
    }
    page.blank();
    page.wrapped("  Fix: ", remedy);
    page.finish()
}
