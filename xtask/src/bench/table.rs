//! The figures as a table for people and as JSON.

use std::io::Write;

use anyhow::Result;
use serde_json::json;

use super::rows::{Goal, Row};
use super::statistics::{Round, Summary, collection, median, summaries};
use super::subject::Subject;

/// Writes the table.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_text(
    out: &mut impl Write,
    row: &Row,
    subject: &Subject,
    rounds: &[Round],
    goals: &[Goal],
) -> Result<()> {
    let cost = collection(rounds);
    let go = subject.ready.get("go").and_then(serde_json::Value::as_str).unwrap_or("?");
    writeln!(
        out,
        "\n{}: {go}, {:.2} million objects, {:.0} MB, {} goroutines; medians of {} rounds",
        row.name,
        subject.figure("heap_objects") as f64 / 1e6,
        subject.figure("heap_alloc") as f64 / 1e6,
        subject.figure("goroutines"),
        rounds.len()
    )?;
    writeln!(
        out,
        "one forced collection: {:.3} s CPU (GC×); ticker gap with nobody looking: {:.1} ms\n",
        cost,
        idle_gap(rounds)
    )?;
    writeln!(out, "{:<28} wall s   CPU s     GC×   reads  peak MB  gap ms  said ms", "")?;
    for row in summaries(rounds) {
        write_row(out, &row)?;
    }
    writeln!(out)?;
    for goal in goals {
        let word = if goal.is_reached() { "reached" } else { "MISSED" };
        writeln!(out, "{:<60} at most {:>7.2}: {:>7.2}  {word}", goal.what, goal.at_most, goal.measured)?;
    }
    Ok(())
}

fn write_row(out: &mut impl Write, row: &Summary) -> Result<()> {
    let said = row.said_pause_ms.map_or_else(|| "-".to_owned(), |pause| format!("{pause:.1}"));
    writeln!(
        out,
        "{:<28} {:>6.2}  {:>6.2}  {:>6.1}  {:>6.1}  {:>7.0}  {:>6.1}  {said:>7}",
        row.name,
        row.wall,
        row.cpu,
        row.collections,
        row.reads,
        row.peak_anonymous / 1e6,
        row.gap_ms
    )?;
    Ok(())
}

/// Writes one JSON object.
///
/// # Errors
/// When `out` cannot be written to.
pub fn write_json(
    out: &mut impl Write,
    row: &Row,
    subject: &Subject,
    rounds: &[Round],
    goals: &[Goal],
) -> Result<()> {
    let rows: Vec<_> = summaries(rounds)
        .iter()
        .map(|row| {
            json!({
                "name": row.name, "wall_seconds": row.wall, "cpu_seconds": row.cpu,
                "cpu_per_collection": row.collections, "cpu_per_plain_read": row.reads,
                "peak_anonymous_bytes": row.peak_anonymous, "longest_gap_ms": row.gap_ms,
                "said_pause_ms": row.said_pause_ms,
            })
        })
        .collect();
    let cost = collection(rounds);
    let answer = json!({
        "schema": "leakscope.bench/2", "heap": row.name, "go": subject.ready.get("go"), "rounds": rounds.len(),
        "heap_objects": subject.ready.get("heap_objects"), "heap_bytes": subject.ready.get("heap_alloc"),
        "collection_cpu_seconds": cost,
        "idle_gap_ms": idle_gap(rounds), "rows": rows,
        "goals": goals.iter().map(|goal| json!({
            "what": goal.what, "at_most": goal.at_most, "measured": goal.measured, "reached": goal.is_reached(),
        })).collect::<Vec<_>>(),
    });
    writeln!(out, "{answer:#}")?;
    Ok(())
}

fn idle_gap(rounds: &[Round]) -> f64 {
    median(rounds.iter().map(|round| round.idle_gap_ms).collect())
}
