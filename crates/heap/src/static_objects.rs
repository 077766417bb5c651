//! Objects without a name in data and bss: what a package variable points at before the program runs.
//!
//! `var registry = &Registry{m: map[string]int{}}` makes the linker lay down the variable and, elsewhere, the struct
//! (`main..stmp_0`, of which the debug information does not speak). They are found by walking from the variables
//! along pointers of known type (`cmd/compile/internal/staticinit/sched.go`, `staticassign`: pointers to composite
//! literals, slice literals, values in interfaces; a func value that captured something is never static).

use std::collections::BTreeMap;
use std::sync::Arc;

use leakscope_goruntime::{Pointee, TypeId};
use leakscope_model::{Addr, LinkAddr};
use leakscope_target::TargetMemory;

use crate::program::Program;
use crate::root_names::{field_at, join};
use crate::root_order::is_runtime_variable;
use crate::typing::{DynamicTypes, ProgramTypes, TypeSource};
use crate::variable_words::{Reference, VariableWords};

/// A name longer than this, in bytes, is not made longer still: the nodes of a list hang on one another.
const LONGEST_NAME: usize = 160;
/// How often a pointer may be asked, on average: an object that turns out larger is asked anew.
const VISITS: usize = 8;

/// One such object.
#[derive(Debug)]
struct StaticObject {
    start: u64,
    end: u64,
    /// Its type, or that of its elements.
    ty: TypeId,
    /// Whether it is the array of a slice.
    repeated: bool,
    /// The object that holds the pointer at it, always an earlier one; `None` for a package variable.
    holder: Option<u32>,
    /// Where that pointer stands.
    slot: Addr,
    name: Option<Arc<str>>,
}

/// A place in such an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StaticPlace {
    /// The way to the object: `main.registry`, `main.shards[…]`, `main.head.next`.
    pub(crate) name: Arc<str>,
    /// The type of the object, or of its elements.
    pub(crate) ty: TypeId,
    /// Bytes from the start of the object, or of its element.
    pub(crate) offset: u64,
}

/// All that are found.
#[derive(Debug, Default)]
pub(crate) struct StaticObjects {
    objects: Vec<StaticObject>,
    /// Those that count, which do not overlap, by where they start.
    by_start: BTreeMap<u64, u32>,
}

impl StaticObjects {
    /// Walks from the package variables, those of the runtime last.
    pub(crate) fn find(
        memory: &dyn TargetMemory,
        types: &ProgramTypes<'_, '_>,
        program: &Program,
        words: &VariableWords,
    ) -> StaticObjects {
        let left = words.into_variables.len().saturating_mul(VISITS);
        let dynamic = DynamicTypes::new(memory);
        let mut walk = Walk { types, program, words, dynamic, found: StaticObjects::default(), left };
        walk.take_variables(|name| !is_runtime_variable(name));
        let asked = walk.onwards(0);
        walk.take_variables(is_runtime_variable);
        walk.onwards(asked);
        walk.found
    }

    /// Where an address lies, if in one of them.
    pub(crate) fn at(&mut self, types: &ProgramTypes<'_, '_>, addr: Addr) -> Option<StaticPlace> {
        let index = self.holding(addr.get())?;
        let name = self.name(types, index);
        let object = self.objects.get(index as usize)?;
        let offset = object.offset_of(types, addr)?;
        Some(StaticPlace { name, ty: object.ty, offset })
    }

    fn holding(&self, addr: u64) -> Option<u32> {
        let (_, &index) = self.by_start.range(..=addr).next_back()?;
        self.objects.get(index as usize).filter(|object| addr < object.end).map(|_| index)
    }

    /// The name of an object, and of all on the way to it.
    fn name(&mut self, types: &ProgramTypes<'_, '_>, index: u32) -> Arc<str> {
        let mut unnamed = Vec::new();
        let mut next = Some(index);
        let mut name: Arc<str> = "?".into();
        while let Some((index, object)) =
            next.and_then(|index| self.objects.get(index as usize).map(|object| (index, object)))
        {
            if let Some(known) = &object.name {
                name = known.clone();
                break;
            }
            unnamed.push(index);
            next = object.holder;
        }
        for index in unnamed.into_iter().rev() {
            name = self.name_below(types, index, &name).unwrap_or(name);
            if let Some(object) = self.objects.get_mut(index as usize) {
                object.name = Some(name.clone());
            }
        }
        name
    }

