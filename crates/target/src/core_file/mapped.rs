//! The mappings of a core: `PT_LOAD` joined with `NT_FILE` and with the executable.

use leakscope_model::Addr;

use super::CoreFile;
use super::headers::PF_X;
use super::segments::{PAGE, Segment};
use crate::mappings::Mapping;

impl CoreFile {
    /// The mappings as `/proc/PID/maps` would have shown them, as far as the core tells.
    pub(super) fn join_mappings(&self) -> Vec<Mapping> {
        let mut mappings: Vec<Mapping> =
            self.segments.rows().iter().map(|row| self.mapping_of(row)).collect();
        mappings.extend(self.files_without_segment());
        mappings.extend(self.executable_without_segment());
        mappings.sort_by_key(|mapping| (mapping.start, mapping.end));
        mappings
    }

    fn mapping_of(&self, row: &Segment) -> Mapping {
        let start = Addr::new(row.start);
        let named = self.name_at(start);
        let vdso = || (self.notes.vdso == Some(start)).then(|| ("[vdso]".to_owned(), 0));
        let (path, offset) = named.or_else(vdso).unwrap_or_default();
        Mapping { path, offset, ..bare_mapping(row) }
    }

    /// The file, and the offset in it, that lies at `at`.
    fn name_at(&self, at: Addr) -> Option<(String, u64)> {
        let row = self.notes.files.iter().find(|row| row.start <= at && at < row.end);
        let by_note = row.and_then(|row| Some((row.path.clone(), row.offset + at.offset_from(row.start)?)));
        by_note.or_else(|| self.name_by_executable(at))
    }

    fn name_by_executable(&self, at: Addr) -> Option<(String, u64)> {
        self.overlays.iter().find_map(|file| {
            // The last page of a segment may show a little of the file behind it; what follows is bss, no file.
            let segment = file.all.rows().iter().find(|row| {
                let file_end = (row.start + row.claimed).checked_next_multiple_of(PAGE);
                row.start & !(PAGE - 1) <= at.get() && file_end.is_some_and(|end| at.get() < end)
            })?;
            let offset = segment.offset.wrapping_add(at.get().wrapping_sub(segment.start));
            Some((file.path.to_string_lossy().into_owned(), offset))
        })
    }

    fn files_without_segment(&self) -> impl Iterator<Item = Mapping> {
        // gcore leaves out what nobody could write to: such a range is readable, and more is known only where a file
        // stands in.
        self.notes.files.iter().filter(|row| self.segments.find(row.start).is_none()).map(|row| Mapping {
            start: row.start,
            end: row.end,
            read: true,
            write: false,
            execute: self.executes(row.start),
            shared: false,
            offset: row.offset,
            path: row.path.clone(),
        })
    }

    /// Whether `at` lies in code of a file that stands in.
    fn executes(&self, at: Addr) -> bool {
        let mut rows = self.overlays.iter().flat_map(|file| file.unwritten.rows());
        rows.any(|row| row.flags & PF_X != 0 && row.start <= at.get() && at.get() < row.end)
    }

    fn executable_without_segment(&self) -> impl Iterator<Item = Mapping> {
        let rows =
            self.overlays.iter().flat_map(|file| file.unwritten.rows().iter().map(move |row| (file, row)));
        let absent = rows.filter(|(_, row)| {
            let start = Addr::new(row.start);
            let noted = self.notes.files.iter().any(|file| file.start <= start && start < file.end);
            self.segments.find(start).is_none() && !noted
        });
        absent.map(|(file, row)| Mapping {
            path: file.path.to_string_lossy().into_owned(),
            offset: row.offset,
            ..bare_mapping(row)
        })
    }
}

fn bare_mapping(row: &Segment) -> Mapping {
    Mapping {
        start: Addr::new(row.start),
        end: Addr::new(row.end),
        read: row.is_readable(),
        write: row.is_writable(),
        execute: row.flags & PF_X != 0,
        shared: false,
        offset: 0,
        path: String::new(),
    }
}
