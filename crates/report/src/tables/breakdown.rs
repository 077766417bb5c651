//! What resident memory is made of.

use serde::Serialize;

use super::Beside;
use crate::columns::{Lean, columns};
use crate::page::Page;
use crate::{Format, Look, numbers};

/// Resident memory by part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BreakdownAnswer {
    /// What the system says is resident; `None` where it does not tell.
    pub rss: Option<u64>,
    /// What the parts add up to, without `unexplained`.
    pub explained_bytes: u64,
    /// The parts, `unexplained` last.
    pub rows: Vec<PartRow>,
    /// Mapped files and shared memory, the most bytes first.
    pub files: Vec<FileRow>,
    /// Anonymous memory in transparent huge pages.
    pub huge_page_bytes: u64,
    /// Memory that was given back lazily and still counts.
    pub lazily_freed_bytes: u64,
    /// Swapped out; in none of the parts.
    pub swap_bytes: u64,
    /// The container; `None` where there is none, and for a core.
    pub cgroup: Option<CgroupRow>,
}

/// One part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartRow {
    /// Its name.
    pub part: &'static str,
    /// What it is a part of: `heap`, `stacks`, `runtime`, `binary`, `native`, `files` or `unexplained`.
    pub area: &'static str,
    /// Resident bytes; only `unexplained` may be below zero.
    pub bytes: i64,
    /// What it is.
    pub says: &'static str,
}

/// One mapped file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileRow {
    /// Its path, as the process sees it.
    pub path: String,
    /// Resident bytes.
    pub bytes: u64,
}

/// The container's memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CgroupRow {
    /// The path of the control group.
    pub path: String,
    /// What counts against the limit now.
    pub usage: Option<u64>,
    /// The same without file pages that were not used lately.
    pub working_set: Option<u64>,
    /// The limit; `None` where there is none.
    pub limit: Option<u64>,
}

/// Resident memory by part, in one of the formats.
pub fn breakdown(answer: &BreakdownAnswer, beside: &Beside, format: Format, look: Look) -> String {
    beside.answer("heap-breakdown", answer, format, look, || text(answer, look))
}

fn text(answer: &BreakdownAnswer, look: Look) -> String {
    let mut page = Page::new(look);
    match answer.rss {
        Some(rss) => page.line(&format!("resident  {}", numbers::bytes(rss))),
        None => page.line(&format!("held      {}", numbers::bytes(answer.explained_bytes))),
    }
    page.blank();
    let whole = answer.rss.unwrap_or(answer.explained_bytes).max(1) as f64;
    let heads = [("part", Lean::Left), ("bytes", Lean::Right), ("share", Lean::Right), ("", Lean::Left)];
    page.lines(&columns(&heads, &rows(&answer.rows, whole)));
    if !answer.files.is_empty() {
        page.heading("Files and shared memory");
        for FileRow { path, bytes } in &answer.files {
            page.line(&format!("{:>10}  {path}", numbers::bytes(*bytes)));
        }
    }
    beside_the_parts(&mut page, answer);
    page.finish()
}

/// The sum of each area before its parts.
fn rows(parts: &[PartRow], whole: f64) -> Vec<Vec<String>> {
    let mut lines = Vec::new();
    let mut area = "";
    for row in parts {
        if row.area != area {
            area = row.area;
            let sum = parts.iter().filter(|other| other.area == area).map(|other| other.bytes).sum();
            let says = if area == row.part { row.says } else { "" };
            lines.push(line(area, sum, whole, says));
        }
        if area != row.part {
            lines.push(line(&format!("  {}", row.part.replace('_', " ")), row.bytes, whole, row.says));
        }
    }
    lines
}

fn line(name: &str, bytes: i64, whole: f64, says: &str) -> Vec<String> {
    let sign = if bytes < 0 { "-" } else { "" };
    let share = bytes.unsigned_abs() as f64 / whole;
    vec![
        name.to_owned(),
        format!("{sign}{}", numbers::bytes(bytes.unsigned_abs())),
        format!("{sign}{}", numbers::percent(share)),
        says.to_owned(),
    ]
}

fn beside_the_parts(page: &mut Page, answer: &BreakdownAnswer) {
    page.blank();
    let BreakdownAnswer { huge_page_bytes, lazily_freed_bytes, swap_bytes, cgroup, .. } = answer;
    if *huge_page_bytes > 0 {
        page.line(&format!("in huge pages: {}", numbers::bytes(*huge_page_bytes)));
    }
    if *lazily_freed_bytes > 0 {
        page.line(&format!("given back lazily, counted still: {}", numbers::bytes(*lazily_freed_bytes)));
    }
    if *swap_bytes > 0 {
        page.line(&format!("swapped out, in none of the parts: {}", numbers::bytes(*swap_bytes)));
    }
    let Some(CgroupRow { path, usage, working_set, limit }) = cgroup else { return };
    let known = |bytes: &Option<u64>| bytes.map_or_else(|| "unknown".to_owned(), numbers::bytes);
    let limit =
        limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {}", numbers::bytes(limit)));
    page.wrapped(
        "",
        &format!("control group {path}: {} used, {} of it needed, {limit}", known(usage), known(working_set)),
    );
}
