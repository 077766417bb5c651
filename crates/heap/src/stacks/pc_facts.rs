//! What the function table says of one program counter, decoded once: twenty thousand goroutines in the same
//! place cost one lookup each.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_goruntime::{Capture, Func, FuncKind, Runtime, StackObject, TypeId};
use leakscope_model::{Addr, Frame, LinkAddr};

/// How a frame came to stand at its program counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// It called; the program counter is where the call returns to.
    Called,
    /// It was stopped anywhere: the program counter is the next instruction, and no stack map holds there.
    Stopped,
    /// It faulted at that very instruction.
    Trapped,
}

/// What holds in a frame at one program counter.
#[derive(Debug)]
pub(crate) struct PcFacts<'b> {
    pub(crate) func: Func<'b>,
    /// How far the stack pointer stands below its place at the entry, in bytes; `None` where the table has a hole.
    pub(crate) sp_delta: Option<u64>,
    /// Live words of the locals, counted from the lowest, and how many the map tells of. `None`: no map.
    pub(crate) locals: Option<(Box<[u32]>, u32)>,
    /// Live words of the arguments. `None`: no map.
    pub(crate) args: Option<Box<[u32]>>,
    /// Whether nothing of the frame is live: it trapped and will not go on.
    pub(crate) dead: bool,
    /// Variables that are live only if a pointer leads to them.
    pub(crate) objects: Rc<[StackObject<'b>]>,
    /// Where its call returns to; `None` for a frame that was stopped elsewhere.
    pub(crate) returns_to: Option<LinkAddr>,
    /// The instruction that stands for the frame's line.
    at: LinkAddr,
    variables: OnceCell<Vec<Variable>>,
}

/// A part of a local variable in the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// Bytes from the stack pointer before the call.
    start: i64,
    end: i64,
    pub(crate) name: Arc<str>,
    pub(crate) ty: TypeId,
    offset: u64,
}

/// Facts by program counter.
pub(crate) struct PcTable<'r, 'b> {
    runtime: &'r Runtime<'b>,
    facts: HashMap<(u64, Standing), Option<Rc<PcFacts<'b>>>>,
    objects: HashMap<u64, Rc<[StackObject<'b>]>>,
    captures: HashMap<u64, Rc<[Capture]>>,
}

/// A variable that a closure on a stack captured.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) name: Arc<str>,
    /// Its type, or that of the pointer to it, and the offset in it of the word in question.
    pub(crate) ty: (TypeId, u64),
}

impl<'r, 'b> PcTable<'r, 'b> {
    pub(crate) fn new(runtime: &'r Runtime<'b>) -> PcTable<'r, 'b> {
        PcTable { runtime, facts: HashMap::new(), objects: HashMap::new(), captures: HashMap::new() }
    }

