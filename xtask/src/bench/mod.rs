//! Measurements: what it costs to read a heap, beside what cannot be avoided and what other tools take.
//!
//! Figures of one machine say little, so each is given as a multiple of two measures of the same process at the same
//! time: the collector's own CPU for one forced collection of that heap (GC×), and one plain read of its bytes.

mod measured_run;
mod plain_read;
mod rows;
mod statistics;
mod subject;
mod table;
mod tools;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use crate::cache_dir::{fixtures_dir, repository_root};
use crate::fixtures::{FixtureArgs, build_all};
use measured_run::Figures;
use rows::Row;
use statistics::Round;
use subject::Subject;
use tools::Tool;

/// How many collections are measured in a round; what they take varies a lot.
const COLLECTIONS: usize = 3;

/// What to measure.
#[derive(Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    subject: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// The whole answer about several heaps: types, reachability, paths, retained sizes; and what is to be reached.
    Heap(HeapArgs),
    /// The same about a hundred million objects on 32 GB, most of which were never written to. Takes some 8 GB of memory.
    Large(LargeArgs),
    /// Reads every byte that a process may write to, once. A step of `heap`, as a process of its own.
    #[command(hide = true)]
    PlainRead {
        /// The process.
        pid: u32,
    },
}

/// How to measure.
#[derive(Args)]
struct HowArgs {
    /// How often everything is measured; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// The Go release of the process that is looked at.
    #[arg(long, default_value = "1.26.6")]
    go: String,
    /// The leakscope to measure; built in the release profile when left out.
    #[arg(long)]
    leakscope: Option<PathBuf>,
    /// Leave grf, viewcore and dlv out even where they are on PATH.
    #[arg(long)]
    alone: bool,
    /// Write the figures as JSON, one object a heap.
    #[arg(long)]
    json: bool,
}

/// Which heaps to measure, and how.
#[derive(Args)]
struct HeapArgs {
    /// Only this heap: 300mb, 1gb, 1gb-huge-pages or goroutines. May be given several times.
    #[arg(long = "only", value_name = "HEAP")]
    only: Vec<String>,
    #[command(flatten)]
    how: HowArgs,
}

/// How large, and how to measure.
#[derive(Args)]
struct LargeArgs {
    /// How many objects.
    #[arg(long, default_value_t = 100_000_000)]
    objects: u64,
    #[command(flatten)]
    how: HowArgs,
}

/// Runs the measurement.
///
/// # Errors
/// When the process to look at cannot be built or started, or leakscope fails on it.
pub fn run(args: &BenchArgs) -> Result<()> {
    match &args.subject {
        Bench::Heap(args) => {
            let is_asked = |row: &Row| args.only.is_empty() || args.only.iter().any(|name| name == row.name);
            let rows: Vec<Row> = rows::all().into_iter().filter(is_asked).collect();
            ensure!(!rows.is_empty(), "no heap is called {}", args.only.join(" or "));
            measure_rows(&rows, &args.how)
        }
        Bench::Large(args) => measure_rows(&[rows::hundred_million(args.objects)], &args.how),
        Bench::PlainRead { pid } => plain_read::read_all(*pid),
    }
}

fn measure_rows(rows: &[Row], how: &HowArgs) -> Result<()> {
    ensure!(how.rounds > 0, "no rounds, no figures");
    for row in rows {
        build_all(&FixtureArgs::one(row.fixture, &how.go))?;
    }
    let leakscope = match &how.leakscope {
        Some(path) => path.clone(),
        None => tools::build_leakscope()?,
    };
    let scratch = repository_root().join("target/bench");
    fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    for row in rows {
        measure_row(row, how, &leakscope, &scratch).context(row.name)?;
    }
    fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))
}

fn measure_row(row: &Row, how: &HowArgs, leakscope: &Path, scratch: &Path) -> Result<()> {
    eprintln!("{}: starting the process", row.name);
    let program = fixtures_dir()?.join(format!("{}-go{}", row.fixture, how.go));
    let subject = Subject::start(&program, row)?;
    ensure!(!row.huge_pages || 0 < subject.figure("huge_pages"), "the system gives no huge pages");
    let tools = tools::all(leakscope, &program, scratch, how.alone || !row.with_peers);
    let mut rounds = Vec::new();
    for number in 1..=how.rounds {
        eprintln!("{}: round {number} of {}", row.name, how.rounds);
        rounds.push(round(&subject, &tools, number == 1)?);
    }
    let goals = row.goals(&subject, &rounds);
    let out = &mut std::io::stdout();
    if how.json {
        table::write_json(out, row, &subject, &rounds, &goals)
    } else {
        table::write_text(out, row, &subject, &rounds, &goals)
    }
}

/// Everything once, one after the other. Peers take minutes, so they run in one round.
fn round(subject: &Subject, tools: &[Tool], with_peers: bool) -> Result<Round> {
    let collections = (0..COLLECTIONS).map(|_| subject.collect()).collect::<Result<_>>()?;
    let idle_gap_ms = subject.idle_gap();
    let mut figures: Vec<(String, Figures)> = Vec::new();
    for tool in tools.iter().filter(|tool| with_peers || !tool.is_peer) {
        match measure(tool, subject) {
            Ok(taken) => figures.push((tool.name.to_owned(), taken)),
            Err(error) if tool.is_peer => eprintln!("left out of this round: {error:#}"),
            Err(error) => return Err(error),
        }
    }
    Ok(Round { collections, idle_gap_ms, figures })
}

/// One run of one tool, with the longest time that the process stood still for it.
fn measure(tool: &Tool, subject: &Subject) -> Result<Figures> {
    let mut sum = Figures::default();
    for step in (tool.steps)(subject.pid) {
        let input = step.input.as_ref().map(File::open).transpose().context("opening the input of a tool")?;
        let run = measured_run::run(step.command, input).context(tool.name)?;
        sum.add(&run, subject.longest_gap(&run));
    }
    Ok(sum)
}
