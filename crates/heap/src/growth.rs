//! What is new between two moments, by path signature.
//!
//! Go's collector does not move objects, so an object that lies in both snapshots at one address with one shape
//! is the same object; what was freed and allocated again in between at the same address with the same shape
//! counts as surviving, which can only make growth look smaller.
#![allow(clippy::indexing_slicing, reason = "dense ids of our own making index arrays of the same length")]

use std::cmp::Reverse;
use std::collections::BTreeMap;

use leakscope_model::Frame;

use crate::graph::{Heap, ObjectId};
use crate::groups::{Group, NameId, SignatureId, Signatures};
use crate::objects::Object;
use crate::retained::Tally;

/// The difference between two snapshots of one process.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Growth {
    /// Every group of either snapshot, those that grew by the most bytes first, then by bytes.
    pub groups: Vec<Group>,
}

/// Compares two snapshots of one process.
pub fn compare(before: &Heap, after: &Heap) -> Growth {
    let mut signatures = Signatures::default();
    let first = Signed::of(&mut signatures, before);
    let second = Signed::of(&mut signatures, after);
    let mut changes = vec![Change::default(); signatures.len()];
    first.tally(&mut changes, |change| &mut change.before);
    second.tally(&mut changes, |change| &mut change.after);
    tally_changes(&mut changes, &first, &second);
    drop(first);
    Growth { groups: groups(&signatures, &changes, &second) }
}

/// The groups of one moment: as if nothing had changed since.
pub(crate) fn of_one(heap: &Heap) -> Growth {
    let mut signatures = Signatures::default();
    let signed = Signed::of(&mut signatures, heap);
    let mut changes = vec![Change::default(); signatures.len()];
    signed.tally(&mut changes, |change| &mut change.before);
    signed.tally(&mut changes, |change| &mut change.after);
    Growth { groups: groups(&signatures, &changes, &signed) }
}

/// One group's figures.
#[derive(Debug, Clone, Copy, Default)]
struct Change {
    before: Tally,
    after: Tally,
    born: Tally,
    died: Tally,
}

/// A heap with the signature of each object and the type name of each shape.
struct Signed<'h> {
    heap: &'h Heap,
    signatures: Vec<SignatureId>,
    types: Vec<NameId>,
}

impl<'h> Signed<'h> {
    fn of(signatures: &mut Signatures, heap: &'h Heap) -> Signed<'h> {
        let (signed, types) = signatures.sign(heap);
        Signed { heap, signatures: signed, types }
    }

    /// The reachable objects with their signatures, in order of address.
    fn reachable(&self) -> impl Iterator<Item = (Object, SignatureId)> + '_ {
        let objects = self.heap.objects.iter().zip(self.signatures.iter().copied());
        objects.filter(|(_, signature)| *signature != SignatureId::NONE)
    }

    fn tally(&self, changes: &mut [Change], of: impl Fn(&mut Change) -> &mut Tally) {
        for (object, signature) in self.reachable() {
            *of(&mut changes[signature.0 as usize]) += Tally::one(object.size);
        }
    }

    fn ty(&self, object: ObjectId) -> Option<NameId> {
        let shape = self.heap.shape_of.get(object.0 as usize)?;
        self.types.get(shape.0 as usize).copied()
    }
}

/// Walks both heaps in order of address: what only one of them has was born or died in between.
fn tally_changes(changes: &mut [Change], first: &Signed<'_>, second: &Signed<'_>) {
    let mut earlier = first.reachable().peekable();
    let die = |changes: &mut [Change], (object, signature): (Object, SignatureId)| {
        changes[signature.0 as usize].died += Tally::one(object.size);
    };
    for (object, signature) in second.reachable() {
        while let Some(gone) = earlier.next_if(|(early, _)| early.addr < object.addr) {
            die(changes, gone);
        }
        let here = earlier.next_if(|(early, _)| early.addr == object.addr);
        let survived = here.is_some_and(|(early, _)| {
            early.size == object.size && first.ty(early.id) == second.ty(object.id)
        });
        if !survived {
            changes[signature.0 as usize].born += Tally::one(object.size);
            if let Some(gone) = here {
                die(changes, gone);
            }
        }
    }
    for gone in earlier {
        die(changes, gone);
    }
}

fn groups(signatures: &Signatures, changes: &[Change], after: &Signed<'_>) -> Vec<Group> {
    let mut order: Vec<usize> = (0..changes.len()).collect();
    let growth = |change: &Change| change.born.bytes as i128 - change.died.bytes as i128;
    order.sort_by_key(|&at| Reverse((growth(&changes[at]), changes[at].after.bytes)));
    let mut place = vec![0; order.len()];
    for (to, &from) in order.iter().enumerate() {
        place[from] = to;
    }
    let mut members = members(changes.len(), after);
    let mut sites = sites(changes.len(), after);
    let only: Vec<Option<ObjectId>> = members
        .iter()
        .map(|objects| match objects.as_slice() {
            [only] => Some(*only),
            _ => None,
        })
        .collect();
    let group = |at: usize| {
        let id = SignatureId(at as u32);
        let Change { before, after: now, born, died } = changes[at];
        let path = signatures.path(id).into_iter().map(|(id, mut step)| {
            step.addr = only[id.0 as usize].map(|object| after.heap.objects.addr(object));
            step
        });
        Group {
            path: path.collect(),
            parent: signatures.parent(id).map(|parent| place[parent.0 as usize]),
            ty: signatures.type_name(id).to_owned(),
            inside: signatures.is_inside(id),
            before,
            after: now,
            born,
            died,
            objects: std::mem::take(&mut members[at]),
            sites: std::mem::take(&mut sites[at]),
        }
    };
    order.into_iter().map(group).collect()
}

fn members(count: usize, after: &Signed<'_>) -> Vec<Vec<ObjectId>> {
    let mut members = vec![Vec::new(); count];
    for (object, signature) in after.reachable() {
        members[signature.0 as usize].push(object.id);
    }
    members
}

/// The allocation stacks of the samples of each signature, the most samples first.
fn sites(count: usize, after: &Signed<'_>) -> Vec<Vec<(Vec<Frame>, u64)>> {
    let mut counts: Vec<BTreeMap<u32, u64>> = vec![BTreeMap::new(); count];
    for &(object, stack) in &after.heap.samples {
        let signature = after.signatures.get(object.0 as usize).copied().unwrap_or(SignatureId::NONE);
        if let Some(counts) = counts.get_mut(signature.0 as usize) {
            *counts.entry(stack).or_default() += 1;
        }
    }
    let stack = |index: u32| after.heap.stacks.get(index as usize).cloned().unwrap_or_default();
    counts
        .into_iter()
        .map(|counts| {
            let mut sites: Vec<(u32, u64)> = counts.into_iter().collect();
            sites.sort_by_key(|&(_, samples)| Reverse(samples));
            sites.into_iter().map(|(index, samples)| (stack(index), samples)).collect()
        })
        .collect()
}
