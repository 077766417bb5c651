//! Goroutines, allocation stacks, figures and gaps of a graph file.

use leakscope_model::{Frame, Gap, Goroutine};

use super::bytes::{Damage, Reader, Strings, Writer};
use crate::graph::{Heap, MemStats, ObjectId};

pub(super) fn write(goroutines: &[Goroutine], strings: &mut Strings, to: &mut Writer) {
    to.len(goroutines.len());
    for goroutine in goroutines {
        let Goroutine { id, status, wait, wait_seconds, stack, created_by, start, system, stack_bytes } =
            goroutine;
        to.number(*id);
        strings.put(status, to);
        to.byte(u8::from(wait.is_some()));
        strings.put(wait.as_deref().unwrap_or_default(), to);
        to.byte(u8::from(wait_seconds.is_some()));
        to.word(wait_seconds.unwrap_or_default().to_bits());
        write_stack(stack, strings, to);
        for frame in [created_by, start] {
            write_stack(frame.as_slice(), strings, to);
        }
        to.byte(u8::from(*system));
        to.number(*stack_bytes);
    }
}

pub(super) fn read(mut from: Reader<'_>, strings: &Strings) -> Result<Vec<Goroutine>, Damage> {
    (0..from.count()?).map(|_| goroutine(&mut from, strings)).collect()
}

fn goroutine(from: &mut Reader<'_>, strings: &Strings) -> Result<Goroutine, Damage> {
    let (id, status) = (from.number()?, strings.get(from)?.to_string());
    let (waits, wait) = (from.byte()? != 0, strings.get(from)?.to_string());
    let (timed, seconds) = (from.byte()? != 0, f64::from_bits(from.word()?));
    Ok(Goroutine {
        id,
        status,
        wait: waits.then_some(wait),
        wait_seconds: timed.then_some(seconds),
        stack: read_stack(from, strings)?,
        created_by: read_stack(from, strings)?.into_iter().next(),
        start: read_stack(from, strings)?.into_iter().next(),
        system: from.byte()? != 0,
        stack_bytes: from.number()?,
    })
}

fn write_stack(stack: &[Frame], strings: &mut Strings, to: &mut Writer) {
    to.len(stack.len());
    for Frame { function, file, line, inlined } in stack {
        strings.put(function, to);
        strings.put(file, to);
        to.number(u64::from(*line) << 1 | u64::from(*inlined));
    }
}

fn read_stack(from: &mut Reader<'_>, strings: &Strings) -> Result<Vec<Frame>, Damage> {
    let mut stack = Vec::new();
    for _ in 0..from.count()? {
        let (function, file) = (strings.get(from)?, strings.get(from)?);
        let line = from.below(1 << 33, "a line of more than 32 bits")?;
        stack.push(Frame { function, file, line: line >> 1, inlined: line & 1 == 1 });
    }
    Ok(stack)
}

pub(super) fn write_samples(heap: &Heap, strings: &mut Strings, to: &mut Writer) {
    to.len(heap.stacks.len());
    for stack in &heap.stacks {
        write_stack(stack, strings, to);
    }
    to.len(heap.samples.len());
    let mut before = 0;
    for &(object, stack) in &heap.samples {
        to.step(before, u64::from(object.0));
        to.number(u64::from(stack));
        before = u64::from(object.0);
    }
}

/// Allocation stacks, and the sampled objects with the index of theirs.
pub(super) type Samples = (Vec<Vec<Frame>>, Vec<(ObjectId, u32)>);

pub(super) fn read_samples(mut from: Reader<'_>, strings: &Strings, objects: u32) -> Result<Samples, Damage> {
    let stacks: Result<Vec<Vec<Frame>>, Damage> =
        (0..from.count()?).map(|_| read_stack(&mut from, strings)).collect();
    let stacks = stacks?;
    let (mut samples, mut before) = (Vec::new(), 0);
    for _ in 0..from.count()? {
        before = from.step(before)?;
        let stack = from.below(stacks.len() as u64, "an allocation stack that is not there")?;
        match u32::try_from(before) {
            Ok(object) if object < objects => samples.push((ObjectId(object), stack)),
            _ => return Err(from.damage("a sample of an object that is not there")),
        }
    }
    Ok((stacks, samples))
}

pub(super) fn write_memstats(stats: &MemStats, to: &mut Writer) {
    let MemStats {
        heap_in_use,
        heap_idle,
        heap_released,
        stacks_in_use,
        gc_metadata,
        heap_marked,
        heap_goal,
        memory_limit,
        collections,
        gc_phase,
    } = *stats;
    let sizes = [heap_in_use, heap_idle, heap_released, stacks_in_use, gc_metadata];
    let pacing = [heap_marked, heap_goal, memory_limit, collections, gc_phase];
    for number in sizes.into_iter().chain(pacing) {
        to.number(number);
    }
}

pub(super) fn read_memstats(mut from: Reader<'_>) -> Result<MemStats, Damage> {
    Ok(MemStats {
        heap_in_use: from.number()?,
        heap_idle: from.number()?,
        heap_released: from.number()?,
        stacks_in_use: from.number()?,
        gc_metadata: from.number()?,
        heap_marked: from.number()?,
        heap_goal: from.number()?,
        memory_limit: from.number()?,
        collections: from.number()?,
        gc_phase: from.number()?,
    })
}

pub(super) fn write_gaps(gaps: &[Gap], strings: &mut Strings, to: &mut Writer) {
    to.len(gaps.len());
    for Gap { part, reason } in gaps {
        strings.put(part, to);
        strings.put(reason, to);
    }
}

pub(super) fn read_gaps(mut from: Reader<'_>, strings: &Strings) -> Result<Vec<Gap>, Damage> {
    let mut gaps = Vec::new();
    for _ in 0..from.count()? {
        gaps.push(Gap::new(&*strings.get(&mut from)?, &*strings.get(&mut from)?));
    }
    Ok(gaps)
}
