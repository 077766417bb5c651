//! Which bytes of which file answer for which address.

use leakscope_model::Addr;

use super::headers::{PF_R, PF_W, PT_LOAD, ProgramHeader};

/// The smallest page of the processors that we read, in bytes.
pub(super) const PAGE: u64 = 0x1000;

/// A range of the target's memory and the part of a file that holds its begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) start: u64,
    /// First address behind it.
    pub(super) end: u64,
    /// Where its bytes lie in the file.
    pub(super) offset: u64,
    /// How many bytes the file really has for it; the rest is missing.
    pub(super) held: u64,
    /// How many bytes the header says the file has.
    pub(super) claimed: u64,
    pub(super) flags: u32,
}

impl Segment {
    pub(super) fn is_readable(&self) -> bool {
        self.flags & PF_R != 0
    }

    pub(super) fn is_writable(&self) -> bool {
        self.flags & PF_W != 0
    }
}

/// Segments in address order, none overlapping another.
#[derive(Debug, Clone, Default)]
pub(super) struct SegmentTable {
    rows: Vec<Segment>,
}

impl SegmentTable {
    /// The `PT_LOAD` segments of a file of `file_len` bytes, moved by `bias`.
    pub(super) fn of_programs(programs: &[ProgramHeader], file_len: u64, bias: u64) -> SegmentTable {
        let rows = programs.iter().filter(|program| program.kind == PT_LOAD && program.memsz != 0);
        SegmentTable::sorted(rows.map(|program| segment(program, file_len, bias)).collect())
    }

    /// Sorts `rows`; where two overlap, the one that starts later answers.
    pub(super) fn sorted(mut rows: Vec<Segment>) -> SegmentTable {
        rows.sort_by_key(|row| (row.start, row.end));
        let starts: Vec<u64> = rows.iter().skip(1).map(|row| row.start).collect();
        for (row, next) in rows.iter_mut().zip(starts) {
            row.end = row.end.min(next);
            row.held = row.held.min(row.end - row.start);
            row.claimed = row.claimed.min(row.end - row.start);
        }
        rows.retain(|row| row.start < row.end);
        SegmentTable { rows }
    }

    /// Lets each segment that the file fills reach to the end of its last page: the loader maps whole pages, and
    /// what follows a segment in the file shows there. Test: real cores, whose mappings end on a page.
    pub(super) fn with_whole_pages(mut self, file_len: u64) -> SegmentTable {
        for row in self.rows.iter_mut().filter(|row| row.held == row.end - row.start) {
            let end = row.end.checked_next_multiple_of(PAGE).unwrap_or(row.end);
            row.held = (end - row.start).min(file_len.saturating_sub(row.offset));
            row.claimed = row.held;
            row.end = row.start + row.held;
        }
        SegmentTable::sorted(self.rows)
    }

    pub(super) fn rows(&self) -> &[Segment] {
        &self.rows
    }

    /// The segment that `addr` lies in.
    pub(super) fn find(&self, addr: Addr) -> Option<&Segment> {
        let behind = self.rows.partition_point(|row| row.start <= addr.get());
        let row = self.rows.get(behind.checked_sub(1)?)?;
        (addr.get() < row.end).then_some(row)
    }

    /// The bytes from `addr` to the end of what `file` holds of its segment; never empty.
    pub(super) fn bytes_from<'b>(&self, addr: Addr, file: &'b [u8]) -> Option<&'b [u8]> {
        let row = self.find(addr)?;
        let skip = addr.get() - row.start;
        let start = usize::try_from(row.offset.checked_add(skip)?).ok()?;
        let len = usize::try_from(row.held.checked_sub(skip)?).ok()?;
        let bytes = file.get(start..start.checked_add(len)?)?;
        (!bytes.is_empty()).then_some(bytes)
    }
}

fn segment(program: &ProgramHeader, file_len: u64, bias: u64) -> Segment {
    let start = program.vaddr.wrapping_add(bias);
    let memsz = program.memsz.min(u64::MAX - start);
    let claimed = program.filesz.min(memsz);
    let held = claimed.min(file_len.saturating_sub(program.offset));
    Segment { start, end: start + memsz, offset: program.offset, held, claimed, flags: program.flags }
}
