//! What the code of one function says.

use std::collections::BTreeMap;

use super::value::{Origin, State, Value};
use super::world::World;
use crate::types::{Pointee, TypeId};

/// What was found.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// What values of unknown type point at, by what is done with them; `None` where that contradicts itself.
    found: BTreeMap<Origin, Option<Pointee>>,
    /// The same from an earlier look at the same function.
    known: BTreeMap<Origin, Pointee>,
    /// Variables that get a value from elsewhere.
    held: Vec<(u64, Origin)>,
    /// What calls allocate, by where they return to.
    allocated: BTreeMap<u64, Option<Pointee>>,
    /// The structs that closures are, by their code.
    closures: BTreeMap<u64, Option<TypeId>>,
    /// What its result registers hold when it returns; `None` before it does.
    results: Option<Vec<Value>>,
}

impl Facts {
    /// None but what was found before.
    pub(super) fn knowing(before: Facts) -> Facts {
        let known = before.found.into_iter().filter_map(|(origin, pointee)| Some((origin, pointee?)));
        Facts { known: before.known.into_iter().chain(known).collect(), ..Facts::default() }
    }

    /// Keeps only what was known before.
    pub(super) fn forget_found(self) -> Facts {
        Facts { known: self.known, ..Facts::default() }
    }

    /// Whether nothing was found of values of unknown type.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn says(&mut self, origin: Origin, pointee: Pointee) {
        agree(&mut self.found, origin, pointee);
    }

    pub(super) fn holds(&mut self, variable: u64, origin: Origin) {
        if origin != Origin::Variable(variable) && !self.held.contains(&(variable, origin)) {
            self.held.push((variable, origin));
        }
    }

    pub(super) fn allocates(&mut self, returns_to: u64, pointee: Pointee) {
        agree(&mut self.allocated, returns_to, pointee);
    }

    pub(super) fn closure(&mut self, code: u64, ty: TypeId) {
        agree(&mut self.closures, code, ty);
    }

    pub(super) fn returns(&mut self, state: &State, world: &World<'_, '_>) {
        let values: Vec<Value> =
            world.abi.arguments.iter().map(|register| state.register(*register)).collect();
        self.add_results(values);
    }

    /// It goes over into another function, which returns in its stead.
    pub(super) fn returns_what(&mut self, target: u64, world: &World<'_, '_>) {
        let results =
            (0u8..).zip(world.abi.arguments).map(|(index, _)| Value::From(Origin::Result(0, index, target)));
        self.add_results(results.collect());
    }

    pub(super) fn returns_anything(&mut self) {
        self.add_results(Vec::new());
    }

    fn add_results(&mut self, values: Vec<Value>) {
        self.results = Some(match self.results.take() {
            None => values,
            Some(before) => before.iter().zip(&values).map(|(before, now)| before.common(*now)).collect(),
        });
    }

    /// A value that comes from there: of known type, if the code said so.
    pub(super) fn value_from(&self, origin: Origin) -> Value {
        self.known.get(&origin).map_or(Value::From(origin), |pointee| Value::At(*pointee))
    }

    /// What a value points at that came from there.
    pub(super) fn of(&self, origin: Origin) -> Option<Pointee> {
        self.found.get(&origin).copied().unwrap_or_else(|| self.known.get(&origin).copied())
    }

    /// Every variable's word of which it says something: what it points at, or whence its value comes.
    pub(super) fn variables(&self) -> impl Iterator<Item = (u64, Value)> + '_ {
        let origins = self.known.keys().chain(self.found.keys());
        let said = origins.filter_map(|origin| match origin {
            Origin::Variable(at) => Some((*at, Value::At(self.of(*origin)?))),
            Origin::Result(..) | Origin::Argument(_) => None,
        });
        said.chain(self.held.iter().map(|(at, origin)| (*at, Value::From(*origin))))
    }

    pub(super) fn allocated(&self, returns_to: u64) -> Option<Pointee> {
        self.allocated.get(&returns_to).copied().flatten()
    }

    pub(super) fn closures(&self) -> impl Iterator<Item = (u64, TypeId)> + '_ {
        self.closures.iter().filter_map(|(code, ty)| Some((*code, (*ty)?)))
    }

    /// What one of its results is.
    pub(super) fn result(&self, index: u8) -> Value {
        let results = self.results.as_deref().unwrap_or_default();
        results.get(usize::from(index)).copied().unwrap_or_default()
    }
}

/// Notes what is said of a key; what contradicts itself is nothing.
fn agree<K: Ord, V: PartialEq>(all: &mut BTreeMap<K, Option<V>>, key: K, value: V) {
    all.entry(key)
        .and_modify(|known| {
            if known.as_ref() != Some(&value) {
                *known = None;
            }
        })
        .or_insert(Some(value));
}
