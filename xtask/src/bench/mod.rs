//! Measurements: what it costs to read a heap, beside what cannot be avoided and what other tools take.
//!
//! Figures of one machine say little, so each is given as a multiple of two measures of the same process at the same
//! time: the collector's own CPU for one forced collection of that heap (GC×), and one plain read of its bytes.

mod measured_run;
mod plain_read;
mod statistics;
mod subject;
mod table;
mod tools;

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use crate::cache_dir::{fixtures_dir, repository_root};
use crate::fixtures::{FixtureArgs, build_all};
use measured_run::Figures;
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
    /// The whole answer about a heap of many small objects: types, reachability, paths, retained sizes.
    Heap(HeapArgs),
    /// Reads every byte that a process may write to, once. A step of `heap`, as a process of its own.
    #[command(hide = true)]
    PlainRead {
        /// The process.
        pid: u32,
    },
}

/// How to measure reading a heap.
#[derive(Args)]
struct HeapArgs {
    /// Size of the live heap in MB; 300 MB are 2.8 million objects.
    #[arg(long, default_value_t = 300)]
    megabytes: u32,
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
    /// Write the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the measurement.
///
/// # Errors
/// When the process to look at cannot be built or started, or leakscope fails on it.
pub fn run(args: &BenchArgs) -> Result<()> {
    match &args.subject {
        Bench::Heap(args) => heap(args),
        Bench::PlainRead { pid } => plain_read::read_all(*pid),
    }
}

fn heap(args: &HeapArgs) -> Result<()> {
    ensure!(args.rounds > 0, "no rounds, no figures");
    build_all(&FixtureArgs::one("cache", &args.go))?;
    let leakscope = match &args.leakscope {
        Some(path) => path.clone(),
        None => tools::build_leakscope()?,
    };
    let scratch = repository_root().join("target/bench");
    fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
    let program = fixtures_dir()?.join(format!("cache-go{}", args.go));
    let subject = Subject::start(&program, &args.megabytes.to_string())?;
    let tools = tools::all(&leakscope, &program, &scratch, args.alone);
    let mut rounds = Vec::new();
    for number in 1..=args.rounds {
        eprintln!("round {number} of {}", args.rounds);
        rounds.push(round(&subject, &tools)?);
    }
    fs::remove_dir_all(&scratch).with_context(|| format!("removing {}", scratch.display()))?;
    let out = &mut std::io::stdout();
    if args.json {
        table::write_json(out, &subject, &rounds)
    } else {
        table::write_text(out, &subject, &rounds)
    }
}

/// Everything once, one after the other.
fn round(subject: &Subject, tools: &[Tool]) -> Result<Round> {
    let collections = (0..COLLECTIONS).map(|_| subject.collect()).collect::<Result<_>>()?;
    let idle_gap_ms = subject.idle_gap();
    let mut figures: Vec<(String, Figures)> = Vec::new();
    for tool in tools {
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
