//! From a program counter and a stack pointer to the frames of a stack (`runtime/traceback.go`, `unwinder`).

use std::rc::Rc;

use leakscope_goruntime::{Arch, FuncKind};
use leakscope_model::{Addr, Bias};

use super::pc_facts::{PcFacts, PcTable, Standing};
use crate::fields::WORD;

/// How calls are made on a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calling {
    /// Whether a call leaves its return address in a register (`usesLR`).
    link_register: bool,
    /// Bytes below the arguments that belong to the callee (`sys.MinFrameSize`).
    min_frame: u64,
    /// A frame of this many bytes or less has no locals, and so no map of them.
    pub(crate) no_locals: u64,
    /// Bytes above an injected call, in which the signal handler saved the link register.
    injected: u64,
}

impl Calling {
    pub(crate) fn of(arch: Arch) -> Calling {
        match arch {
            Arch::Amd64 => Calling { link_register: false, min_frame: 0, no_locals: 0, injected: 0 },
            Arch::Arm64 => Calling { link_register: true, min_frame: 8, no_locals: 16, injected: 16 },
        }
    }
}

/// The used part of a stack.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StackBytes<'a> {
    /// Address of the first byte.
    pub(crate) base: u64,
    /// Up to the stack's upper bound.
    pub(crate) bytes: &'a [u8],
}

impl StackBytes<'_> {
    /// The word at `addr`; `None` outside.
    pub(crate) fn word(&self, addr: u64) -> Option<u64> {
        let start = usize::try_from(addr.checked_sub(self.base)?).ok()?;
        Some(u64::from_le_bytes(*self.bytes.get(start..)?.first_chunk()?))
    }

    /// The address behind the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.base.saturating_add(self.bytes.len() as u64)
    }

    /// Whether `addr` lies in it.
    pub(crate) fn holds(&self, addr: u64) -> bool {
        (self.base..self.end()).contains(&addr)
    }
}

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    /// The link register, 0 where there is none or its content is saved on the stack.
    pub(crate) link: u64,
    /// `Called` for a goroutine that gave up its thread, `Stopped` for one that a thread was running.
    pub(crate) standing: Standing,
    /// Whether `pc` and `sp` are those of the entry into a system call.
    pub(crate) in_syscall: bool,
}

/// One call in progress, inlined calls not told apart.
#[derive(Debug, Clone)]
pub(crate) struct PhysicalFrame<'b> {
    pub(crate) facts: Rc<PcFacts<'b>>,
    /// The kind of function that it called.
    pub(crate) callee: FuncKind,
    /// The lowest byte.
    pub(crate) sp: u64,
    /// The caller's stack pointer: what offsets of variables count from.
    pub(crate) fp: u64,
    /// Behind the locals.
    pub(crate) varp: u64,
    /// The arguments.
    pub(crate) argp: u64,
    /// Whether no map tells which of its words are live.
    pub(crate) conservative: bool,
}

/// The frames of a stack, innermost first.
#[derive(Debug, Default)]
pub(crate) struct Unwound<'b> {
    pub(crate) frames: Vec<PhysicalFrame<'b>>,
    /// Why the outermost frame is not that of the goroutine's bottom.
    pub(crate) broken: Option<String>,
}