    /// The name of an object whose holder, if it is no variable, is called `above`.
    fn name_below(&self, types: &ProgramTypes<'_, '_>, index: u32, above: &str) -> Option<Arc<str>> {
        let object = self.objects.get(index as usize)?;
        let holder = object.holder.and_then(|holder| self.objects.get(holder as usize));
        let (above, ty, offset) = match holder {
            Some(holder) => (above, holder.ty, holder.offset_of(types, object.slot)?),
            None => {
                let runtime = types.runtime();
                let (global, offset) = runtime.debug.global_at(runtime.linked(object.slot))?;
                (&*global.name, global.ty, offset)
            }
        };
        let mut name = match field_at(types.types(), ty, offset) {
            Some(field) => one_step_down(above, &field, holder.is_some_and(|holder| holder.ty == object.ty)),
            None => above.to_owned(),
        };
        if object.repeated && name.len() < LONGEST_NAME {
            name.push_str("[…]");
        }
        Some(name.into())
    }

    /// Takes an object in, unless it lies in a known one; those that lie in it are forgotten.
    fn add(&mut self, object: StaticObject) {
        let known = self.holding(object.start).and_then(|index| self.objects.get(index as usize));
        let covers = |known: &StaticObject| known.start != object.start || object.end <= known.end;
        let inside: Vec<(u64, u32)> =
            self.by_start.range(object.start..object.end).map(|(&start, &index)| (start, index)).collect();
        let sticks_out = |&(_, index): &(u64, u32)| {
            self.objects.get(index as usize).is_some_and(|known| object.end < known.end)
        };
        let Ok(index) = u32::try_from(self.objects.len()) else { return };
        if known.is_some_and(covers) || inside.iter().any(sticks_out) {
            return;
        }
        for (start, _) in inside {
            self.by_start.remove(&start);
        }
        self.by_start.insert(object.start, index);
        self.objects.push(object);
    }
}

impl StaticObject {
    /// How far an address lies in the object, or in its element.
    fn offset_of(&self, types: &ProgramTypes<'_, '_>, addr: Addr) -> Option<u64> {
        let offset = addr.get().checked_sub(self.start)?;
        if self.repeated { offset.checked_rem(types.types().get(self.ty)?.size) } else { Some(offset) }
    }
}

/// `main.head` and `next` are `main.head.next`. That and `next` are `main.head.next…`, and so they stay, where
/// both objects are `alike`: nodes of a list.
fn one_step_down(above: &str, field: &str, alike: bool) -> String {
    let joined = join(above, field);
    let step = joined.get(above.len()..).unwrap_or_default();
    let folded = alike && above.strip_suffix('…').unwrap_or(above).ends_with(step);
    match (folded || LONGEST_NAME <= above.len(), above.ends_with('…')) {
        (true, true) => above.to_owned(),
        (true, false) => format!("{above}…"),
        (false, _) => joined,
    }
}

struct Walk<'a, 'b> {
    types: &'a ProgramTypes<'a, 'b>,
    program: &'a Program,
    words: &'a VariableWords,
    dynamic: DynamicTypes<'a>,
    found: StaticObjects,
    /// How many pointers may still be asked.
    left: usize,
}

impl Walk<'_, '_> {
    /// Follows the pointers of the variables whose names are meant.
    fn take_variables(&mut self, meant: impl Fn(&str) -> bool) {
        let runtime = self.types.runtime();
        for reference in &self.words.into_variables {
            let variable = runtime.debug.global_at(runtime.linked(reference.word.slot));
            if let Some((global, offset)) = variable.filter(|(global, _)| meant(&global.name)) {
                self.follow(reference, global.ty, offset, None);
            }
        }
    }

    /// Follows the pointers of the objects that were found, from the one of this index on; returns how many there
    /// are.
    fn onwards(&mut self, first: usize) -> usize {
        let references = &self.words.into_variables;
        let mut next = first;
        while let Some(&StaticObject { start, end, ty, .. }) = self.found.objects.get(next) {
            let Ok(index) = u32::try_from(next) else { break };
            let from = references.partition_point(|reference| reference.word.slot.get() < start);
            let inside = references.iter().skip(from).take_while(|found| found.word.slot.get() < end);
            for reference in inside {
                let Some(offset) = reference.word.slot.get().checked_sub(start) else { continue };
                self.follow(reference, ty, offset, Some(index));
            }
            next += 1;
        }
        next
    }

