//! A heap as a file, and back: the graph, the names and the types, and no contents of the user's data.
//!
//! The file is a header and sections, each with its length and checksum (`sections`). A damaged section costs its
//! own part of the answer, which becomes a gap; only the objects themselves cannot be done without. What follows
//! from the rest (reachability, dominators, retained sizes) is not written but found again.
//!
//! Numbers are variable-length, and differences where neighbours are alike, so that a general compressor finds
//! little left to do and a heap of 2.8 million objects takes some 20 MB.

mod bytes;
mod edges;
mod goroutines;
mod objects;
mod roots;
mod sections;
mod shapes;
mod waits;

use std::io;

use leakscope_model::Gap;

use crate::error::HeapError;
use crate::graph::Heap;
use crate::waits::Waits;

use bytes::{Damage, Reader, Strings, Writer};
use sections::{Sections, Tag, write_header, write_section};

/// Writes `heap` to `out`.
pub fn write(heap: &Heap, out: &mut dyn io::Write) -> io::Result<()> {
    let mut strings = Strings::default();
    let column = |tag: Tag, out: &mut dyn io::Write, fill: &mut dyn FnMut(&mut Writer)| {
        let mut writer = Writer::default();
        fill(&mut writer);
        write_section(out, tag, &writer.bytes)
    };
    write_header(out)?;
    column(Tag::Objects, out, &mut |to| objects::write(&heap.objects, to))?;
    column(Tag::Edges, out, &mut |to| edges::write(heap.objects.len(), &heap.edges, to))?;
    column(Tag::Shapes, out, &mut |to| shapes::write(&heap.shapes, &mut strings, to))?;
    column(Tag::ShapeOf, out, &mut |to| shapes::write_shape_of(heap, to))?;
    column(Tag::Names, out, &mut |to| strings.write_all_of(&heap.names, to))?;
    column(Tag::Roots, out, &mut |to| roots::write(&heap.roots, to))?;
    column(Tag::Goroutines, out, &mut |to| goroutines::write(&heap.goroutines, &mut strings, to))?;
    column(Tag::Samples, out, &mut |to| goroutines::write_samples(heap, &mut strings, to))?;
    column(Tag::MemStats, out, &mut |to| goroutines::write_memstats(&heap.memstats, to))?;
    column(Tag::Gaps, out, &mut |to| goroutines::write_gaps(&heap.gaps, &mut strings, to))?;
    column(Tag::Waits, out, &mut |to| waits::write(&heap.waits, &mut strings, to))?;
    column(Tag::Strings, out, &mut |to| strings.write(to))
}

/// Reads a heap from the bytes that [`write`] wrote.
///
/// Fails where the header or the objects are damaged; every other damaged section is a gap of the heap.
pub fn read(bytes: &[u8]) -> Result<Heap, HeapError> {
    let sections = Sections::find(bytes)?;
    let mut gaps = Vec::new();
    let objects = objects::read(sections.open(Tag::Objects)?)?;
    let strings = part(&sections, Tag::Strings, &mut gaps, Strings::read);
    let count = objects.len();
    let shapes = part(&sections, Tag::Shapes, &mut gaps, |from| shapes::read(from, &strings));
    let types =
        part(&sections, Tag::ShapeOf, &mut gaps, |from| shapes::read_shape_of(from, count, shapes.len()));
    let (stacks, samples) =
        part(&sections, Tag::Samples, &mut gaps, |from| goroutines::read_samples(from, &strings, count));
    let names = part(&sections, Tag::Names, &mut gaps, |from| strings.read_all_of(from));
    let goroutines = part(&sections, Tag::Goroutines, &mut gaps, |from| goroutines::read(from, &strings));
    let waits = match sections.has(Tag::Waits) {
        true => part(&sections, Tag::Waits, &mut gaps, |from| waits::read(from, &strings, count)),
        false => Waits::default(),
    };
    let mut heap = Heap {
        edges: part(&sections, Tag::Edges, &mut gaps, |from| edges::read(from, count)),
        roots: part(&sections, Tag::Roots, &mut gaps, |from| roots::read(from, count)),
        memstats: part(&sections, Tag::MemStats, &mut gaps, goroutines::read_memstats),
        gaps: part(&sections, Tag::Gaps, &mut gaps, |from| goroutines::read_gaps(from, &strings)),
        shape_of: types.0,
        how_of: types.1,
        shapes,
        names,
        goroutines,
        waits,
        samples,
        stacks,
        objects,
        ..Heap::default()
    };
    fill_up(&mut heap);
    heap.gaps.append(&mut gaps);
    heap.search_again();
    Ok(heap)
}

/// One section, or nothing and a gap.
fn part<T: Default>(
    sections: &Sections<'_>,
    tag: Tag,
    gaps: &mut Vec<Gap>,
    read: impl FnOnce(Reader<'_>) -> Result<T, Damage>,
) -> T {
    match sections.open(tag).and_then(read) {
        Ok(value) => value,
        Err(damage) => {
            gaps.push(Gap::new(
                "heap",
                format!("{} of the capture: {}", tag.name(), HeapError::from(damage)),
            ));
            T::default()
        }
    }
}

/// Makes every column as long as the heap, where its section was lost.
fn fill_up(heap: &mut Heap) {
    let count = heap.objects.len() as usize;
    if heap.shapes.is_empty() {
        heap.shapes.push(shapes::unknown());
    }
    heap.shape_of.resize(count, crate::graph::ShapeId(0));
    heap.how_of.resize(count, crate::graph::How::None);
}

/// The offset in the file and what is wrong there.
impl From<Damage> for HeapError {
    fn from(damage: Damage) -> HeapError {
        HeapError::GraphFile { offset: damage.offset, what: damage.what.to_owned() }
    }
}

/// The most address space that the spans of a file may cover: the index from address to object takes 4 bytes for
/// each 8 KB of it.
const MOST_SPAN_BYTES: u64 = 1 << 40;

#[cfg(test)]
mod tests;
