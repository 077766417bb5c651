//! What is mapped where: `/proc/PID/maps` and the `NT_FILE` note of a core.

use leakscope_model::Addr;

/// One mapping of the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: Addr,
    /// First address behind it.
    pub end: Addr,
    /// `PROT_READ`, as the kernel tells it.
    pub read: bool,
    /// `PROT_WRITE`.
    pub write: bool,
    /// `PROT_EXEC`.
    pub execute: bool,
    /// Whether what is written there is seen by whoever else maps it (`MAP_SHARED`).
    pub shared: bool,
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// The file's path or the kernel's name in brackets; empty for anonymous memory.
    pub path: String,
}

impl Mapping {
    /// How many bytes it spans.
    pub fn len(&self) -> u64 {
        self.end.offset_from(self.start).unwrap_or(0)
    }

    /// Whether it spans nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `addr` lies in it.
    pub fn contains(&self, addr: Addr) -> bool {
        self.start <= addr && addr < self.end
    }
}

/// Parses the text of `/proc/PID/maps`; a line that is not of its form is left out.
pub fn parse_maps(text: &str) -> Vec<Mapping> {
    text.lines().filter_map(parse_line).collect()
}

/// `start-end rwxp offset device inode   path`
fn parse_line(line: &str) -> Option<Mapping> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let protection = fields.next()?;
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let path = fields.nth(2).unwrap_or("").trim_start();
    Some(Mapping {
        start: Addr::new(u64::from_str_radix(start, 16).ok()?),
        end: Addr::new(u64::from_str_radix(end, 16).ok()?),
        read: protection.contains('r'),
        write: protection.contains('w'),
        execute: protection.contains('x'),
        shared: protection.contains('s'),
        offset,
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_of_maps_gives_every_field() {
        let text = "00400000-00481000 r-xp 00001000 fd:00 1234    /srv/my app (deleted)\n\
                    c000000000-c000400000 rw-p 00000000 00:00 0 \n\
                    7ffe1000-7ffe2000 ---p 00000000 00:00 0                          [stack]\n";
        let found = parse_maps(text);
        assert_eq!(found.len(), 3);
        assert_eq!(found[0].path, "/srv/my app (deleted)");
        assert_eq!((found[0].read, found[0].write, found[0].execute), (true, false, true));
        assert_eq!((found[0].start, found[0].len(), found[0].offset), (Addr::new(0x400000), 0x81000, 0x1000));
        assert_eq!((found[1].path.as_str(), found[1].write), ("", true));
        assert_eq!((found[2].path.as_str(), found[2].read), ("[stack]", false));
    }

    proptest! {
        #[test]
        fn no_text_panics(text: String, line in "[0-9a-f]{0,20}-[0-9a-f]{0,20} [rwxp-]{0,5} [0-9a-f]{0,20} .*") {
            let _ = parse_maps(&text);
            for mapping in parse_maps(&line) {
                let _ = (mapping.len(), mapping.contains(mapping.start));
            }
        }
    }
}
