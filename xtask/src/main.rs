//! The tasks around leakscope that are no part of the product: Go toolchains, the programs that tests look at,
//! the release binary and the measurements. `cargo xtask --help` lists them.
#![allow(
    clippy::disallowed_methods,
    reason = "tasks open files and start processes; the rule is for the crates"
)]

mod bench;
mod cache_dir;
mod debugger;
mod fixtures;
mod go_toolchain;
mod layouts;
mod release;
mod source_stamp;
mod subprocess;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tasks of the leakscope repository.
#[derive(Parser)]
#[command(name = "xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetches the Go toolchains that tests build with, into the cache; those already there are left alone.
    Toolchains {
        /// Only these versions, such as 1.26.6; all of the table when none is given.
        versions: Vec<String>,
    },
    /// Builds the programs under fixtures/ and cases/ into the cache; those that are up to date are left alone.
    Fixtures(fixtures::FixtureArgs),
    /// Writes the tables of runtime layouts under crates/goruntime/data, out of the toolchains' own source.
    Layouts(layouts::LayoutArgs),
    /// Builds dlv, the Go debugger that tests compare with, into the cache.
    Debugger,
    /// Measures, beside what cannot be avoided and beside other tools.
    Bench(bench::BenchArgs),
    /// Builds the static release binary, checks its size and runs it in an empty root.
    Release,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Toolchains { versions } => go_toolchain::install_all(&versions),
        Task::Fixtures(args) => fixtures::build_all(&args),
        Task::Layouts(args) => layouts::write_all(&args),
        Task::Debugger => debugger::install(),
        Task::Bench(args) => bench::run(&args),
        Task::Release => release::build_and_prove(),
    }
}
