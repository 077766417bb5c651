//! The memory of a process, held whole, that can be damaged and made whole again.

use std::ops::Range;

use leakscope_goruntime::Runtime;
use leakscope_heap::{Heap, read};
use leakscope_model::Addr;
use leakscope_target::{
    LiveProcess, MappedFile, Mapping, Mode, ReadError, Snapshot, SnapshotOptions, TargetMemory,
    ThreadRegisters,
};

/// A process as it was at one moment.
pub(crate) struct Image {
    executable: MappedFile,
    segments: Vec<Segment>,
    mappings: Vec<Mapping>,
    pub(crate) threads: Vec<ThreadRegisters>,
    undo: Vec<(u64, Vec<u8>)>,
    holes: Vec<Range<u64>>,
}

/// A range of memory.
struct Segment {
    start: u64,
    bytes: Vec<u8>,
    writable: bool,
}

impl Image {
    /// All that can be read of a process, while it stands still.
    pub(crate) fn of(pid: u32) -> Image {
        let process = LiveProcess::open(pid).unwrap();
        let options = SnapshotOptions { mode: Mode::Stop, max_pause: std::time::Duration::from_secs(60) };
        let snapshot = Snapshot::take(&process, None, options).unwrap();
        let segment = |mapping: &Mapping| {
            let mut bytes = vec![0; usize::try_from(mapping.len()).unwrap()];
            let readable = mapping.read && snapshot.read_exact(mapping.start, &mut bytes).is_ok();
            readable.then(|| Segment { start: mapping.start.get(), bytes, writable: mapping.write })
        };
        Image {
            executable: process.executable().unwrap(),
            segments: snapshot.mappings().iter().filter_map(segment).collect(),
            mappings: snapshot.mappings().to_vec(),
            threads: snapshot.threads().to_vec(),
            undo: Vec::new(),
            holes: Vec::new(),
        }
    }

    /// What the program is, if that can be told.
    pub(crate) fn runtime(&self) -> Result<Runtime<'_>, String> {
        Runtime::identify(&self.executable, self, &self.mappings).map_err(|error| error.to_string())
    }

    /// Its heap, if it can be read.
    pub(crate) fn heap(&self) -> Result<Heap, String> {
        let runtime = self.runtime()?;
        let heap = read::read(self, &self.mappings, &self.threads, &runtime, None);
        heap.map_err(|error| error.to_string())
    }

    /// The address of byte `index` of all that the program can write to, counted round and round.
    pub(crate) fn writable(&self, index: u64) -> u64 {
        let segments =
            || self.segments.iter().filter(|segment| segment.writable && !segment.bytes.is_empty());
        let all: u64 = segments().map(|segment| segment.bytes.len() as u64).sum();
        let mut index = index % all;
        for segment in segments() {
            if let Some(rest) = index.checked_sub(segment.bytes.len() as u64) {
                index = rest;
            } else {
                return segment.start + index;
            }
        }
        unreachable!("an index below the sum lies in a segment")
    }

    /// The word at `addr`; 0 where there is none.
    pub(crate) fn word(&self, addr: u64) -> u64 {
        let mut word = [0; 8];
        let _ = self.read_exact(Addr::new(addr), &mut word);
        u64::from_le_bytes(word)
    }

    /// Puts bytes where there are some.
    pub(crate) fn put(&mut self, addr: u64, new: &[u8]) {
        let Some((segment, at)) = self.place(addr, new.len()) else { return };
        let old = self.segments[segment].bytes[at..at + new.len()].to_vec();
        self.segments[segment].bytes[at..at + new.len()].copy_from_slice(new);
        self.undo.push((addr, old));
    }

    /// Takes a range out.
    pub(crate) fn unmap(&mut self, range: Range<u64>) {
        self.holes.push(range);
    }

    /// As it was at first.
    pub(crate) fn heal(&mut self) {
        self.holes.clear();
        while let Some((addr, old)) = self.undo.pop() {
            let (segment, at) = self.place(addr, old.len()).unwrap();
            self.segments[segment].bytes[at..at + old.len()].copy_from_slice(&old);
        }
    }

    fn place(&self, addr: u64, len: usize) -> Option<(usize, usize)> {
        let index = self.segments.partition_point(|segment| segment.start <= addr).checked_sub(1)?;
        let at = usize::try_from(addr - self.segments[index].start).ok()?;
        (at.checked_add(len)? <= self.segments[index].bytes.len()).then_some((index, at))
    }
}

impl TargetMemory for Image {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let whole = ReadError::unmapped(addr, buf.len());
        let (mut at, mut rest) = (addr.get(), buf);
        while !rest.is_empty() {
            let (segment, offset) = self.place(at, 1).ok_or(whole)?;
            let len = rest.len().min(self.segments[segment].bytes.len() - offset);
            let bytes = self.borrow(Addr::new(at), len).ok_or(whole)?;
            let (now, later) = rest.split_at_mut(len);
            now.copy_from_slice(bytes);
            (at, rest) = (at + len as u64, later);
        }
        Ok(())
    }

    fn borrow(&self, addr: Addr, len: usize) -> Option<&[u8]> {
        let (segment, at) = self.place(addr.get(), len)?;
        let end = addr.get() + len as u64;
        let whole = self.holes.iter().all(|hole| hole.end <= addr.get() || end <= hole.start);
        whole.then(|| &self.segments[segment].bytes[at..at + len])
    }
}
