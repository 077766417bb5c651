//! Reads many small records that lie scattered over the target's memory with few calls: neighbours are read
//! together, and a batch of such runs costs one call of [`TargetMemory::read_many`].

use leakscope_model::Addr;
use leakscope_target::{ReadError, TargetMemory};

/// A gap between two records that is cheaper to read than to skip, in bytes.
const GAP: u64 = 2048;
/// The longest run read as one range, in bytes.
const RUN: u64 = 256 << 10;
/// Bytes of the one buffer: what a batch may hold.
const BATCH: u64 = 256 << 10;
/// Ranges in a batch: what one system call takes (`IOV_MAX`).
const RANGES: usize = 1024;

/// One record to read: where it lies and how long it is.
pub(crate) type Want = (Addr, u64);

/// Reads every record of `wants`, which must be sorted by address, and hands each to `visit` with its index, in
/// order.
///
/// Where a run of neighbours cannot be read as a whole, its records are tried one by one, so that a hole costs
/// only the records in it. A record longer than a run is read all the same, in a buffer of its own size: bound
/// lengths before.
pub(crate) fn gather(
    memory: &dyn TargetMemory,
    wants: &[Want],
    mut visit: impl FnMut(usize, Result<&[u8], ReadError>),
) {
    let mut buffer = Vec::new();
    let mut rest = runs(wants).peekable();
    while rest.peek().is_some() {
        let batch = take_batch(&mut rest);
        read_batch(memory, wants, &batch, &mut buffer, &mut visit);
    }
}

/// Records `first..end` of the wants, which lie in `at..at + len`.
#[derive(Debug, Clone, Copy)]
struct Run {
    first: usize,
    end: usize,
    at: Addr,
    len: u64,
}

fn runs(wants: &[Want]) -> impl Iterator<Item = Run> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let &(at, len) = wants.get(next)?;
        let mut run = Run { first: next, end: next + 1, at, len };
        while let Some(longer) = wants.get(run.end).and_then(|&want| extended(run, want)) {
            run = longer;
        }
        next = run.end;
        Some(run)
    })
}

fn extended(run: Run, (at, len): Want) -> Option<Run> {
    let start = at.offset_from(run.at)?;
    let end = start.checked_add(len)?.max(run.len);
    let near = start <= run.len.saturating_add(GAP) && end <= RUN;
    near.then_some(Run { end: run.end + 1, len: end, ..run })
}

fn take_batch(rest: &mut std::iter::Peekable<impl Iterator<Item = Run>>) -> Vec<Run> {
    let mut batch: Vec<Run> = Vec::new();
    let mut bytes = 0u64;
    while let Some(run) = rest.next_if(|run| batch.is_empty() || bytes.saturating_add(run.len) <= BATCH) {
        bytes = bytes.saturating_add(run.len);
        batch.push(run);
        if batch.len() == RANGES {
            break;
        }
    }
    batch
}

fn read_batch(
    memory: &dyn TargetMemory,
    wants: &[Want],
    batch: &[Run],
    buffer: &mut Vec<u8>,
    visit: &mut impl FnMut(usize, Result<&[u8], ReadError>),
) {
    if let Some(borrowed) =
        batch.iter().map(|run| memory.borrow(run.at, length(run.len))).collect::<Option<Vec<_>>>()
    {
        for (run, bytes) in batch.iter().zip(borrowed) {
            visit_run(memory, wants, run, Some(bytes), visit);
        }
        return;
    }
    let total: u64 = batch.iter().map(|run| run.len).sum();
    buffer.resize(length(total), 0);
    let mut ranges: Vec<(Addr, &mut [u8])> = Vec::with_capacity(batch.len());
    let mut free = buffer.as_mut_slice();
    for run in batch {
        let (mine, others) = std::mem::take(&mut free).split_at_mut(length(run.len));
        ranges.push((run.at, mine));
        free = others;
    }
    let results = memory.read_many(&mut ranges);
    for ((run, result), (_, bytes)) in batch.iter().zip(results).zip(ranges) {
        visit_run(memory, wants, run, result.ok().map(|()| &*bytes), visit);
    }
}

fn visit_run(
    memory: &dyn TargetMemory,
    wants: &[Want],
    run: &Run,
    bytes: Option<&[u8]>,
    visit: &mut impl FnMut(usize, Result<&[u8], ReadError>),
) {
    for (index, &(at, len)) in wants.iter().enumerate().take(run.end).skip(run.first) {
        let start = length(at.offset_from(run.at).unwrap_or(0));
        match bytes.and_then(|bytes| bytes.get(start..start + length(len))) {
            Some(record) => visit(index, Ok(record)),
            None => visit_alone(memory, index, (at, len), visit),
        }
    }
}

fn visit_alone(
    memory: &dyn TargetMemory,
    index: usize,
    (at, len): Want,
    visit: &mut impl FnMut(usize, Result<&[u8], ReadError>),
) {
    let mut alone = vec![0; length(len)];
    let result = memory.read_exact(at, &mut alone);
    visit(index, result.map(|()| alone.as_slice()));
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_target::Image;
    use proptest::prelude::*;

    fn collect(image: &Image, wants: &[Want]) -> Vec<(usize, Option<Vec<u8>>)> {
        let mut seen = Vec::new();
        gather(image, wants, |index, bytes| seen.push((index, bytes.ok().map(<[u8]>::to_vec))));
        seen
    }

    #[test]
    fn a_hole_costs_only_the_records_in_it() {
        let image = Image::new(Addr::new(0x1000), (0..64).collect());
        let wants = [(Addr::new(0x1002), 2), (Addr::new(0x1038), 8), (Addr::new(0x103c), 8)];
        let seen = collect(&image, &wants);
        assert_eq!(seen[0], (0, Some(vec![2, 3])));
        assert_eq!(seen[1], (1, Some((56..64).collect())));
        assert_eq!(seen[2], (2, None));
    }

    /// Memory that lends nothing, so that the batches are read.
    struct Copied(Image);

    impl TargetMemory for Copied {
        fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
            self.0.read_exact(addr, buf)
        }
    }

    proptest! {
        #[test]
        fn every_record_is_visited_once_in_order(mut places in prop::collection::vec((0u64..200_000, 0u64..9000), 0..40)) {
            places.sort_unstable();
            let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
            let image = Copied(Image::new(Addr::new(0), bytes.clone()));
            let wants: Vec<Want> = places.iter().map(|&(at, len)| (Addr::new(at), len)).collect();
            let mut expected = 0;
            gather(&image, &wants, |index, got| {
                assert_eq!(index, expected);
                expected += 1;
                let (at, len) = places[index];
                assert_eq!(got.ok(), bytes.get(at as usize..(at + len) as usize));
            });
            prop_assert_eq!(expected, wants.len());
        }
    }
}
