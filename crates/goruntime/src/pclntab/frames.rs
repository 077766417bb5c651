//! From a program counter to the frames that a person reads: inlined calls expanded, wrappers hidden
//! (`runtime.inlineUnwinder`, `runtime.traceback2`, `runtime.funcline1`).

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use leakscope_model::{Frame, LinkAddr};

use super::func::{Func, FuncKind, name_at};
use super::{FuncTable, PcData, funcdata};
use crate::integers::{c_str_at, i32_at, u8_at, u32_at};

/// Bytes of `runtime.inlinedCall`.
const INLINED_CALL: usize = 16;
/// Deeper inlining than the compiler ever does; a tree that goes on is a circle.
const MAX_INLINED: usize = 256;
/// Program counters whose frames are remembered; beyond it each is decoded anew.
const MAX_REMEMBERED: usize = 1 << 18;

/// Names that many frames share, each held once.
#[derive(Debug, Default)]
pub(super) struct Names {
    held: RwLock<HashMap<Box<str>, Arc<str>>>,
}

impl Names {
    fn share(&self, name: &str) -> Arc<str> {
        if let Some(held) = self.held.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(held);
        }
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(held.entry(name.into()).or_insert_with(|| Arc::from(name)))
    }
}

/// One logical call: the physical function or one inlined into it.
struct Call<'b> {
    name: &'b str,
    kind: FuncKind,
    /// The instruction that stands for its line.
    pc: LinkAddr,
    inlined: bool,
}

impl<'b> FuncTable<'b> {
    /// The frames of the instruction at `pc`, innermost first, inlined calls expanded and wrappers hidden.
    ///
    /// `pc` is that of the instruction itself. For a return address ask [`FuncTable::frames_returning_to`]. Empty
    /// outside of Go's text, and where all there is is a wrapper.
    pub fn frames_at(&self, pc: LinkAddr) -> Vec<Frame> {
        self.frames_calling(pc, FuncKind::Normal)
    }

    /// The frames of the call that returns to `pc`: those one byte before it, save at a function's entry, where a
    /// goroutine that never ran stands.
    pub fn frames_returning_to(&self, pc: LinkAddr) -> Vec<Frame> {
        self.frames_at(self.call_before(pc))
    }

    /// The instruction that stands for the call which returns to `pc`.
    pub fn call_before(&self, pc: LinkAddr) -> LinkAddr {
        match self.find(pc) {
            Some(func) if func.entry == pc => pc,
            _ => LinkAddr::new(pc.get().saturating_sub(1)),
        }
    }

    /// As [`FuncTable::frames_at`], where the frame below is a function of kind `callee`: a wrapper that calls
    /// `gopanic` or faults is shown.
    pub fn frames_calling(&self, pc: LinkAddr, callee: FuncKind) -> Vec<Frame> {
        let key = (pc.get(), callee.hides_calling_wrapper());
        if let Some(known) = self.frames.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let frames = self.decode_frames(pc, callee);
        let mut remembered = self.frames.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() < MAX_REMEMBERED && !frames.is_empty() {
            remembered.insert(key, frames.clone());
        }
        frames
    }

    /// The kind of the outermost function of `pc` once inlining is expanded; what to hand to
    /// [`FuncTable::frames_calling`] for the caller.
    pub fn kind_at(&self, pc: LinkAddr) -> FuncKind {
        self.find(pc).map_or(FuncKind::Normal, |func| func.kind)
    }

    /// File and line of the instruction at `pc`, in the innermost inlined call (`runtime.funcline1`).
    pub fn line_at(&self, pc: LinkAddr) -> Option<(&'b str, u32)> {
        self.line_in(&self.find(pc)?, pc)
    }

    fn line_in(&self, func: &Func<'b>, pc: LinkAddr) -> Option<(&'b str, u32)> {
        let file = self.value_at(func, func.pcfile, pc)?;
        let line = self.value_at(func, func.pcln, pc)?;
        let index = usize::try_from(func.unit).ok()?.checked_add(usize::try_from(file).ok()?)?;
        let offset = u32_at(self.header.cutab, index.checked_mul(4)?)?;
        Some((c_str_at(self.header.filetab, usize::try_from(offset).ok()?)?, u32::try_from(line).ok()?))
    }

    fn decode_frames(&self, pc: LinkAddr, callee: FuncKind) -> Vec<Frame> {
        let Some(func) = self.find(pc) else { return Vec::new() };
        let mut below = callee;
        let mut frames = Vec::new();
        for call in self.calls(&func, pc) {
            let hidden = call.kind == FuncKind::Wrapper && below.hides_calling_wrapper();
            below = call.kind;
            if hidden {
                continue;
            }
            let (file, line) = self.line_in(&func, call.pc).unwrap_or(("", 0));
            let function = self.names.share(&printed_name(call.name));
            frames.push(Frame { function, file: self.names.share(file), line, inlined: call.inlined });
        }
        frames
    }

    /// The logical calls at `pc`, innermost first; the last is the physical function.
    fn calls(&self, func: &Func<'b>, pc: LinkAddr) -> Vec<Call<'b>> {
        let mut calls = Vec::new();
        let mut at = pc;
        let tree = self.funcdata(func, funcdata::INL_TREE);
        while let Some((call, parent)) = tree.and_then(|tree| self.inlined_at(func, tree, at)) {
            calls.push(call);
            at = parent;
            if calls.len() >= MAX_INLINED {
                break;
            }
        }
        calls.push(Call { name: func.name, kind: func.kind, pc: at, inlined: false });
        calls
    }

    /// The inlined call that the instruction at `pc` belongs to, and the instruction that stands for its caller.
    fn inlined_at(&self, func: &Func<'b>, tree: &[u8], pc: LinkAddr) -> Option<(Call<'b>, LinkAddr)> {
        let table = func.pcdata_offset(&self.header, PcData::InlTreeIndex)?;
        let index = usize::try_from(self.value_at(func, table, pc)?).ok()?;
        let record = tree.get(index.checked_mul(INLINED_CALL)?..)?;
        let parent = u64::try_from(i32_at(record, 8)?).ok()?;
        let name = name_at(&self.header, i32_at(record, 4)?)?;
        let kind = self.ids.kind(u8_at(record, 0)?);
        let caller = LinkAddr::new(func.entry.get().checked_add(parent)?);
        Some((Call { name, kind, pc, inlined: true }, caller))
    }
}

/// A function's name as tracebacks and profiles print it: what stands between the first `[` and the last `]`
/// becomes `...` (`runtime.funcNameForPrint`).
fn printed_name(name: &str) -> String {
    match (name.find('['), name.rfind(']')) {
        (Some(open), Some(close)) if open < close => {
            let (head, tail) = (name.get(..open).unwrap_or(name), name.get(close + 1..).unwrap_or(""));
            format!("{head}[...]{tail}")
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::printed_name;

    #[test]
    fn type_arguments_are_folded_as_the_runtime_folds_them() {
        assert_eq!(printed_name("main.Map[go.shape.[]int].func1"), "main.Map[...].func1");
        assert_eq!(printed_name("main.(*T).Close"), "main.(*T).Close");
        assert_eq!(printed_name("main.odd]["), "main.odd][");
    }
}
