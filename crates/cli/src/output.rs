//! Where an answer goes: standard output, or a file that is there whole or not at all.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use leakscope_report::Look;

use crate::args::OutputArgs;
use crate::terminal;

/// Writes `answer` where the arguments say.
pub(crate) fn write(args: &OutputArgs, answer: &str) -> Result<()> {
    match &args.file {
        Some(path) => write_file(path, answer.as_bytes()),
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(answer.as_bytes()).and_then(|()| out.flush()).context("writing to standard output")
        }
    }
}

/// How the answer may look there.
pub(crate) fn look(args: &OutputArgs) -> Look {
    let look = terminal::look();
    Look { colour: look.colour && args.file.is_none(), ..look }
}

/// Writes a file beside its name and then moves it there, so that no half of it is ever seen. What is no regular
/// file (a pipe, a device) is written to as it is.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return fs::OpenOptions::new()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(bytes))
            .with_context(doing);
    }
    let partial = partial(path);
    let written = fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It may never have been made; what counts is the first error.
        let _ = fs::remove_file(&partial);
    }
    written.with_context(doing)
}

/// A name beside `path` that nobody else uses.
pub(crate) fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}

/// Whether the reader of our output went away: that is no error of ours.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == ErrorKind::BrokenPipe)
    };
    error.chain().any(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        write_file(&path, b"{}\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}\n");
        assert!(write_file(&folder.path().join("no/such/folder"), b"x").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_full_disk_is_said() {
        let error = write_file(Path::new("/dev/full"), b"x").unwrap_err();
        assert_eq!(error.to_string(), "writing /dev/full");
        assert!(error.root_cause().to_string().contains("No space left"), "{error:#}");
    }
}
