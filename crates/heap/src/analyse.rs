//! From what was read to what can be asked: reachability, types, dominators, retained sizes.

use leakscope_target::TargetMemory;

use crate::dominators::dominators;
use crate::graph::{Heap, Objects, RetainedSizes, Scan};
use crate::reach::search;
use crate::root_names::name_fields;
use crate::root_order::order_roots;
use crate::typing::{TypeSource, Typed, Typing};

/// Analyses a scan. `memory` is asked for the few words that pointers alone do not tell: the types that itabs
/// name.
pub fn analyse(mut scan: Scan, source: &dyn TypeSource, memory: &dyn TargetMemory) -> Heap {
    name_fields(&mut scan, source.types());
    let phases = order_roots(&mut scan.roots, &scan.names, &scan.goroutines);
    let mut typing = Typing::new(&scan, source, memory);
    let reached = search(count(&scan.objects), &scan.edges, &scan.roots, &phases, &mut typing);
    let typed = typing.finish();
    let (by, inner) = reached.apart();
    let Scan { objects, edges, roots, goroutines, waits, names, samples, stacks, memstats, gaps, .. } = scan;
    let Typed { shape_of, how_of, shapes } = typed;
    let mut heap = Heap {
        objects,
        edges,
        shape_of,
        how_of,
        shapes,
        roots,
        names,
        reached_by: by,
        goroutines,
        waits,
        samples,
        stacks,
        memstats,
        gaps,
        ..Heap::default()
    };
    (heap.dominator, heap.retained) = dominators(inner, &heap.objects);
    heap
}

impl Heap {
    /// Fills in how each object was reached, dominators and retained sizes, after the roots were put in order.
    pub(crate) fn search_again(&mut self) {
        let phases = order_roots(&mut self.roots, &self.names, &self.goroutines);
        let (by, inner) = search(count(&self.objects), &self.edges, &self.roots, &phases, &mut ()).apart();
        self.reached_by = by;
        (self.dominator, self.retained) = dominators(inner, &self.objects);
    }

    /// The heap without dominators and retained sizes: all that a later one is compared with
    /// ([`crate::growth::compare`]), in two thirds of the memory. What asks for them afterwards gets 0 and
    /// "unreachable".
    pub fn for_comparison(mut self) -> Heap {
        self.dominator = Vec::new();
        self.retained = RetainedSizes::default();
        self
    }
}

fn count(objects: &Objects) -> usize {
    objects.len() as usize
}
