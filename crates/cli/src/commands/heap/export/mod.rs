//! `leakscope heap export`: one file a format.

mod core;
mod dot;
mod jsonl;
mod retention;

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use leakscope_model::Gap;

use crate::args::{ExportArgs, ExportFormat};
use crate::opening::{OneMoment, last_moment};
use crate::{NOTHING, output, terminal};

/// Writes the heap.
pub(super) fn run(args: &ExportArgs) -> Result<u8> {
    let binary = matches!(args.format, ExportFormat::Pprof | ExportFormat::Core);
    if binary && args.output.is_none() && io::stdout().is_terminal() {
        bail!("this format is not for a terminal: name a file with -o FILE");
    }
    let gaps = match args.format {
        ExportFormat::Core => of_memory(args)?,
        ExportFormat::Pprof | ExportFormat::Dot | ExportFormat::Jsonl => of_graph(args)?,
    };
    terminal::remark(&gaps);
    Ok(NOTHING)
}

/// Writes what needs the memory, while it is at hand.
fn of_memory(args: &ExportArgs) -> Result<Vec<Gap>> {
    let answered = crate::opening::ask(&args.target, &args.access, |inspection| {
        put(args.output.as_deref(), |out| core::write(inspection, out))
    })?;
    Ok(answered.gaps)
}

/// Writes what the heap alone tells: its process has been let go by then, however slow the reader is.
fn of_graph(args: &ExportArgs) -> Result<Vec<Gap>> {
    let OneMoment { moment, target, mut gaps } = last_moment(&args.target, &args.access)?;
    let heap = &moment.heap;
    put(args.output.as_deref(), |out| match args.format {
        ExportFormat::Dot => dot::write(heap, args.limit, out),
        ExportFormat::Jsonl => jsonl::write(heap, out),
        ExportFormat::Pprof | ExportFormat::Core => retention::write(heap, &target, out),
    })?;
    gaps.extend(heap.gaps.iter().cloned());
    Ok(gaps)
}

/// Fills a file, or standard output.
fn put(path: Option<&Path>, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    match path {
        // What is no regular file (a pipe, a device) is written to as it is.
        Some(path) if fs::metadata(path).is_ok_and(|found| !found.is_file()) => {
            let file = File::options().write(true).open(path);
            let mut out = BufWriter::new(file.with_context(|| format!("writing {}", path.display()))?);
            fill(&mut out)?;
            out.flush().with_context(|| format!("writing {}", path.display()))
        }
        Some(path) => to_file(path, fill),
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            fill(&mut out)?;
            out.flush().context("writing to standard output")
        }
    }
}

/// Fills a file beside its name and then moves it there.
fn to_file(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let partial = output::partial(path);
    let filled =
        File::create(&partial).with_context(|| format!("writing {}", path.display())).and_then(|file| {
            let mut out = BufWriter::with_capacity(1 << 20, file);
            fill(&mut out)?;
            out.flush()
                .and_then(|()| fs::rename(&partial, path))
                .with_context(|| format!("writing {}", path.display()))
        });
    if filled.is_err() {
        // It may never have been made; what counts is the first error.
        let _ = fs::remove_file(&partial);
    }
    filled
}
