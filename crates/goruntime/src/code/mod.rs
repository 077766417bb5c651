//! What the program's own code says of types, where nothing else does: the type that a call of the allocator names,
//! and where the code puts what it got.
//!
//! Code is followed function by function, from the entry, with the types that are known at the start: that of a
//! method's receiver, by the method's name, and those that calls of the runtime name. Nothing is guessed: where two
//! ways of the code say different things, it says nothing. The authority for what calls mean is the compiler's list of
//! runtime functions (`cmd/compile/internal/typecheck/_builtin/runtime.go`) and `cmd/compile/abi-internal.md`.

mod amd64;
mod arm64;
mod calls;
mod facts;
mod flow;
mod references;
mod signatures;
mod step;
#[cfg(test)]
mod tests;
mod value;
mod world;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hashbrown::HashMap;
use leakscope_model::LinkAddr;

use self::flow::{Code, Flow};
use self::references::Wanted;
pub use self::references::addresses_in;
pub use self::signatures::Signature;
use self::step::{Place, Step};
use self::value::{Origin, State, Value};
use self::world::{Abi, World};
use crate::elf::Arch;
use crate::pclntab::{Func, FuncTable};
use crate::types::{Pointee, TypeId, Types};

/// Code that is followed at most, in bytes: what lies beyond says nothing.
const MOST_CODE: usize = 64 << 20;
/// The longest function that is followed, in bytes.
const LONGEST: usize = 1 << 20;
/// From result to result through so many functions.
const DEEPEST: usize = 8;
/// Code may refer to a variable's word by the address of the variable, which lies at most so far below.
const WITHIN_VARIABLE: u64 = 1 << 10;

/// Reads types out of code.
pub struct CodeReader<'w, 'b> {
    world: World<'w, 'b>,
    functions: &'w FuncTable<'b>,
    arch: Arch,
    flows: RefCell<HashMap<u64, Option<Rc<Flow>>>>,
    closures: RefCell<BTreeMap<u64, TypeId>>,
    left: Cell<usize>,
}

/// Follows code that stands alone, of no known function, and says how many of its values are known where it returns.
pub fn follow_alone(arch: Arch, code: &[u8]) -> usize {
    let types = Types::default();
    let world = World::new(Abi::of(arch), None, &types, &|_| None, &[]);
    let code = code.get(..LONGEST).unwrap_or(code);
    let range = 0..code.len() as u64;
    let flow = Flow::new(&world, Code { steps: (world.abi.steps)(code, 0), range }, &State::default());
    (0u8..).zip(world.abi.arguments).filter(|(index, _)| flow.facts.result(*index) != Value::Unknown).count()
}

/// A function that refers to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Referrer<'b> {
    /// Its name in full.
    pub function: &'b str,
    /// How far below the address that lies which the code names.
    pub below: u64,
}

impl<'w, 'b> CodeReader<'w, 'b> {
    /// A reader of the code of `functions` for `arch`; `type_of` tells the type of `types` whose descriptor the linker
    /// placed at an address; `signatures` are those of functions of which they are known, in order of address.
    pub fn new(
        functions: &'w FuncTable<'b>,
        arch: Arch,
        types: &'w Types,
        type_of: &'w dyn Fn(LinkAddr) -> Option<TypeId>,
        signatures: &'w [Signature],
    ) -> CodeReader<'w, 'b> {
        CodeReader {
            world: World::new(Abi::of(arch), Some(functions), types, type_of, signatures),
            functions,
            arch,
            flows: RefCell::default(),
            closures: RefCell::default(),
            left: Cell::new(MOST_CODE),
        }
    }

    /// What the call that returns to `pc` allocates.
    pub fn allocated_by(&self, pc: LinkAddr) -> Option<Pointee> {
        let function = self.functions.find(LinkAddr::new(pc.get().checked_sub(1)?))?;
        self.flow(&function)?.facts.allocated(pc.get())
    }

    /// What the word of a frame points at that stands `offset` bytes from the stack pointer before the call of its
    /// function, while the call is made that returns to `pc`.
    pub fn in_frame(&self, pc: LinkAddr, offset: i64) -> Option<Pointee> {
        let function = self.functions.find(LinkAddr::new(pc.get().checked_sub(1)?))?;
        let flow = self.flow(&function)?;
        let value = flow.slot_at_call(&self.world, pc.get(), offset.checked_add(self.world.abi.pushed)?);
        self.pointee(&flow, value, 0)
    }

    /// What these words of package variables point at, as far as code says so.
    pub fn in_variables(&self, words: &[LinkAddr]) -> BTreeMap<LinkAddr, Pointee> {
        let wanted = Wanted::new(words.iter().copied(), WITHIN_VARIABLE);
        let mut said: BTreeMap<u64, Option<Pointee>> = BTreeMap::new();
        // Variables that get the value of another.
        let mut copies: Vec<(u64, u64)> = Vec::new();
        for function in references::functions(self.functions, self.arch, &wanted) {
            let Some(flow) = self.flow(&function) else { continue };
            for (at, value) in flow.facts.variables() {
                if wanted.meant_by(at).first() != Some(&at) {
                    continue;
                }
                let Some(pointee) = self.pointee(&flow, value, 0) else {
                    copies.extend(self.variable_behind(value).map(|from| (at, from)));
                    continue;
                };
                let entry = said.entry(at).or_insert(Some(pointee));
                *entry = entry.filter(|known| *known == pointee);
            }
        }
        for (to, from) in copies {
            if let Some(known) = said.get(&from).copied().flatten() {
                said.entry(to).or_insert(Some(known));
            }
        }
        said.into_iter().filter_map(|(at, pointee)| Some((LinkAddr::new(at), pointee?))).collect()
    }

