//! Arguments as typed; each struct says what it means in one place.

mod debug_info;
mod duration;
mod goroutines;
mod heap;
mod size;
mod spelling;
mod target_word;
mod window;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub(crate) use debug_info::DebugInfoArgs;
pub(crate) use duration::duration;
pub(crate) use goroutines::{GoroutinesArgs, Grouping, SortKey};
pub(crate) use heap::{
    AboutHeap, ArenasArgs, BreakdownArgs, CachesArgs, Collapse, Contents, DiffArgs, DiffBy, DominatorsArgs,
    ExportArgs, ExportFormat, FindArgs, HeapArgs, HeapQuestion, LeakedArgs, ListArgs, MemstatsArgs,
    ObjectArgs, ReferrersArgs, RootKind, RootsArgs, SpansArgs, Subject, TypeGrouping, TypeSort, TypesArgs,
    WasteArgs, WhyArgs, address,
};
pub(crate) use size::size;
pub(crate) use target_word::TargetWord;
pub(crate) use window::{Access, EndpointArgs};

/// Finds memory leaks in Go services: what leaks, who holds it, which line to change.
///
/// Works on the process as it is: no import, no restart, no endpoint needed. The process goes on while it is looked at;
/// how long it stood still (milliseconds) stands in every answer.
#[derive(Debug, Parser)]
#[command(name = "leakscope", version, max_term_width = 100, after_help = EXAMPLES, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  leakscope demo                          the report of a recorded leak, nothing else needed
  leakscope diagnose 4711 --for 30s       what leaks in process 4711
  leakscope diagnose name:orders --json   the same for the one process of that name, as JSON
  leakscope heap why 4711 context.timerCtx
  leakscope explain GO-CTX-001

TARGET is one word everywhere: a PID, name:PROCESS, a core file (with --exe where needed), a capture
(FILE.leakscope), http://HOST:PORT of a pprof endpoint, or demo:grpc.

Exit status: 0 nothing leaks, 1 something leaks, 2 leakscope could not do its work.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(DemoArgs),
    Diagnose(DiagnoseArgs),
    Capture(CaptureArgs),
    Heap(HeapArgs),
    Goroutines(GoroutinesArgs),
    Explain(ExplainArgs),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Show the report of a real leak, recorded from a real process
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope demo
  leakscope demo grpc --json
  leakscope heap types demo:grpc          every other command takes the recording too")]
pub(crate) struct DemoArgs {
    /// Which recording
    #[arg(default_value = "grpc")]
    pub(crate) case: String,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Say what leaks, who holds it, how fast it grows, and which line to change
///
/// Takes one snapshot, waits, takes another, and compares: Go's collector does not move objects, so what is in both is
/// the same. A core or a capture of one moment is judged by what it shows, with less confidence.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope diagnose 4711
  leakscope diagnose name:orders --for 2m --format md -o leak.md
  leakscope diagnose core.4711 --exe ./orders
  leakscope diagnose before-and-after.leakscope --json

Exit status: 0 nothing leaks, 1 something leaks, 2 leakscope could not do its work.")]
pub(crate) struct DiagnoseArgs {
    /// PID, name:PROCESS, core file, capture, http://HOST:PORT or demo:grpc
    pub(crate) target: TargetWord,
    /// Time between the two snapshots of a live process; 0s takes only one
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) window: std::time::Duration,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    #[command(flatten)]
    pub(crate) access: Access,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Put all the evidence into one file, to be judged later or elsewhere
///
/// The file holds the shape of the heap (addresses, types, pointers, stacks) and no contents of the user's data.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope capture 4711 -o orders.leakscope --for 20s
  leakscope diagnose orders.leakscope")]
pub(crate) struct CaptureArgs {
    /// PID or name:PROCESS, or a core file
    pub(crate) target: TargetWord,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Time between the two snapshots; 0s takes only one
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub(crate) window: std::time::Duration,
    /// What to keep of the memory: its graph, or nothing but profiles and figures
    #[arg(long, value_enum, default_value_t = MemoryPart::Graph)]
    pub(crate) memory: MemoryPart,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// What a capture keeps of the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MemoryPart {
    /// Objects, types and pointers, no contents.
    Graph,
    /// Nothing.
    None,
}

/// Explain a rule: what it looks for, why that is a leak, how to fix it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope explain                       every rule
  leakscope explain GO-CTX-001")]
pub(crate) struct ExplainArgs {
    /// The rule, as findings name it; all of them if not given
    pub(crate) rule: Option<String>,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope completions bash > /etc/bash_completion.d/leakscope")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

/// Print the manual page
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  leakscope man | man -l -")]
pub(crate) struct ManArgs {}

/// How and where an answer is written.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// How to write the answer
    #[arg(long, value_enum, default_value_t = FormatWord::Text)]
    format: FormatWord,
    /// Short for --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Write the answer to this file instead of standard output
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

/// A format's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatWord {
    /// For people.
    Text,
    /// For scripts.
    Json,
    /// Markdown, for tickets.
    Md,
}

impl OutputArgs {
    /// The format that is meant.
    pub(crate) fn format(&self) -> leakscope_report::Format {
        match (self.json, self.format) {
            (true, _) | (false, FormatWord::Json) => leakscope_report::Format::Json,
            (false, FormatWord::Text) => leakscope_report::Format::Text,
            (false, FormatWord::Md) => leakscope_report::Format::Markdown,
        }
    }
}

/// Parses the command line; the debugger's `-type` and `-min` are taken for `--type` and `--min`.
pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Command, clap::Error> {
    Cli::try_parse_from(words.map(spelling::gnu)).map(|cli| cli.command)
}

/// Prints clap's own answer: help to standard output with status 0, a mistake to standard error with status 2.
pub(crate) fn answer(message: &clap::Error) -> ExitCode {
    // Nothing is left to be told if even this cannot be printed.
    let _ = message.print();
    ExitCode::from(if message.use_stderr() { crate::COULD_NOT } else { crate::NOTHING })
}

/// The command line as clap describes it, for completions and the manual page.
pub(crate) fn description() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        description().debug_assert();
    }

    #[test]
    fn json_is_short_for_its_format() {
        let parsed = parse(["leakscope", "demo", "--json"].iter().map(OsString::from)).unwrap();
        let Command::Demo(args) = parsed else { panic!("not demo") };
        assert_eq!(args.output.format(), leakscope_report::Format::Json);
    }
}
