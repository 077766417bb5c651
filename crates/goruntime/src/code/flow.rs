//! One function's code followed from its entry: which value stands where, at every place of it.
//!
//! Forward over the basic blocks until nothing changes. Where two ways meet, what holds on both is kept.

use std::collections::BTreeMap;
use std::ops::Range;

use super::calls;
use super::facts::Facts;
use super::step::{Place, Placed, Step};
use super::value::{Origin, State, Value};
use super::world::World;
use crate::types::Pointee;

/// How often a step is taken on average, before a function is given up as one that does not come to rest.
const VISITS: usize = 40;

/// A function that was followed.
#[derive(Debug, Default)]
pub(super) struct Flow {
    code: Code,
    /// The state at the start of every basic block, by the index of its first step.
    blocks: BTreeMap<usize, Option<State>>,
    /// What its code says.
    pub(super) facts: Facts,
}

impl Flow {
    /// Follows the steps of a function whose entry is in state `entry`; places on its stack count from the stack
    /// pointer at the entry.
    pub(super) fn new(world: &World<'_, '_>, code: Code, entry: &State) -> Flow {
        let mut flow = Flow { blocks: code.blocks(), code, facts: Facts::default() };
        flow.follow(world, entry);
        // What the code says of a value further on holds from where it came.
        if !flow.facts.is_empty() {
            let known = std::mem::take(&mut flow.facts);
            flow.blocks.values_mut().for_each(|state| *state = None);
            flow.facts = Facts::knowing(known);
            flow.follow(world, entry);
        }
        flow
    }

    /// What stands in a slot of its frame when the call that returns to `pc` is made.
    pub(super) fn slot_at_call(&self, world: &World<'_, '_>, pc: u64, offset: i64) -> Value {
        let Some((first, state)) = self.block_returning_to(pc) else { return Value::Unknown };
        let mut state = state.clone();
        let mut no_facts = Facts::knowing(self.facts.clone());
        for placed in self.code.steps.iter().skip(first) {
            if placed.next == pc && matches!(placed.step, Step::Call(_)) {
                return state.slot(offset);
            }
            if placed.at >= pc {
                break;
            }
            take(world, &mut state, placed, &mut no_facts);
        }
        Value::Unknown
    }

    fn block_returning_to(&self, pc: u64) -> Option<(usize, &State)> {
        let behind = self.code.steps.partition_point(|placed| placed.at < pc);
        let (first, state) = self.blocks.range(..behind).next_back()?;
        Some((*first, state.as_ref()?))
    }

    fn follow(&mut self, world: &World<'_, '_>, entry: &State) {
        let mut left = self.code.steps.len().saturating_mul(VISITS);
        let mut ways = Ways { blocks: &mut self.blocks, waiting: Vec::new() };
        ways.reach(0, entry);
        loop {
            while let Some(first) = ways.waiting.pop() {
                let Some(state) = ways.blocks.get(&first).cloned().flatten() else { continue };
                let taken = block(
                    world,
                    &self.code,
                    ways.block(first, self.code.steps.len()),
                    state,
                    &mut ways,
                    &mut self.facts,
                );
                left = left.saturating_sub(taken);
                if left == 0 {
                    ways.blocks.values_mut().for_each(|state| *state = Some(State::default()));
                    self.facts = Facts::default();
                    return;
                }
            }
            // Blocks that only a jump through a table leads to.
            let unreached = ways.blocks.iter().find(|(_, state)| state.is_none()).map(|(first, _)| *first);
            let Some(first) = unreached else { break };
            ways.reach(first, &State::default());
        }
        // Only now is what holds known for good.
        let known = std::mem::take(&mut self.facts).forget_found();
        self.facts = known;
        let starts: Vec<usize> = self.blocks.keys().copied().collect();
        for first in starts {
            let Some(state) = self.blocks.get(&first).cloned().flatten() else { continue };
            let mut ways = Ways { blocks: &mut self.blocks, waiting: Vec::new() };
            let block_of = ways.block(first, self.code.steps.len());
            block(world, &self.code, block_of, state, &mut ways, &mut self.facts);
        }
    }
}

/// A function's code as steps.
#[derive(Debug, Default)]
pub(super) struct Code {
    /// In order of address; instructions that do nothing of interest have none.
    pub(super) steps: Vec<Placed>,
    /// From the entry to behind the last instruction.
    pub(super) range: Range<u64>,
}

