//! Tells files apart by their first bytes; reads no meaning.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::GzDecoder;

/// What a file seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// An ELF core.
    Core,
    /// Another ELF file: an executable, most likely.
    Elf,
    /// A capture of ours.
    Capture,
    /// A compressed profile.
    Profile,
    /// An execution trace.
    Trace,
    /// Goroutines as text, debug=1 or debug=2.
    GoroutineText,
    /// None of these; an uncompressed profile has no mark of its own.
    Unknown,
}

impl FileKind {
    /// Looks at the file at `path`.
    ///
    /// # Errors
    /// What the system says when the file is opened or read.
    pub fn of_file(path: &Path) -> io::Result<FileKind> {
        let mut start = Vec::new();
        File::open(path)?.take(4096).read_to_end(&mut start)?;
        Ok(FileKind::of_start(&start))
    }

    /// Looks at the first bytes of a file; 4 KiB are enough.
    pub fn of_start(start: &[u8]) -> FileKind {
        match start {
            [0x7f, b'E', b'L', b'F', ..] if start.get(16..18) == Some(&[4, 0]) => FileKind::Core,
            [0x7f, b'E', b'L', b'F', ..] => FileKind::Elf,
            [0x1f, 0x8b, ..] if is_tar_of_ours(start) => FileKind::Capture,
            [0x1f, 0x8b, ..] => FileKind::Profile,
            [b'g', b'o', b' ', b'1', b'.', ..] => FileKind::Trace,
            _ if start.starts_with(b"goroutine ") => FileKind::GoroutineText,
            _ => FileKind::Unknown,
        }
    }
}

/// Whether the first member of the packed tar is our manifest.
fn is_tar_of_ours(start: &[u8]) -> bool {
    let mut name = [0; 14];
    GzDecoder::new(start).read_exact(&mut name).is_ok() && name == *b"manifest.json\0"
}