    /// What holds at `pc`; `None` outside of Go's text.
    pub(crate) fn get(&mut self, pc: LinkAddr, standing: Standing) -> Option<Rc<PcFacts<'b>>> {
        let key = (pc.get(), standing);
        if let Some(known) = self.facts.get(&key) {
            return known.clone();
        }
        let facts = self.decode(pc, standing).map(Rc::new);
        self.facts.insert(key, facts.clone());
        facts
    }

    /// The frames that a person reads for this physical frame, innermost first; `callee` is the kind of function
    /// that it called.
    pub(crate) fn frames(&self, facts: &PcFacts<'b>, callee: FuncKind) -> Vec<Frame> {
        self.runtime.functions.frames_calling(facts.at, callee)
    }

    /// The variable at `offset` bytes from the stack pointer before the call, and the offset in it.
    pub(crate) fn variable<'f>(&self, facts: &'f PcFacts<'b>, offset: i64) -> Option<(&'f Variable, u64)> {
        let variables = facts.variables.get_or_init(|| self.variables(facts.at));
        let variable = variables.iter().find(|variable| (variable.start..variable.end).contains(&offset))?;
        let inside = u64::try_from(offset - variable.start).ok()?;
        Some((variable, variable.offset.checked_add(inside)?))
    }

    /// Where the word at `offset` of a variable stands, from the stack pointer before the call: not always next to
    /// the word after it, since the compiler keeps the words of a variable in places of their own.
    pub(crate) fn place_of(&self, facts: &PcFacts<'b>, name: &str, offset: u64) -> Option<i64> {
        let variables = facts.variables.get_or_init(|| self.variables(facts.at));
        let holds = |variable: &&Variable| {
            let size = variable.end.saturating_sub(variable.start).cast_unsigned();
            &*variable.name == name && offset.checked_sub(variable.offset).is_some_and(|inside| inside < size)
        };
        let variable = variables.iter().find(holds)?;
        variable.start.checked_add_unsigned(offset - variable.offset)
    }

    /// What the closure whose code starts at `code` captured at `offset` of itself: closures that are called before
    /// their function returns, such as deferred ones, lie on the stack, and no variable tells of them. `None` where
    /// `code` is not the start of a function, or nothing was captured there.
    pub(crate) fn captured(&mut self, code: Addr, offset: u64) -> Option<Captured> {
        let entry = self.runtime.linked(code);
        if self.runtime.functions.find(entry)?.entry != entry {
            return None;
        }
        let read = || self.runtime.debug.captures(entry).into();
        let captures = self.captures.entry(code.get()).or_insert_with(read);
        let types = &self.runtime.debug.types;
        captures.iter().find_map(|capture| {
            let inside = offset.checked_sub(capture.offset)?;
            let size = types.get(capture.ty)?.size;
            (inside < size).then(|| Captured { name: Arc::clone(&capture.name), ty: (capture.ty, inside) })
        })
    }

    fn variables(&self, at: LinkAddr) -> Vec<Variable> {
        let mut variables = Vec::new();
        for local in self.runtime.debug.locals_at(at) {
            for piece in local.pieces {
                let size = i64::try_from(piece.size).unwrap_or(0);
                variables.push(Variable {
                    start: piece.cfa_offset,
                    end: piece.cfa_offset.saturating_add(size),
                    name: Arc::clone(&local.name),
                    ty: local.ty,
                    offset: piece.offset_in_variable,
                });
            }
        }
        variables
    }

    fn decode(&mut self, pc: LinkAddr, standing: Standing) -> Option<PcFacts<'b>> {
        let table = &self.runtime.functions;
        let func = table.find(pc)?;
        // A frame that trapped goes on, if at all, at its deferred calls (`continpc` in `resolveInternal`).
        let (goes_on, dead) = match (standing, func.deferreturn) {
            (Standing::Trapped, 0) => (pc, true),
            (Standing::Trapped, deferreturn) => {
                (LinkAddr::new(func.entry.get().wrapping_add(u64::from(deferreturn) + 1)), false)
            }
            (Standing::Called | Standing::Stopped, _) => (pc, false),
        };
        let maps = table.stack_maps(goes_on).unwrap_or_default();
        let indices = |pointers: &mut dyn Iterator<Item = usize>| -> Box<[u32]> {
            pointers.filter_map(|index| u32::try_from(index).ok()).collect()
        };
        let locals =
            maps.locals.map(|map| (indices(&mut map.pointers()), u32::try_from(map.len()).unwrap_or(0)));
        let args = maps.args.map(|map| indices(&mut map.pointers()));
        let at = if standing == Standing::Called { table.call_before(pc) } else { pc };
        Some(PcFacts {
            sp_delta: table.sp_delta(pc).and_then(|delta| u64::try_from(delta).ok()),
            locals,
            args,
            dead,
            returns_to: (standing == Standing::Called).then_some(pc),
            objects: self.objects_of(&func),
            at,
            func,
            variables: OnceCell::new(),
        })
    }

    fn objects_of(&mut self, func: &Func<'b>) -> Rc<[StackObject<'b>]> {
        let table = &self.runtime.functions;
        let read = || table.stack_objects(func).unwrap_or_default().into();
        self.objects.entry(func.entry.get()).or_insert_with(read).clone()
    }
}