impl Code {
    /// The index of the first step from an address of this code on.
    fn index_of(&self, at: u64) -> Option<usize> {
        let inside = self.range.contains(&at);
        inside
            .then(|| self.steps.partition_point(|placed| placed.at < at))
            .filter(|index| *index < self.steps.len())
    }

    /// Where the basic blocks begin.
    fn blocks(&self) -> BTreeMap<usize, Option<State>> {
        let mut starts = BTreeMap::from([(0, None)]);
        for (index, placed) in self.steps.iter().enumerate() {
            let (target, ends) = match placed.step {
                Step::Branch(target) => (Some(target), true),
                Step::Jump(target) => (target, true),
                Step::Return | Step::Stop => (None, true),
                _ => (None, false),
            };
            if let Some(target) = target.and_then(|target| self.index_of(target)) {
                starts.insert(target, None);
            }
            if ends && index + 1 < self.steps.len() {
                starts.insert(index + 1, None);
            }
        }
        starts
    }
}

/// The blocks and those that are to be followed again.
struct Ways<'f> {
    blocks: &'f mut BTreeMap<usize, Option<State>>,
    waiting: Vec<usize>,
}

impl Ways<'_> {
    /// The steps of the block that begins with this one.
    fn block(&self, first: usize, all: usize) -> Range<usize> {
        first..self.blocks.range(first + 1..).next().map_or(all, |(next, _)| *next)
    }

    /// Notes that a block is reached in a state.
    fn reach(&mut self, first: usize, with: &State) {
        let Some(state) = self.blocks.get_mut(&first) else { return };
        let news = match state {
            Some(state) => state.keep_common(with),
            None => {
                *state = Some(with.clone());
                true
            }
        };
        if news {
            self.waiting.push(first);
        }
    }
}

/// Takes the steps of one block; returns how many they were.
fn block(
    world: &World<'_, '_>,
    code: &Code,
    block: Range<usize>,
    mut state: State,
    ways: &mut Ways<'_>,
    facts: &mut Facts,
) -> usize {
    let taken = block.len().max(1);
    for placed in code.steps.get(block.clone()).unwrap_or_default() {
        match placed.step {
            Step::Branch(target) => {
                if let Some(target) = code.index_of(target) {
                    ways.reach(target, &state);
                }
            }
            // It starts anew with a larger stack.
            Step::Jump(Some(target)) if target == code.range.start => return taken,
            Step::Call(Some(target)) if world.function_at(target).is_some_and(calls::never_returns) => {
                return taken;
            }
            Step::Jump(Some(target)) => {
                match code.index_of(target) {
                    Some(target) => ways.reach(target, &state),
                    // It ends with a call of another function, whose results are its own.
                    None => facts.returns_what(target, world),
                }
                return taken;
            }
            Step::Jump(None) => {
                facts.returns_anything();
                return taken;
            }
            Step::Return => {
                facts.returns(&state, world);
                return taken;
            }
            Step::Stop => return taken,
            _ => take(world, &mut state, placed, facts),
        }
    }
    ways.reach(block.end, &state);
    taken
}

/// One step that goes on to the next.
fn take(world: &World<'_, '_>, state: &mut State, placed: &Placed, facts: &mut Facts) {
    match placed.step {
        Step::Constant { to, value } => state.set(to, Value::Number(value)),
        Step::StackAddress { to, above } => state.set(to, Value::Stack(above)),
        Step::Copy { to, from, plus: 0 } => state.set(to, state.register(from)),
        Step::Copy { to, from, plus } => {
            let value = match state.register(from) {
                Value::Number(number) => Value::Number(number.wrapping_add_signed(plus)),
                Value::Stack(offset) => Value::Stack(offset.wrapping_add(plus)),
                _ => Value::Unknown,
            };
            state.set(to, value);
        }
        Step::Load { to, from } => state.set(to, loaded(world, state, from, facts)),
        Step::Store { to, from } => stored(world, state, to, state.register(from), facts),
        Step::Overwrite { to: Place::Stack(offset), bytes } => state.overwrite(offset, bytes),
        Step::Overwrite { .. } => {}
        Step::Forget(mask) => state.forget(mask),
        Step::Call(target) => called(world, state, placed.next, target, facts),
        Step::Jump(_) | Step::Branch(_) | Step::Return | Step::Stop => {}
    }
}