    /// Takes in what a pointer at `offset` of a value of this type leads to.
    fn follow(&mut self, reference: &Reference, ty: TypeId, offset: u64, holder: Option<u32>) {
        let Some(left) = self.left.checked_sub(1) else { return };
        self.left = left;
        let Some((ty, bytes, repeated)) = self.target(reference, ty, offset) else { return };
        let start = reference.word.value;
        let Some(end) = start.checked_add(bytes).filter(|end| start < *end) else { return };
        if self.is_free(start, end) {
            let slot = reference.word.slot;
            self.found.add(StaticObject { start, end, ty, repeated, holder, slot, name: None });
        }
    }

    /// Type, bytes, and whether it is an array, of what a pointer leads to.
    fn target(&mut self, reference: &Reference, ty: TypeId, offset: u64) -> Option<(TypeId, u64, bool)> {
        let types = self.types.types();
        let size = |ty| types.get(ty).map(|ty| ty.size);
        match types.pointee_at(ty, offset)? {
            Pointee::One(ty) => Some((ty, size(ty)?, false)),
            Pointee::Many(ty) => {
                let [len, capacity] = reference.behind;
                let bytes = capacity.checked_mul(size(ty)?)?;
                (len <= capacity).then_some((ty, bytes, true))
            }
            Pointee::Dynamic { .. } => {
                let word = reference.word.before;
                let known = self.program.is_type_word(word).then(|| Addr::new(word))?;
                match self.dynamic.pointee(self.types, known)? {
                    Pointee::One(ty) => Some((ty, size(ty)?, false)),
                    _ => None,
                }
            }
            Pointee::Bytes
            | Pointee::Closure
            | Pointee::MapDirectory { .. }
            | Pointee::TrieNode { .. }
            | Pointee::Untyped => None,
        }
    }

    /// Whether all of it lies in data or bss, and in no variable that has a name.
    fn is_free(&self, start: u64, end: u64) -> bool {
        let runtime = self.types.runtime();
        let linked = |addr| runtime.linked(Addr::new(addr));
        let (first, last): (LinkAddr, LinkAddr) = (linked(start), linked(end));
        let globals = runtime.debug.globals();
        let behind = globals.partition_point(|global| global.addr <= first);
        self.words.ranges.contains_all(start, end)
            && globals.get(behind).is_none_or(|next| last <= next.addr)
            && runtime.debug.global_at(first).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn object(start: u64, end: u64) -> StaticObject {
        let slot = Addr::new(0);
        StaticObject { start, end, ty: TypeId(0), repeated: false, holder: None, slot, name: None }
    }

    /// The objects that count, by their ends.
    fn kept(found: &StaticObjects) -> Vec<(u64, u64)> {
        let objects = found.by_start.values().filter_map(|&index| found.objects.get(index as usize));
        objects.map(|object| (object.start, object.end)).collect()
    }

    #[test]
    fn the_object_counts_and_not_its_field() {
        let mut found = StaticObjects::default();
        for (start, end) in [(24, 32), (8, 16), (8, 40), (16, 24), (32, 48), (40, 48)] {
            found.add(object(start, end));
        }
        assert_eq!(kept(&found), [(8, 40), (40, 48)]);
        assert_eq!(
            found.holding(39).and_then(|index| found.objects.get(index as usize)?.end.into()),
            Some(40)
        );
        assert_eq!(found.holding(48), None);
        assert_eq!(found.holding(7), None);
    }

    #[test]
    fn the_nodes_of_a_list_share_a_name() {
        assert_eq!(one_step_down("main.head", "next", true), "main.head.next");
        assert_eq!(one_step_down("main.head.next", "next", true), "main.head.next…");
        assert_eq!(one_step_down("main.head.next…", "next", true), "main.head.next…");
        assert_eq!(one_step_down("main.outer.inner", "inner", false), "main.outer.inner.inner");
        assert_eq!(one_step_down("main.list", "[…].next", false), "main.list[…].next");
        let long = "x".repeat(LONGEST_NAME);
        assert_eq!(one_step_down(&long, "a", false), format!("{long}…"));
        assert_eq!(one_step_down(&format!("{long}…"), "b", false), format!("{long}…"));
    }

    proptest! {
        #[test]
        fn those_that_count_do_not_overlap(ranges in prop::collection::vec((0u64..60, 1u64..20), 0..40)) {
            let mut found = StaticObjects::default();
            for (start, len) in ranges {
                let covered = kept(&found).iter().map(|(start, end)| end - start).sum::<u64>();
                found.add(object(start, start + len));
                let kept = kept(&found);
                prop_assert!(kept.windows(2).all(|pair| pair[0].1 <= pair[1].0));
                prop_assert!(covered <= kept.iter().map(|(start, end)| end - start).sum());
            }
        }
    }
}
