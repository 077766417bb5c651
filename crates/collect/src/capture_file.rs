//! A capture on disk: written whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::capture::Capture;
use crate::error::CaptureError;

impl Capture {
    /// Writes the capture to `path`: first beside it under another name, then renamed, so that no reader ever
    /// sees half of it and an older file at `path` outlives a failure.
    ///
    /// # Errors
    /// [`CaptureError::DiskFull`], or [`CaptureError::File`]; nothing is left behind then.
    pub fn write_to(&self, path: &Path) -> Result<(), CaptureError> {
        let partial = partial_name(path);
        let written = self.write_partial(&partial, path).and_then(|()| {
            fs::rename(&partial, path).map_err(|source| self.failure(path, "putting it in its place", source))
        });
        if written.is_err() {
            // It may not even have been made.
            let _ = fs::remove_file(&partial);
        }
        written
    }

    /// Opens the capture at `path`.
    ///
    /// # Errors
    /// As [`Capture::read`], and [`CaptureError::File`].
    pub fn open(path: &Path) -> Result<Capture, CaptureError> {
        let named = |doing, source| CaptureError::File { path: path.to_owned(), doing, source };
        let file = File::open(path).map_err(|source| named("opening it", source))?;
        Capture::read(BufReader::new(file)).map_err(|err| match err {
            CaptureError::NotACapture(reason) => {
                CaptureError::NotACapture(format!("{}: {reason}", path.display()))
            }
            other => other,
        })
    }

    fn write_partial(&self, partial: &Path, path: &Path) -> Result<(), CaptureError> {
        let file =
            File::create(partial).map_err(|source| self.failure(path, "making a file beside it", source))?;
        let mut out = BufWriter::new(file);
        let outcome = self.write(&mut out).and_then(|()| out.flush()).and_then(|()| out.get_ref().sync_all());
        outcome.map_err(|source| self.failure(path, "writing it", source))
    }

    fn failure(&self, path: &Path, doing: &'static str, source: io::Error) -> CaptureError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                CaptureError::DiskFull { path, needed: self.size_limit() }
            }
            _ => CaptureError::File { path, doing, source },
        }
    }
}

fn partial_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.partial", std::process::id()))
}