fn loaded(world: &World<'_, '_>, state: &State, from: Place, facts: &Facts) -> Value {
    match resolved(state, from) {
        Where::Slot(offset) => state.slot(offset),
        Where::Variable(at) => facts.value_from(Origin::Variable(at)),
        Where::Inside(Pointee::One(ty), offset) => {
            world.word_of(ty, offset).map_or(Value::Unknown, Value::At)
        }
        Where::Inside(..) | Where::Elsewhere => Value::Unknown,
    }
}

fn stored(world: &World<'_, '_>, state: &mut State, to: Place, value: Value, facts: &mut Facts) {
    match (resolved(state, to), value) {
        (Where::Slot(offset), value) => state.set_slot(offset, value),
        (Where::Variable(at), Value::At(pointee)) => facts.says(Origin::Variable(at), pointee),
        (Where::Variable(at), Value::From(origin)) => facts.holds(at, origin),
        (Where::Inside(Pointee::One(ty), 0), Value::Number(code)) if world.is_code(code) => {
            facts.closure(code, ty);
        }
        _ => {}
    }
}

/// Where a place is, as far as that is known.
enum Where {
    Slot(i64),
    Variable(u64),
    Inside(Pointee, u64),
    Elsewhere,
}

fn resolved(state: &State, place: Place) -> Where {
    match place {
        Place::Stack(offset) => Where::Slot(offset),
        Place::At(at) => Where::Variable(at),
        Place::Behind(register, offset) => match state.register(register) {
            Value::Number(at) => Where::Variable(at.wrapping_add_signed(offset)),
            Value::Stack(at) => Where::Slot(at.wrapping_add(offset)),
            Value::At(pointee) => match u64::try_from(offset) {
                Ok(offset) => Where::Inside(pointee, offset),
                Err(_) => Where::Elsewhere,
            },
            Value::From(_) | Value::Unknown => Where::Elsewhere,
        },
        Place::Unknown => Where::Elsewhere,
    }
}

fn called(world: &World<'_, '_>, state: &mut State, next: u64, target: Option<u64>, facts: &mut Facts) {
    let name = target.and_then(|target| world.function_at(target));
    if name.is_some_and(calls::keeps_registers) {
        return state.forget(1 << world.abi.barrier_result);
    }
    let argument =
        |index: u8| world.abi.argument(index).map_or(Value::Unknown, |register| state.register(register));
    let says = name.and_then(calls::of);
    let ty = says.and_then(|says| says.ty).and_then(|index| match argument(index) {
        Value::Number(at) => world.type_at(at),
        _ => None,
    });
    let meant = |meaning| world.meant(meaning, says.and_then(|says| says.ty).is_some(), ty);
    if let Some((index, meaning)) = says.and_then(|says| says.argument)
        && let (Value::From(origin), Some(pointee)) = (argument(index), meant(meaning))
    {
        facts.says(origin, pointee);
    }
    let callee = target.zip(name);
    let parameters = callee.map_or_else(Vec::new, |(code, name)| world.parameters(code, name));
    for (index, pointee) in (0u8..).zip(parameters).filter_map(|(index, pointee)| Some((index, pointee?))) {
        passed(world, argument(index), pointee, facts);
    }
    let mut results = target.map_or_else(Vec::new, |code| world.results(code));
    if let Some(pointee) = says.and_then(|says| says.result).and_then(meant) {
        facts.allocates(next, pointee);
        results = vec![Some(pointee)];
    }
    state.forget(u64::MAX);
    for (index, register) in (0u8..).zip(world.abi.arguments) {
        let value = match results.get(usize::from(index)).copied().flatten() {
            Some(pointee) => Value::At(pointee),
            None => facts.value_from(Origin::Result(next, index, target.unwrap_or(0))),
        };
        state.set(*register, value);
    }
}

/// What it says of a value that it is passed where something points at this.
fn passed(world: &World<'_, '_>, value: Value, pointee: Pointee, facts: &mut Facts) {
    match (value, pointee) {
        (Value::From(origin), pointee) => facts.says(origin, pointee),
        (Value::Number(at), Pointee::One(ty)) => world.words_of(ty).for_each(|(offset, pointee)| {
            facts.says(Origin::Variable(at.wrapping_add(offset)), pointee);
        }),
        _ => {}
    }
}
