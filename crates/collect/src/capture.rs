//! A capture in memory: a manifest and its parts. A torn file keeps what it has.

use std::io::{self, Read, Write};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use leakscope_model::Gap;

use crate::error::CaptureError;
use crate::manifest::{Manifest, PartEntry, PartKind, SCHEMA, TargetFacts};
use crate::now;

/// The name of the first file in the archive.
const MANIFEST: &str = "manifest.json";
/// Most bytes of a manifest, and most of all parts together: more is not a capture of ours.
const MOST_MANIFEST: u64 = 4 << 20;
const MOST_PARTS: u64 = 8 << 30;

/// One part with its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the manifest says of it.
    pub entry: PartEntry,
    /// Its bytes, in the format of its kind.
    pub bytes: Vec<u8>,
}

/// A capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// The table of contents; lists lost parts too.
    pub manifest: Manifest,
    /// The parts that are there, in order.
    pub parts: Vec<Part>,
    /// The parts that were lost, and why.
    pub gaps: Vec<Gap>,
}

impl Capture {
    /// An empty capture of `target`, written by `tool` (name and version).
    pub fn new(tool: &str, target: TargetFacts) -> Capture {
        let manifest = Manifest {
            schema: SCHEMA.to_owned(),
            tool: tool.to_owned(),
            taken_at: now(),
            target,
            parts: Vec::new(),
        };
        Capture { manifest, parts: Vec::new(), gaps: Vec::new() }
    }

    /// Adds a part taken just now.
    pub fn add(&mut self, kind: PartKind, name: &str, bytes: Vec<u8>) {
        self.add_taken_at(kind, name, now(), bytes);
    }

    /// Adds a part taken at `taken_at` (RFC 3339, UTC).
    pub fn add_taken_at(&mut self, kind: PartKind, name: &str, taken_at: String, bytes: Vec<u8>) {
        let mut crc = Crc::new();
        crc.update(&bytes);
        let entry = PartEntry {
            kind,
            name: name.to_owned(),
            taken_at,
            file: format!("parts/{}", self.parts.len()),
            bytes: bytes.len() as u64,
            crc32: crc.sum(),
        };
        self.manifest.parts.push(entry.clone());
        self.parts.push(Part { entry, bytes });
    }

    /// The parts of one kind, in order.
    pub fn parts_of(&self, kind: PartKind) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.entry.kind == kind)
    }

    /// The most bytes that the file can need.
    pub(crate) fn size_limit(&self) -> u64 {
        let parts: u64 = self.parts.iter().map(|part| part.entry.bytes).sum();
        // Each file of a tar has a header and padding of 512 bytes; gzip never adds a hundredth.
        let headers = (self.parts.len() as u64 + 4).saturating_mul(1024 + 512);
        parts.saturating_add(parts / 100).saturating_add(headers)
    }

    /// Writes the capture as a gzipped tar.
    ///
    /// # Errors
    /// What `out` says.
    pub fn write(&self, out: impl Write) -> io::Result<()> {
        let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
        // The manifest comes first, so that a torn file still tells what it has lost.
        append(&mut archive, MANIFEST, &serde_json::to_vec_pretty(&self.manifest)?)?;
        for part in &self.parts {
            append(&mut archive, &part.entry.file, &part.bytes)?;
        }
        archive.into_inner()?.finish()?.flush()
    }

    /// Reads a capture; a torn one loses the parts behind the tear, which become gaps.
    ///
    /// # Errors
    /// [`CaptureError::NotACapture`] if there is no manifest at the begin, [`CaptureError::Schema`] if it is of
    /// a later format.
    pub fn read(packed: impl Read) -> Result<Capture, CaptureError> {
        let mut archive = tar::Archive::new(GzDecoder::new(packed).take(MOST_PARTS));
        let foreign = |reason: String| CaptureError::NotACapture(reason);
        let mut entries = archive.entries().map_err(|err| foreign(err.to_string()))?;
        let manifest = match entries.next() {
            Some(Ok(mut entry)) => read_manifest(&mut entry)?,
            Some(Err(err)) => return Err(foreign(format!("it cannot be unpacked: {err}"))),
            None => return Err(foreign("the archive is empty".to_owned())),
        };
        let mut capture = Capture { manifest, parts: Vec::new(), gaps: Vec::new() };
        capture.read_parts(entries);
        Ok(capture)
    }

    fn read_parts<R: Read>(&mut self, mut entries: tar::Entries<'_, R>) {
        let listed = self.manifest.parts.clone();
        for (index, entry) in listed.iter().enumerate() {
            match read_part(entry, &mut entries) {
                Ok(Checked::Whole(bytes)) => self.parts.push(Part { entry: entry.clone(), bytes }),
                Ok(Checked::Damaged) => self.lose(entry, "its bytes are damaged"),
                Err(reason) => {
                    let reason = format!("the file is cut off or damaged: {reason}");
                    listed.iter().skip(index).for_each(|lost| self.lose(lost, &reason));
                    return;
                }
            }
        }
    }

    fn lose(&mut self, entry: &PartEntry, why: &str) {
        let PartEntry { name, bytes, taken_at, .. } = entry;
        let reason = format!("{name} ({bytes} bytes, taken {taken_at}) is lost: {why}; capture again");
        self.gaps.push(Gap::new("capture", reason));
    }
}

enum Checked {
    Whole(Vec<u8>),
    Damaged,
}

/// The bytes of the part that must come next; an error ends the archive.
fn read_part<R: Read>(entry: &PartEntry, entries: &mut tar::Entries<'_, R>) -> Result<Checked, String> {
    let mut file = match entries.next() {
        Some(Ok(file)) => file,
        Some(Err(err)) => return Err(err.to_string()),
        None => return Err("the archive ends".to_owned()),
    };
    if file.path_bytes().as_ref() != entry.file.as_bytes() {
        return Err(format!("{} is not where the manifest says", entry.file));
    }
    let mut bytes = Vec::new();
    (&mut file).take(entry.bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(|err| err.to_string())?;
    if (bytes.len() as u64) < entry.bytes {
        return Err("the archive ends".to_owned());
    }
    let mut crc = Crc::new();
    crc.update(&bytes);
    let whole = bytes.len() as u64 == entry.bytes && crc.sum() == entry.crc32;
    Ok(if whole { Checked::Whole(bytes) } else { Checked::Damaged })
}

fn read_manifest<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Manifest, CaptureError> {
    let foreign = |reason: String| CaptureError::NotACapture(reason);
    if entry.path_bytes().as_ref() != MANIFEST.as_bytes() {
        return Err(foreign("it does not begin with a manifest".to_owned()));
    }
    let mut json = Vec::new();
    entry
        .take(MOST_MANIFEST)
        .read_to_end(&mut json)
        .map_err(|err| foreign(format!("its manifest: {err}")))?;
    check_schema(&json)?;
    serde_json::from_slice(&json).map_err(|err| foreign(format!("its manifest: {err}")))
}

/// The schema comes before the rest: a later format may have other fields.
fn check_schema(json: &[u8]) -> Result<(), CaptureError> {
    #[derive(serde::Deserialize)]
    struct Head {
        schema: String,
    }
    let head: Head = serde_json::from_slice(json)
        .map_err(|err| CaptureError::NotACapture(format!("its manifest: {err}")))?;
    match head.schema.as_str() {
        SCHEMA => Ok(()),
        found => Err(CaptureError::Schema { found: found.to_owned(), known: SCHEMA }),
    }
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, path, bytes)
}
