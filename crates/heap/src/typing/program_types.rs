//! A program's types from both its sources: debug information, and the descriptors that the runtime has in memory.

use std::sync::Arc;

use hashbrown::HashSet;
use leakscope_goruntime::{Capture, DescribedTypes, Runtime, Slot, TypeId, Types};
use leakscope_model::Addr;
use leakscope_target::{TargetMemory, read_u64};

use super::source::TypeSource;
use crate::graph::How;

/// The types that debug information names, and those that it leaves out but the heap uses.
pub struct ProgramTypes<'r, 'b> {
    runtime: &'r Runtime<'b>,
    memory: &'r dyn TargetMemory,
    asked: HashSet<Addr>,
    /// Each adds to the one before.
    described: Vec<DescribedTypes>,
}

impl<'r, 'b> ProgramTypes<'r, 'b> {
    /// The types of debug information alone.
    pub fn new(runtime: &'r Runtime<'b>, memory: &'r dyn TargetMemory) -> ProgramTypes<'r, 'b> {
        ProgramTypes { runtime, memory, asked: HashSet::new(), described: Vec::new() }
    }

    /// The program that these are the types of.
    pub(crate) fn runtime(&self) -> &'r Runtime<'b> {
        self.runtime
    }

    /// Adds the types that first words of interfaces name: types and itabs, among which may be words of any kind.
    pub(crate) fn add_type_words(&mut self, words: impl IntoIterator<Item = Addr>) {
        let new = words.into_iter().filter(|word| self.runtime.type_of_runtime(*word).is_none());
        let new: HashSet<Addr> = new.collect();
        let of_itab = |word: &Addr| {
            let at = word.checked_add(self.runtime.itab_type()?.offset)?;
            read_u64(self.memory, at).ok().map(Addr::new)
        };
        let both: Vec<Addr> = new.iter().flat_map(|word| [Some(*word), of_itab(word)]).flatten().collect();
        self.add_descriptors(both);
    }

    /// Adds the types whose descriptors lie at these addresses, where debug information does not know them.
    pub(crate) fn add_descriptors(&mut self, descriptors: impl IntoIterator<Item = Addr>) {
        let mut wanted: Vec<Addr> = descriptors
            .into_iter()
            .filter(|at| !at.is_nil() && self.runtime.type_of_runtime(*at).is_none())
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|at| self.asked.insert(*at));
        if wanted.is_empty() {
            return;
        }
        let Runtime { layout, modules, debug, .. } = self.runtime;
        let base = self.described.last().map_or(&debug.types, DescribedTypes::types);
        let known = |at| self.type_of_runtime(at);
        let more = DescribedTypes::read(self.memory, layout, modules, base, &known, wanted);
        self.described.push(more);
    }
}

impl TypeSource for ProgramTypes<'_, '_> {
    fn types(&self) -> &Types {
        self.described.last().map_or(&self.runtime.debug.types, |described| described.types())
    }

    fn type_of_runtime(&self, descriptor: Addr) -> Option<TypeId> {
        let described = || self.described.iter().find_map(|described| described.type_at(descriptor));
        self.runtime.type_of_runtime(descriptor).or_else(described)
    }

    fn how_of_pointer(&self, ty: Option<TypeId>) -> How {
        self.runtime.how_of_pointer(ty)
    }

    fn function_starting_at(&self, code: Addr) -> Option<Arc<str>> {
        self.runtime.function_starting_at(code)
    }

    fn captures(&self, code: Addr) -> Vec<Capture> {
        self.runtime.captures(code)
    }

    fn itab_type(&self) -> Option<Slot> {
        self.runtime.itab_type()
    }
}
