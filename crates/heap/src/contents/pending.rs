//! Words that may be pointers, looked up many at a time.

use leakscope_model::Addr;

use super::{Scanner, Words};
use crate::graph::ObjectId;
use crate::slot_index::Found;

/// Words that are looked up together.
const TOGETHER: usize = 128;

/// One word that may be a pointer.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    source: ObjectId,
    /// Which word of the source it is.
    word: u32,
    /// The word before it; 0 where it is the object's first.
    before: u64,
}

/// Words that were not looked up yet, in order.
#[derive(Debug)]
pub(super) struct Pending {
    candidates: Vec<Candidate>,
    values: Vec<u64>,
    found: Vec<Found>,
}

impl Pending {
    pub(super) fn new() -> Pending {
        Pending {
            candidates: Vec::with_capacity(TOGETHER),
            values: Vec::with_capacity(TOGETHER),
            found: vec![Found::Nothing; TOGETHER],
        }
    }
}

impl Scanner<'_> {
    /// Notes the words of one object at the bits of `mask`, the first of which stands for `words[start]`; the object
    /// begins `skipped` words before `words[object]`.
    #[inline]
    pub(super) fn pointers(
        &mut self,
        words: Words<'_>,
        start: usize,
        object: usize,
        mut mask: u64,
        skipped: usize,
    ) {
        while mask != 0 {
            let at = start + mask.trailing_zeros() as usize;
            mask &= mask - 1;
            let value = words.at(at);
            if value == 0 {
                continue;
            }
            let before = if at > object { words.at(at - 1) } else { 0 };
            let word = (at - object + skipped) as u32;
            self.pending.values.push(value);
            self.pending.candidates.push(Candidate { source: self.source, word, before });
            if self.pending.values.len() == TOGETHER {
                self.resolve();
            }
        }
    }

    /// Looks all up and makes edges of those that are pointers.
    pub(super) fn resolve(&mut self) {
        let Pending { candidates, values, found } = &mut self.pending;
        self.input.objects.index().find_all(values, found);
        for (candidate, &found) in candidates.iter().zip(&*found) {
            match found {
                Found::Object { id, offset } => {
                    let edge = self.out.edges.len() as u32;
                    self.out.edges.push(candidate.source, id, candidate.word);
                    if offset != 0 {
                        self.out.edges.points_inside(edge, offset);
                    }
                    if self.input.program.is_type_word(candidate.before) {
                        self.out.type_words.push((edge, Addr::new(candidate.before)));
                    }
                }
                Found::FreeSlot => self.out.lost += 1,
                Found::Nothing => {}
            }
        }
        candidates.clear();
        values.clear();
    }
}
