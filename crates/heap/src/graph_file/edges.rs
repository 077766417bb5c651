//! The pointers of a graph file.

use super::bytes::{Damage, Reader, Writer};
use crate::graph::{Edges, ObjectId};

pub(super) fn write(edges: &Edges, to: &mut Writer) {
    to.len(edges.starts.len().saturating_sub(1));
    let mut pairs = edges.targets.iter().zip(&edges.words);
    for (source, ends) in (0u64..).zip(edges.starts.windows(2)) {
        let &[start, end] = ends else { continue };
        to.number(u64::from(end.saturating_sub(start)));
        let (mut target_before, mut word_before) = (source, 0);
        for (target, &word) in pairs.by_ref().take(end.saturating_sub(start) as usize) {
            to.step(target_before, u64::from(target.0));
            to.step(word_before, u64::from(word));
            (target_before, word_before) = (u64::from(target.0), u64::from(word) + 1);
        }
    }
    to.len(edges.interior.len());
    let mut before = 0;
    for &(edge, offset) in &edges.interior {
        to.step(before, u64::from(edge));
        to.number(offset);
        before = u64::from(edge);
    }
}

pub(super) fn read(mut from: Reader<'_>, objects: u32) -> Result<Edges, Damage> {
    let mut edges = Edges { starts: vec![0], ..Edges::default() };
    if from.count()? != objects as usize {
        return Err(from.damage("pointers of another number of objects"));
    }
    for source in 0..u64::from(objects) {
        let (mut target_before, mut word_before) = (source, 0);
        for _ in 0..from.count()? {
            let target = from.step(target_before)?;
            let word = from.step(word_before)?;
            match (u32::try_from(target), u32::try_from(word)) {
                (Ok(target), Ok(word)) if target < objects => {
                    edges.targets.push(ObjectId(target));
                    edges.words.push(word);
                }
                _ => return Err(from.damage("a pointer to an object that is not there")),
            }
            (target_before, word_before) = (target, word + 1);
        }
        match u32::try_from(edges.targets.len()) {
            Ok(end) if end < crate::reach::LIMIT => edges.starts.push(end),
            _ => return Err(from.damage("more pointers than can be counted")),
        }
    }
    let mut before = 0;
    for _ in 0..from.count()? {
        before = from.step(before)?;
        let offset = from.number()?;
        let in_order = edges.interior.last().is_none_or(|&(last, _)| u64::from(last) < before);
        match u32::try_from(before) {
            Ok(edge) if in_order && (edge as usize) < edges.targets.len() => {
                edges.interior.push((edge, offset))
            }
            _ => return Err(from.damage("a pointer that is not there")),
        }
    }
    Ok(edges)
}