/// Unwinds a stack.
pub(crate) fn unwind<'b>(
    table: &mut PcTable<'_, 'b>,
    bias: Bias,
    calling: Calling,
    stack: StackBytes<'_>,
    start: Start,
) -> Unwound<'b> {
    let mut unwound = Unwound::default();
    let mut here = Place { pc: start.pc, sp: start.sp, link: start.link, standing: start.standing };
    let mut callee = FuncKind::Normal;
    let mut conservative = start.standing == Standing::Stopped;
    loop {
        let innermost = unwound.frames.is_empty();
        let Some(facts) = table.get(Addr::new(here.pc).unrelocate(bias), here.standing) else {
            unwound.broken = Some(format!("{:#x} is not in Go's text", here.pc));
            return unwound;
        };
        let Some(mut frame) = frame_at(&facts, here, calling, stack) else {
            unwound.broken =
                Some(format!("no stack depth at {:#x} or a stack pointer out of bounds", here.pc));
            return unwound;
        };
        let kind = facts.func.kind;
        let interrupted = matches!(kind, FuncKind::AsyncPreempt | FuncKind::DebugCall);
        frame.callee = callee;
        frame.conservative = conservative || interrupted;
        conservative = interrupted;
        let fp = frame.fp;
        // `systemstack` and `asmcgocall` call this before they change stacks.
        let saves = |frame: &PhysicalFrame<'_>| frame.facts.func.name == "gosave_systemstack_switch";
        let not_yet = (start.in_syscall && innermost) || unwound.frames.last().is_some_and(saves);
        let next = caller(&facts, here, fp, calling, stack, innermost, not_yet);
        unwound.frames.push(frame);
        match next {
            // A function without a frame has left nothing on the stack where calls leave their return in a register.
            Next::Caller(pc) if fp > here.sp || (calling.link_register && pc != here.pc) => {
                here = Place { pc, sp: fp, link: 0, standing: standing_below(kind) };
                if calling.link_register && (interrupted || kind == FuncKind::Sigpanic) {
                    here = below_injected(table, bias, calling, stack, here);
                }
                callee = kind;
            }
            Next::Caller(pc) => {
                unwound.broken = Some(format!("the frame that returns to {pc:#x} has no size"));
                return unwound;
            }
            Next::Bottom => return unwound,
            Next::Unknown(why) => {
                unwound.broken = Some(why);
                return unwound;
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Place {
    pc: u64,
    sp: u64,
    link: u64,
    standing: Standing,
}

enum Next {
    Caller(u64),
    Bottom,
    Unknown(String),
}

/// How the caller of a function of this kind stands: a signal handler's call was injected at an instruction.
fn standing_below(kind: FuncKind) -> Standing {
    match kind {
        FuncKind::Sigpanic => Standing::Trapped,
        _ => Standing::Called,
    }
}

/// Where a function was interrupted, given where the call that was injected into it returns to: the signal handler
/// saved the link register in between (`unwinder.next`, `sigctxt.pushCall`).
fn below_injected(
    table: &mut PcTable<'_, '_>,
    bias: Bias,
    calling: Calling,
    stack: StackBytes<'_>,
    returned: Place,
) -> Place {
    let saved = stack.word(returned.sp).unwrap_or(0);
    let here = Place { sp: returned.sp.saturating_add(calling.injected), ..returned };
    match table.get(Addr::new(here.pc).unrelocate(bias), here.standing) {
        None => Place { pc: saved, ..here },
        Some(facts) if facts.sp_delta == Some(0) => Place { link: saved, ..here },
        Some(_) => here,
    }
}

fn frame_at<'b>(
    facts: &Rc<PcFacts<'b>>,
    here: Place,
    calling: Calling,
    stack: StackBytes<'_>,
) -> Option<PhysicalFrame<'b>> {
    let pushed = if calling.link_register { 0 } else { WORD };
    let fp = here.sp.checked_add(facts.sp_delta?)?.checked_add(pushed)?;
    if !stack.holds(here.sp) || fp > stack.end() {
        return None;
    }
    let mut varp = fp - pushed;
    if varp > here.sp {
        // Both ports keep frame pointers: one word at the top of every frame that has any size.
        varp -= WORD;
    }
    let argp = fp.checked_add(calling.min_frame)?;
    let facts = Rc::clone(facts);
    Some(PhysicalFrame { facts, callee: FuncKind::Normal, sp: here.sp, fp, varp, argp, conservative: false })
}

/// The program counter to which this frame returns.
fn caller(
    facts: &PcFacts<'_>,
    here: Place,
    fp: u64,
    calling: Calling,
    stack: StackBytes<'_>,
    innermost: bool,
    in_syscall: bool,
) -> Next {
    let func = &facts.func;
    if func.flags.top_frame {
        return Next::Bottom;
    }
    // Functions that move the stack pointer in ways the table does not know; those that stand at the entry of a
    // system call or are about to grow the stack have not done so yet.
    let harmless = innermost || in_syscall || func.kind == FuncKind::Cgocallback;
    if func.flags.sp_write && !harmless {
        return Next::Unknown(format!("{} changes stacks", func.name));
    }
    let on_stack = if calling.link_register { here.sp } else { fp - WORD };
    let saved = !calling.link_register || here.link == 0 || (innermost && here.sp < fp);
    let pc = if saved { stack.word(on_stack) } else { Some(here.link) };
    match pc {
        Some(0) => Next::Bottom,
        Some(pc) => Next::Caller(pc),
        None => Next::Unknown(format!("the return address of {} lies outside of the stack", func.name)),
    }
}
