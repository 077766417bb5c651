//! The frame of a graph file: a header, then sections of tag, length, checksum and bytes.

use std::io;

use super::bytes::{Damage, Reader};

/// The first bytes of the file; the last of them is the version.
const MAGIC: [u8; 8] = *b"lsgraph\x01";
const SECTION_HEADER: usize = 16;

/// What a section holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Objects = 1,
    Edges = 2,
    Shapes = 3,
    ShapeOf = 4,
    Names = 5,
    Roots = 6,
    Goroutines = 7,
    Samples = 8,
    MemStats = 9,
    Gaps = 10,
    Strings = 11,
    Waits = 12,
}

impl Tag {
    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Tag::Objects => "objects",
            Tag::Edges => "pointers",
            Tag::Shapes => "types",
            Tag::ShapeOf => "types of objects",
            Tag::Names => "names of variables",
            Tag::Roots => "roots",
            Tag::Goroutines => "goroutines",
            Tag::Samples => "allocation samples",
            Tag::MemStats => "figures of the runtime",
            Tag::Gaps => "gaps",
            Tag::Strings => "strings",
            Tag::Waits => "what goroutines wait for",
        }
    }
}

pub(super) fn write_header(out: &mut dyn io::Write) -> io::Result<()> {
    out.write_all(&MAGIC)
}

pub(super) fn write_section(out: &mut dyn io::Write, tag: Tag, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&(tag as u32).to_le_bytes())?;
    out.write_all(&(bytes.len() as u64).to_le_bytes())?;
    out.write_all(&checksum(bytes).to_le_bytes())?;
    out.write_all(bytes)
}

/// Where each section of a file lies.
pub(super) struct Sections<'b> {
    /// Tag, checksum, offset in the file, bytes.
    found: Vec<(u32, u32, u64, &'b [u8])>,
    end: u64,
}

impl<'b> Sections<'b> {
    /// Finds the sections; a file that ends in the middle of one has those before it.
    pub(super) fn find(file: &'b [u8]) -> Result<Sections<'b>, Damage> {
        let Some(mut rest) = file.strip_prefix(&MAGIC) else {
            let version = MAGIC.len() - 1;
            let other = file.get(..version) == MAGIC.get(..version);
            let what =
                if other { "a version that this build does not read" } else { "not a graph of leakscope" };
            return Err(Damage { offset: 0, what });
        };
        let mut found = Vec::new();
        while let Some((header, behind)) = rest.split_at_checked(SECTION_HEADER) {
            let offset = (file.len() - behind.len()) as u64;
            let Some((tag, len, sum)) = section_header(header) else { break };
            let Some((bytes, behind)) =
                usize::try_from(len).ok().and_then(|len| behind.split_at_checked(len))
            else {
                break;
            };
            found.push((tag, sum, offset, bytes));
            rest = behind;
        }
        Ok(Sections { found, end: file.len() as u64 })
    }

    /// Whether the file has such a section: those of earlier builds lack some.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.found.iter().any(|(found, ..)| *found == tag as u32)
    }

    /// A section's bytes, if they are there and as they were written.
    pub(super) fn open(&self, tag: Tag) -> Result<Reader<'b>, Damage> {
        match self.found.iter().find(|(found, ..)| *found == tag as u32) {
            None => Err(Damage { offset: self.end, what: "the section is missing" }),
            Some(&(_, sum, offset, bytes)) if sum == checksum(bytes) => Ok(Reader::new(bytes, offset)),
            Some(&(_, _, offset, _)) => Err(Damage { offset, what: "the checksum does not fit" }),
        }
    }
}

fn section_header(header: &[u8]) -> Option<(u32, u64, u32)> {
    let tag = u32::from_le_bytes(header.get(..4)?.try_into().ok()?);
    let len = u64::from_le_bytes(header.get(4..12)?.try_into().ok()?);
    let sum = u32::from_le_bytes(header.get(12..16)?.try_into().ok()?);
    Some((tag, len, sum))
}

/// CRC-32 as in zip and PNG (polynomial 0xedb88320, reflected).
fn checksum(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| match TABLE.get(usize::from(sum as u8 ^ byte)) {
        Some(entry) => entry ^ sum >> 8,
        None => sum,
    };
    !bytes.iter().fold(u32::MAX, step)
}

const TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing, reason = "evaluated at compile time")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut sum, mut bit) = (byte as u32, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_common_one() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn other_files_and_other_versions_are_told_apart() {
        let what = |bytes: &[u8]| Sections::find(bytes).err().map(|damage| damage.what);
        assert_eq!(what(b"\x7fELF...."), Some("not a graph of leakscope"));
        assert_eq!(what(b"lsgraph\x02"), Some("a version that this build does not read"));
        assert_eq!(what(b"lsgraph\x01"), None);
    }
}
