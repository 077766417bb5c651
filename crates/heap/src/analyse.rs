//! From what was read to what can be asked: reachability, types, dominators, retained sizes.

use leakscope_target::TargetMemory;

use crate::dominators::dominators;
use crate::graph::{Heap, Objects, Scan};
use crate::reach::{Reached, reach};
use crate::retained::retained_bytes;
use crate::root_names::name_fields;
use crate::root_order::order_roots;
use crate::typing::{TypeSource, Typed, type_objects};

/// Analyses a scan. `memory` is asked for the few words that pointers alone do not tell: the types that itabs
/// name.
pub fn analyse(mut scan: Scan, source: &dyn TypeSource, memory: &dyn TargetMemory) -> Heap {
    name_fields(&mut scan, source.types());
    let phases = order_roots(&mut scan.roots, &scan.names, &scan.goroutines);
    let Reached { by, order } = reach(count(&scan.objects), &scan.edges, &scan.roots, &phases);
    let typed = type_objects(&scan, &order, source, memory);
    drop(order);
    let Scan { objects, edges, roots, goroutines, names, samples, stacks, memstats, gaps, .. } = scan;
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
        samples,
        stacks,
        memstats,
        gaps,
        ..Heap::default()
    };
    heap.find_dominators();
    heap
}

impl Heap {
    /// Fills in dominators and retained sizes.
    pub(crate) fn find_dominators(&mut self) {
        let roots = self.roots.iter().map(|root| root.target);
        let tree = dominators(count(&self.objects), &self.edges, roots);
        self.retained = retained_bytes(&self.objects, &tree);
        self.dominator = tree.of;
    }

    /// The heap without dominators and retained sizes: all that a later one is compared with
    /// ([`crate::growth::compare`]), in two thirds of the memory. What asks for them afterwards gets 0 and
    /// "unreachable".
    pub fn for_comparison(mut self) -> Heap {
        self.dominator = Vec::new();
        self.retained = Vec::new();
        self
    }

    /// Fills in how each object was reached, after the roots were put in order.
    pub(crate) fn find_reachable(&mut self) {
        let phases = order_roots(&mut self.roots, &self.names, &self.goroutines);
        self.reached_by = reach(count(&self.objects), &self.edges, &self.roots, &phases).by;
    }
}

fn count(objects: &Objects) -> usize {
    objects.len() as usize
}
