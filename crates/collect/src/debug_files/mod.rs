//! The separate file that holds a program's debug information: where such files lie, and which of them belongs.
//!
//! The places and their order are gdb's ("Debugging Information in Separate Files" in its manual): by build ID in
//! each debug folder, then by the name in `.gnu_debuglink` beside the executable, in `.debug` below it, and under
//! each debug folder. Servers of debuginfod come last, and only if the caller names them.

mod debuginfod;
mod places;

use std::path::Path;

use leakscope_target::MappedFile;

pub use debuginfod::Debuginfod;
pub use places::{Places, Root};

/// The largest file that is looked at, in bytes: a checksum reads all of it.
const LARGEST: u64 = 32 << 30;

/// What identifies the file that is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// The executable's build ID in hex: GNU's, else Go's.
    pub build_id: Option<String>,
    /// The name and CRC-32 in its `.gnu_debuglink`.
    pub link: Option<(String, u32)>,
}

/// What a file's place says of it, and what is therefore left to be checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// Its place names the build ID: the file must have the same.
    BuildId,
    /// Its name and checksum are those of the link: its build ID must not be another.
    Link,
    /// The user named it.
    Name,
}

/// Says why a file with these bytes does not belong to the executable; `Ok` where it does.
pub type Check<'c> = &'c dyn Fn(&[u8], FoundBy) -> Result<(), String>;

/// One place that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The path or URL.
    pub place: String,
    /// What was there.
    pub outcome: String,
}

/// A file that belongs.
#[derive(Debug)]
pub struct DebugFile {
    /// The path or URL where it was found.
    pub place: String,
    /// Its bytes.
    pub file: MappedFile,
}

/// What a search brought.
#[derive(Debug, Default)]
pub struct Search {
    /// The first file that belongs.
    pub found: Option<DebugFile>,
    /// Every place that was looked at before, in order.
    pub tried: Vec<Tried>,
}

/// Looks for the file in each of `places`; `belongs` decides on what is there. A file that does not belong is noted,
/// and the search goes on. Nothing is asked over the network unless `servers` are given.
pub fn search(wanted: &Wanted, places: &Places, servers: Option<&Debuginfod>, belongs: Check<'_>) -> Search {
    let mut tried = Vec::new();
    for (path, found_by) in places.candidates(wanted) {
        let crc = wanted.link.as_ref().map(|(_, crc)| *crc).filter(|_| found_by == FoundBy::Link);
        match open(&path, found_by, crc, belongs) {
            Ok(file) => {
                return Search { found: Some(DebugFile { place: path.display().to_string(), file }), tried };
            }
            Err(outcome) => tried.push(Tried { place: path.display().to_string(), outcome }),
        }
    }
    let mut search = Search { found: None, tried };
    if let (Some(servers), Some(id)) = (servers, wanted.build_id.as_ref()) {
        servers.search(id, belongs, &mut search);
    }
    search
}

/// The file that the user named.
///
/// # Errors
/// Why it cannot be read, or why it does not belong.
pub fn named(path: &Path, belongs: Check<'_>) -> Result<DebugFile, String> {
    let file = open(path, FoundBy::Name, None, belongs)?;
    Ok(DebugFile { place: path.display().to_string(), file })
}

/// The CRC-32 that `.gnu_debuglink` holds of a file's contents.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn open(path: &Path, found_by: FoundBy, crc: Option<u32>, belongs: Check<'_>) -> Result<MappedFile, String> {
    // Opening a pipe would wait for whoever writes into it: in a container anything may lie at any path.
    match std::fs::metadata(path) {
        Ok(facts) if facts.is_file() && facts.len() <= LARGEST => {}
        Ok(facts) if facts.is_file() => {
            return Err(format!("larger than any debug file: {} bytes", facts.len()));
        }
        Ok(_) => return Err("no regular file".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err("not there".to_owned()),
        Err(error) => return Err(error.to_string()),
    }
    let file = MappedFile::open(path).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    })?;
    if let Some(wanted) = crc {
        let found = checksum(&file);
        if found != wanted {
            return Err(format!("another file: its checksum is {found:08x}, the link asks for {wanted:08x}"));
        }
    }
    belongs(&file, found_by)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_binary_tools() {
        // `python3 -c 'import zlib; print(hex(zlib.crc32(b"123456789")))'`
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }
}