    /// The variable that a value comes from.
    fn variable_behind(&self, value: Value) -> Option<u64> {
        match value {
            Value::From(Origin::Variable(at)) => Some(at),
            _ => None,
        }
    }

    /// The structs that closures of these functions are: their code, then what they captured.
    pub fn closures(&self, codes: &[LinkAddr]) -> BTreeMap<LinkAddr, TypeId> {
        let wanted = Wanted::new(codes.iter().copied(), 0);
        let mut said: BTreeMap<u64, Option<TypeId>> = BTreeMap::new();
        for function in references::functions(self.functions, self.arch, &wanted) {
            let Some(flow) = self.flow(&function) else { continue };
            for (code, ty) in flow.facts.closures() {
                let entry = said.entry(code).or_insert(Some(ty));
                *entry = entry.filter(|known| *known == ty);
            }
        }
        let known: BTreeMap<u64, TypeId> =
            said.into_iter().filter_map(|(code, ty)| Some((code, ty?))).collect();
        // What was followed before these were known is to be followed anew.
        self.flows.borrow_mut().retain(|code, _| !known.contains_key(code));
        self.closures.borrow_mut().extend(&known);
        known.into_iter().map(|(code, ty)| (LinkAddr::new(code), ty)).collect()
    }

    /// The functions that refer to each of these words of package variables, by the address of the word or by one
    /// below it, the nearest first.
    pub fn referrers(&self, words: &[LinkAddr]) -> BTreeMap<LinkAddr, Vec<Referrer<'b>>> {
        let wanted = Wanted::new(words.iter().copied(), WITHIN_VARIABLE);
        let mut found: BTreeMap<LinkAddr, Vec<Referrer<'b>>> = BTreeMap::new();
        for function in references::functions(self.functions, self.arch, &wanted) {
            for placed in self.code(&function).unwrap_or_default().steps {
                let Some(named) = references::named(&placed) else { continue };
                for word in wanted.meant_by(named) {
                    let all = found.entry(LinkAddr::new(*word)).or_default();
                    let new = Referrer { function: function.name, below: word - named };
                    if !all.contains(&new) {
                        all.push(new);
                    }
                }
            }
        }
        found.values_mut().for_each(|all| all.sort_by_key(|referrer| referrer.below));
        found
    }

    /// What a value points at; results of calls are asked of the functions that were called.
    fn pointee(&self, flow: &Flow, value: Value, depth: usize) -> Option<Pointee> {
        let origin = match value {
            Value::At(pointee) => return Some(pointee),
            Value::From(origin) => origin,
            Value::Number(_) | Value::Stack(_) | Value::Unknown => return None,
        };
        if let Some(pointee) = flow.facts.of(origin) {
            return Some(pointee);
        }
        match origin {
            Origin::Result(_, index, callee) if depth < DEEPEST && callee != 0 => {
                let function = self.functions.find(LinkAddr::new(callee))?;
                // The runtime's own functions serve all types.
                Some(()).filter(|()| !calls::is_runtime(function.name))?;
                let flow = self.flow(&function)?;
                self.pointee(&flow, flow.facts.result(index), depth + 1)
            }
            _ => None,
        }
    }

    fn flow(&self, function: &Func<'b>) -> Option<Rc<Flow>> {
        let entry = function.entry.get();
        if let Some(known) = self.flows.borrow().get(&entry) {
            return known.clone();
        }
        let flow =
            self.code(function).map(|code| Rc::new(Flow::new(&self.world, code, &self.at_entry(function))));
        self.flows.borrow_mut().insert(entry, flow.clone());
        flow
    }

    /// The steps of a function whose places on the stack count from the stack pointer at its entry.
    fn code(&self, function: &Func<'b>) -> Option<Code> {
        let code = self.functions.code_of(function).filter(|code| code.len() <= LONGEST)?;
        self.left.set(self.left.get().checked_sub(code.len())?);
        let mut steps = (self.world.abi.steps)(code, function.entry.get());
        let mut depths = self.functions.sp_deltas(function).peekable();
        for placed in &mut steps {
            let inside = placed.at.saturating_sub(function.entry.get());
            while depths.next_if(|(end, _)| *end <= inside).is_some() {}
            let depth = depths.peek().map(|(_, depth)| i64::from(*depth));
            let from_entry = |place: Place| match place {
                Place::Stack(offset) => depth.map_or(Place::Unknown, |depth| Place::Stack(offset - depth)),
                place => place,
            };
            if let (Step::StackAddress { to, above }, depth) = (placed.step, depth) {
                placed.step = match depth {
                    Some(depth) => Step::StackAddress { to, above: above - depth },
                    None => Step::Forget(1 << to),
                };
            }
            match &mut placed.step {
                Step::Load { from: place, .. }
                | Step::Store { to: place, .. }
                | Step::Overwrite { to: place, .. } => {
                    *place = from_entry(*place);
                }
                _ => {}
            }
        }
        Some(Code { steps, range: function.entry.get()..function.end.get() })
    }

    /// What is known when a function starts: the receiver of a method, what a closure captured.
    fn at_entry(&self, function: &Func<'b>) -> State {
        let mut state = State::default();
        let parameters = self.world.parameters(function.entry.get(), function.name);
        for (index, register) in (0u8..).zip(self.world.abi.arguments) {
            let value = match parameters.get(usize::from(index)).copied().flatten() {
                Some(pointee) => Value::At(pointee),
                None => Value::From(Origin::Argument(index)),
            };
            state.set(*register, value);
        }
        if let Some(ty) = self.closures.borrow().get(&function.entry.get()) {
            state.set(self.world.abi.context, Value::At(Pointee::One(*ty)));
        }
        state
    }
}
