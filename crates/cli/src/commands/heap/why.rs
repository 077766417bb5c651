//! `leakscope heap why`.

use anyhow::Result;
use leakscope_heap::path_tree::{PathNode, PathTree, merged};
use leakscope_heap::ways::most_different;
use leakscope_heap::{Heap, ObjectId};
use leakscope_report::tables::{WhyAnswer, WhyNode, WhyRow, why};

use super::ask;
use super::object_rows::subjects;
use crate::args::{Subject, WhyArgs};
use crate::{NOTHING, output};

/// Prints what keeps an object, or those of a type, alive.
pub(super) fn run(args: &WhyArgs) -> Result<u8> {
    let answered = ask(&args.about, |inspection| {
        let ids = subjects(inspection, &args.subject)?;
        Ok(match (&args.subject, ids.as_slice()) {
            (Subject::Object(_), [only]) => of_one(inspection.heap, *only, args.paths as usize),
            _ => of_many(inspection.heap, &ids, args.limit),
        })
    })?;
    let output = &args.about.output;
    let page = why(&answered.answer, &answered.beside(), output.format(), output::look(output));
    output::write(output, &page)?;
    Ok(NOTHING)
}

/// The most different ways to one object, each with its steps and their addresses.
fn of_one(heap: &Heap, object: ObjectId, count: usize) -> WhyAnswer {
    let ways = most_different(heap, object, count);
    let bytes = heap.objects.size(object);
    let paths = ways.iter().map(|way| WhyRow { objects: 1, bytes, steps: heap.steps(way) });
    WhyAnswer { paths: paths.collect(), tree: Vec::new() }
}

/// The ways to many, merged.
fn of_many(heap: &Heap, objects: &[ObjectId], limit: usize) -> WhyAnswer {
    let PathTree { roots, paths } = merged(heap, objects, limit);
    let row = |path: leakscope_heap::path_tree::MergedPath| WhyRow {
        objects: path.objects.objects,
        bytes: path.objects.bytes,
        steps: path.steps,
    };
    WhyAnswer { paths: paths.into_iter().map(row).collect(), tree: roots.into_iter().map(node).collect() }
}

/// A path has as many steps as signatures tell apart, so this ends soon.
fn node(node: PathNode) -> WhyNode {
    let PathNode { step, below, here, children } = node;
    WhyNode {
        step,
        objects: below.objects,
        bytes: below.bytes,
        objects_here: here.objects,
        children: children.into_iter().map(self::node).collect(),
    }
}
