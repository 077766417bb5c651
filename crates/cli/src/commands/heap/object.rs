//! `leakscope heap object`.

use anyhow::{Result, bail};
use leakscope_heap::referrers::referrers;
use leakscope_heap::size_classes::size_class;
use leakscope_heap::{Heap, ObjectId, SpanRow, TypeSource, Values};
use leakscope_model::{Addr, Gap, Value};
use leakscope_report::tables::{Age, ObjectFacts, SpanFacts, object};

use super::ask;
use super::object_rows::{how_word, type_name};
use super::referrers::{in_order, referrer_row};
use crate::args::ObjectArgs;
use crate::opening::{Earlier, Inspection};
use crate::{NOTHING, output};

/// What is shown of a stack of an allocation.
const FRAMES: usize = 64;

/// Prints all that is known of one object.
pub(super) fn run(args: &ObjectArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| facts(inspection, args))?;
    let mut beside = answered.beside();
    let facts = &answered.answer;
    match &facts.contents {
        None => beside.gaps.push(Gap::new(
            "contents",
            "a capture holds the shape of the heap and no contents: ask the process or a core".to_owned(),
        )),
        Some(contents) => {
            beside.gaps.extend(
                contents.unreadable().into_iter().map(|(place, at, why)| {
                    Gap::new("contents", format!("{}{place} at {at}: {why}", facts.ty))
                }),
            );
        }
    }
    let output = &args.about.output;
    output::write(output, &object(facts, &beside, output.format(), output::look(output)))?;
    Ok(NOTHING)
}

fn facts(inspection: &Inspection<'_, '_>, args: &ObjectArgs) -> Result<ObjectFacts> {
    let heap = inspection.heap;
    let (id, offset) = found(inspection, args.addr)?;
    let mut held_by = referrers(heap, &[id]);
    let referrer_count = held_by.len() as u64;
    in_order(heap, &mut held_by);
    let (contents, field) = contents(inspection, args, id, offset);
    Ok(ObjectFacts {
        asked: args.addr,
        addr: heap.objects.addr(id),
        field: field.or_else(|| named_word(heap, id, offset)),
        ty: type_name(heap, id).to_owned(),
        how: heap.how_of.get(id.0 as usize).map_or("none", |how| how_word(*how)),
        size: heap.objects.size(id),
        span: span(heap, id),
        reachable: heap.is_reachable(id),
        retained_bytes: heap.retained_of(id),
        age: inspection.earlier().and_then(|earlier| age(heap, earlier, id)),
        allocated_at: heap.allocation_stack(id).map(|stack| stack.iter().take(FRAMES).cloned().collect()),
        contents,
        referrers: held_by.iter().take(args.referrers).map(|found| referrer_row(heap, found)).collect(),
        referrer_count,
        path: heap.path(id),
    })
}

/// The object at an address; where there is none, what is there instead.
pub(super) fn found(inspection: &Inspection<'_, '_>, addr: Addr) -> Result<(ObjectId, u64)> {
    let objects = &inspection.heap.objects;
    if let Some(found) = objects.find(addr) {
        return Ok(found);
    }
    let behind = objects.spans().partition_point(|span| span.base <= addr);
    let span = behind.checked_sub(1).and_then(|at| objects.spans().get(at));
    let in_slots = |span: &SpanRow| {
        let slots = span.slot_size.saturating_mul(u64::from(span.slots));
        addr.offset_from(span.base).is_some_and(|offset| offset < slots)
    };
    if span.is_some_and(in_slots) {
        bail!("{addr} lies in a free slot of the heap: the object that was there is gone");
    }
    let mapping = inspection
        .memory()
        .and_then(|at_hand| at_hand.mappings.iter().find(|mapping| mapping.contains(addr)));
    match mapping {
        Some(mapping) if mapping.path.is_empty() => {
            bail!(
                "{addr} lies in no allocated object of this heap, but in other memory of the process, such as a goroutine's stack"
            )
        }
        Some(mapping) => bail!("{addr} lies in no allocated object of this heap, but in {}", mapping.path),
        None => bail!("{addr} lies in no allocated object of this heap"),
    }
}

fn contents(
    inspection: &Inspection<'_, '_>,
    args: &ObjectArgs,
    id: ObjectId,
    offset: u64,
) -> (Option<Value>, Option<String>) {
    let Some(at_hand) = inspection.memory() else { return (None, None) };
    let types: &dyn TypeSource = at_hand.types;
    let mut values = Values::new(at_hand.memory, types, &at_hand.runtime.layout, args.limits());
    (values.object(inspection.heap, id), values.place_in(inspection.heap, id, offset))
}

/// The pointer at an offset, by the names that a capture keeps.
fn named_word(heap: &Heap, id: ObjectId, offset: u64) -> Option<String> {
    let index = u32::try_from(offset / 8).ok().filter(|_| offset > 0)?;
    heap.shape(id)?.word(index).map(|(name, _)| name.to_string())
}

fn span(heap: &Heap, id: ObjectId) -> SpanFacts {
    let Some(span) = heap.objects.span_of(id) else {
        let (base, elem_size) = (heap.objects.addr(id).to_string(), heap.objects.size(id));
        let (size_class, header_bytes, slots, objects, noscan) = (0, 0, 0, 0, heap.objects.noscan(id));
        return SpanFacts {
            base,
            state: "in use",
            size_class,
            elem_size,
            header_bytes,
            slots,
            objects,
            noscan,
        };
    };
    SpanFacts {
        base: span.base.to_string(),
        state: "in use",
        size_class: size_class(span.slot_size),
        elem_size: span.slot_size,
        header_bytes: span.header,
        slots: span.slots,
        objects: span.count(),
        noscan: span.noscan,
    }
}

/// Whether the first moment had the object already: the same type and size at the same address.
fn age(heap: &Heap, earlier: &Earlier<'_>, id: ObjectId) -> Option<Age> {
    let before = earlier.heap;
    let addr = heap.objects.addr(id);
    let same = before.objects.find(addr).is_some_and(|(old, offset)| {
        offset == 0
            && before.objects.size(old) == heap.objects.size(id)
            && type_name(before, old) == type_name(heap, id)
    });
    let seconds = Some(earlier.seconds_before).filter(|seconds| *seconds > 0.0)?;
    Some(match same {
        true => Age { at_least_seconds: Some(seconds), at_most_seconds: None },
        false => Age { at_least_seconds: None, at_most_seconds: Some(seconds) },
    })
}
