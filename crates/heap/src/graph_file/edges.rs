//! The pointers of a graph file.

use super::bytes::{Damage, Reader, Writer};
use crate::edges::EdgesBuilder;
use crate::graph::{Edge, Edges, ObjectId};

pub(super) fn write(objects: u32, edges: &Edges, to: &mut Writer) {
    to.len(objects as usize);
    for source in 0..objects {
        to.len(edges.range(ObjectId(source)).len());
        let (mut target_before, mut word_before) = (u64::from(source), 0);
        for Edge { target, word, .. } in edges.of(ObjectId(source)) {
            to.step(target_before, u64::from(target.0));
            to.step(word_before, u64::from(word));
            (target_before, word_before) = (u64::from(target.0), u64::from(word) + 1);
        }
    }
    to.len(edges.interior().len());
    let mut before = 0;
    for &(edge, offset) in edges.interior() {
        to.step(before, u64::from(edge));
        to.number(offset);
        before = u64::from(edge);
    }
}

pub(super) fn read(mut from: Reader<'_>, objects: u32) -> Result<Edges, Damage> {
    let mut edges = EdgesBuilder::default();
    if from.count()? != objects as usize {
        return Err(from.damage("pointers of another number of objects"));
    }
    for source in 0..objects {
        let (mut target_before, mut word_before) = (u64::from(source), 0);
        for _ in 0..from.count()? {
            let target = from.step(target_before)?;
            let word = from.step(word_before)?;
            match (u32::try_from(target), u32::try_from(word)) {
                (Ok(target), Ok(word)) if target < objects => {
                    edges.push(ObjectId(source), ObjectId(target), word);
                }
                _ => return Err(from.damage("a pointer to an object that is not there")),
            }
            (target_before, word_before) = (target, word + 1);
        }
        if edges.len() >= crate::reach::LIMIT as usize {
            return Err(from.damage("more pointers than can be counted"));
        }
    }
    let (mut before, mut last) = (0, None);
    for _ in 0..from.count()? {
        before = from.step(before)?;
        let offset = from.number()?;
        match u32::try_from(before) {
            Ok(edge) if last < Some(edge) && (edge as usize) < edges.len() => {
                edges.points_inside(edge, offset)
            }
            _ => return Err(from.damage("a pointer that is not there")),
        }
        last = u32::try_from(before).ok();
    }
    Ok(edges.finish())
}
