//! A program's types from both its sources: debug information, and the descriptors that the runtime has in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashSet;
use leakscope_goruntime::{Capture, DescribedTypes, Runtime, Signature, Slot, TypeId, Types, addresses_in};
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
    /// The structs that closures are, by their code, where no debug information says what they captured.
    closures: BTreeMap<Addr, TypeId>,
}

impl<'r, 'b> ProgramTypes<'r, 'b> {
    /// The types of debug information alone; of a stripped program those that it lists itself.
    pub fn new(runtime: &'r Runtime<'b>, memory: &'r dyn TargetMemory) -> ProgramTypes<'r, 'b> {
        let Runtime { layout, modules, debug, functions, arch, bias, .. } = runtime;
        let mut described = Vec::new();
        if debug.is_empty() {
            // What the code hands to the allocator is not always listed: closures are not.
            let in_code = modules.iter().take(1).flat_map(|module| {
                let types = module.types.start.unrelocate(*bias)..module.types.end.unrelocate(*bias);
                addresses_in(functions, *arch, &types)
            });
            let in_code = in_code.map(|at| at.relocate(*bias));
            let all = DescribedTypes::read_listed(memory, layout, modules, &debug.types, &|_| None, in_code);
            described.push(all);
        }
        ProgramTypes { runtime, memory, asked: HashSet::new(), described, closures: BTreeMap::new() }
    }

    /// The functions of which the program's own type data tells what they take and return, in order of address.
    pub(crate) fn signatures(&self) -> Vec<Signature> {
        let methods = self.described.iter().flat_map(|described| described.methods());
        let signatures = methods.map(|method| Signature {
            code: self.runtime.linked(method.code),
            parameters: method.parameters.clone(),
            results: method.results.clone(),
        });
        signatures.collect()
    }

    /// Takes in what closures are.
    pub(crate) fn set_closures(&mut self, closures: BTreeMap<Addr, TypeId>) {
        self.closures = closures;
    }

    /// The captured variables of a closure that is a struct of this type: all fields but the first, its code.
    fn captures_in(&self, closure: TypeId) -> Vec<Capture> {
        let fields = self.types().fields(closure).iter().skip(1);
        let captures = fields.map(|field| Capture {
            name: field.name.clone(),
            ty: field.ty,
            offset: field.offset,
            by_reference: false,
        });
        captures.collect()
    }

    /// The program that these are the types of.
    pub(crate) fn runtime(&self) -> &'r Runtime<'b> {
        self.runtime
    }

    /// Adds the types that first words of interfaces name: types and itabs, among which may be words of any kind.
    pub(crate) fn add_type_words(&mut self, words: impl IntoIterator<Item = Addr>) {
        let new = words.into_iter().filter(|word| self.type_of_runtime(*word).is_none());
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
            .filter(|at| !at.is_nil() && self.type_of_runtime(*at).is_none())
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
        let captures = self.runtime.captures(code);
        match self.closures.get(&code) {
            Some(closure) if captures.is_empty() => self.captures_in(*closure),
            _ => captures,
        }
    }

    fn itab_type(&self) -> Option<Slot> {
        self.runtime.itab_type()
    }
}
