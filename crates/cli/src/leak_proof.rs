//! Which goroutines can never run again, and what speaks against saying so.

use leakscope_heap::{Heap, Leaks, Verdict, leaks};
use leakscope_model::Gap;

use crate::opening::HowRead;

/// What was found out of the goroutines of one heap.
#[derive(Debug)]
pub(crate) struct LeakProof {
    found: Leaks,
    unknown: usize,
}

impl LeakProof {
    /// Tells the goroutines of `heap` apart.
    pub(crate) fn of_heap(heap: &Heap) -> LeakProof {
        let found = leaks::find(heap);
        let unknown = found.of.iter().filter(|verdict| **verdict == Verdict::Unknown).count();
        LeakProof { found, unknown }
    }

    /// Of one goroutine, by its place in the heap.
    pub(crate) fn of(&self, goroutine: usize) -> Verdict {
        self.found.of.get(goroutine).copied().unwrap_or(Verdict::Unknown)
    }

    /// Says for how many nobody can tell, and why. Whether what was found is a proof: not if the process changed
    /// its heap while it was read.
    pub(crate) fn tell(&self, how: &HowRead, gaps: &mut Vec<Gap>) -> bool {
        let proven = how.mode != "live";
        let why = match &self.found.doubt {
            Some(doubt) => doubt.as_str(),
            None => "what they wait for could not be read",
        };
        if !proven {
            gaps.push(Gap::new(
                "goroutines",
                "none is proven to be leaked: the process ran while it was read",
            ));
        } else if self.unknown > 0 {
            let reason = format!("of {} nobody can tell whether they are leaked: {why}", self.unknown);
            gaps.push(Gap::new("goroutines", reason));
        }
        proven
    }
}
