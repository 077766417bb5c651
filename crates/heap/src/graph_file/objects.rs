//! The spans of a graph file.

use leakscope_model::Addr;

use super::MOST_SPAN_BYTES;
use super::bytes::{Damage, Reader, Writer};
use crate::error::HeapError;
use crate::graph::{ObjectId, Objects, SpanRow};

pub(super) fn write(objects: &Objects, to: &mut Writer) {
    to.len(objects.spans().len());
    let mut before = 0;
    for span in objects.spans() {
        to.step(before, span.base.get());
        before = span.base.get();
        to.number(span.slot_size);
        to.number(span.header);
        to.number(u64::from(span.slots));
        to.byte(u8::from(span.noscan));
        for &word in &span.allocated {
            to.word(word);
        }
    }
}

pub(super) fn read(mut from: Reader<'_>) -> Result<Objects, HeapError> {
    let (mut spans, mut before, mut covered) = (Vec::new(), 0, 0u64);
    for _ in 0..from.count()? {
        let span = span(&mut from, before)?;
        before = span.base.get();
        covered = covered.saturating_add(span.slot_size.saturating_mul(u64::from(span.slots)));
        if covered > MOST_SPAN_BYTES {
            return Err(from.damage("spans of more than 1 TiB").into());
        }
        spans.push(span);
    }
    let (objects, refused) = Objects::new(spans)?;
    match refused.as_slice() {
        [] => Ok(objects),
        [..] => Err(from.damage("spans that overlap or contradict themselves").into()),
    }
}

fn span(from: &mut Reader<'_>, before: u64) -> Result<SpanRow, Damage> {
    let base = Addr::new(from.step(before)?);
    let (slot_size, header, slots) = (from.number()?, from.number()?, from.number32()?);
    let noscan = from.byte()? != 0;
    let words = slots.div_ceil(64) as usize;
    let mut bits = from.clone();
    let allocated = Reader::take(&mut bits, words.saturating_mul(8))?;
    let allocated =
        allocated.chunks_exact(8).filter_map(|word| Some(u64::from_le_bytes(word.try_into().ok()?)));
    let allocated = allocated.collect();
    *from = bits;
    Ok(SpanRow { base, slot_size, header, slots, noscan, allocated, first: ObjectId(0) })
}
