//! Every goroutine as a person knows it, and the pointers into the heap that stand on its stack.

use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_goruntime::{FuncKind, Names, Runtime};
use leakscope_model::{Addr, Frame, Gap, Goroutine};
use leakscope_target::{ReadError, TargetMemory, ThreadRegisters};

use crate::deferred::deferred_words;
use crate::error::HeapError;
use crate::fields::{WORD, is_plausible, read_slot};
use crate::gather::{Want, gather};
use crate::goroutine_records::{GoroutineRecord, clock_call, read_all, signal_stack, thread_id};
use crate::graph::RootOrigin;
use crate::roots::{Roots, UnnamedWord, Word};
use crate::signal_frame::interrupted;
use crate::stacks::{
    Calling, Captured, LiveWord, PcTable, PhysicalFrame, StackBytes, Standing, Start, Unwound, live_words,
    unwind,
};

/// The largest stack that Go allows, in bytes (`runtime.maxstacksize`).
const MAX_STACK: u64 = 1 << 30;
/// Frames that are kept for people; a deeper stack is runaway recursion, of which the innermost ones tell.
const MAX_FRAMES: usize = 10_000;
/// How many words before a word of a stack the code of its closure is looked for.
const MOST_CAPTURED: u64 = 16;
/// Where the return address of a call stands among the general registers of arm64.
const LINK_REGISTER: usize = 30;

/// What reading goroutines needs beside the memory.
pub(crate) struct GoroutineInput<'r, 'b> {
    pub(crate) runtime: &'r Runtime<'b>,
    pub(crate) threads: &'r [ThreadRegisters],
    /// The monotonic clock in nanoseconds, where it is known.
    pub(crate) now: Option<u64>,
}

/// Goroutines as people know them, beside the runtime's records of them.
#[derive(Debug, Default)]
pub(crate) struct Goroutines {
    /// In order of id.
    pub(crate) all: Vec<Goroutine>,
    /// The record of each.
    pub(crate) records: Vec<GoroutineRecord>,
    /// Whether all pointers on its stack were found, each.
    pub(crate) whole: Vec<bool>,
}

/// Reads every goroutine that is not dead, in order of id, and adds what their stacks hold to `roots`.
pub(crate) fn read(
    memory: &dyn TargetMemory,
    input: &GoroutineInput<'_, '_>,
    roots: &mut Roots<'_>,
    gaps: &mut Vec<Gap>,
) -> Result<Goroutines, HeapError> {
    let runtime = input.runtime;
    let mut records = read_all(memory, runtime, gaps)?;
    records.retain(|record| !is_dead(&runtime.names, record.status));
    let mut starts: Vec<Option<Start>> =
        records.iter().map(|record| start_of(memory, input, record)).collect();
    let mut stacks = used_stacks(memory, &records, &mut starts, gaps);
    stacks.sort_unstable();
    let wants: Vec<Want> = stacks.iter().map(|&(at, len, _)| (at, len)).collect();
    let mut reader = Reader::new(memory, input);
    let mut goroutines: Vec<Goroutine> = records.iter().map(|record| reader.describe(record)).collect();
    let mut whole = vec![false; records.len()];
    gather(memory, &wants, |position, bytes| {
        let Some(&(base, _, index)) = stacks.get(position) else { return };
        let found =
            records.get(index).zip(goroutines.get_mut(index)).zip(starts.get(index).copied().flatten());
        let Some(((record, goroutine), start)) = found else { return };
        match reader.stack(record, index, start, (base, bytes), goroutine, roots) {
            Ok(()) => whole.get_mut(index).into_iter().for_each(|whole| *whole = true),
            Err(err) => gaps.push(Gap::new("goroutines", format!("stack of goroutine {}: {err}", record.id))),
        }
    });
    Ok(Goroutines { all: goroutines, records, whole })
}

/// Whether a goroutine is a record without life: not yet begun, over, or kept for threads of C
/// (`_Gidle`, `_Gdead`, `_Gdeadextra`).
fn is_dead(names: &Names, status: u64) -> bool {
    let name = names.status(status);
    matches!(name.as_deref(), Some("idle" | "dead" | "waiting for cgo callback"))
}

/// `(lowest used byte, bytes, index of the goroutine)` of every stack. A goroutine whose stack pointer lies
/// outside of its stack loses its start and leaves a gap.
fn used_stacks(
    memory: &dyn TargetMemory,
    records: &[GoroutineRecord],
    starts: &mut [Option<Start>],
    gaps: &mut Vec<Gap>,
) -> Vec<(Addr, u64, usize)> {
    let mut stacks = Vec::with_capacity(records.len());
    for (index, (record, start)) in records.iter().zip(starts).enumerate() {
        let (low, high) = record.stack;
        let inside = |start: &Start| {
            let bounded = low <= start.sp && start.sp < high && high - low <= MAX_STACK;
            bounded && is_plausible(memory, Addr::new(start.sp), high - start.sp)
        };
        match start.filter(inside) {
            Some(start) => stacks.push((Addr::new(start.sp), high - start.sp, index)),
            None => {
                let reason = match start.map_or(0, |start| start.sp) {
                    0 => "a thread was running it, whose registers are not known".to_owned(),
                    sp => format!("stack pointer {sp:#x} not in {low:#x}..{high:#x}"),
                };
                let reason = format!("goroutine {}: {reason}", record.id);
                gaps.push(Gap::new("goroutines", reason));
                *start = None;
            }
        }
    }
    stacks
}

/// Where a goroutine stands: its thread's registers if one runs it on its own stack, else what the thread or the
/// scheduler saved.
fn start_of(
    memory: &dyn TargetMemory,
    input: &GoroutineInput<'_, '_>,
    record: &GoroutineRecord,
) -> Option<Start> {
    let runtime = input.runtime;
    if let Some(registers) = own_registers(memory, input, record) {
        let (pc, sp) = (registers.pc, registers.sp);
        if is_resuming(runtime, pc) {
            let (pc, link) = (record.saved.0, record.saved_link);
            return Some(Start { pc, sp, link, standing: Standing::Called, in_syscall: false });
        }
        let link = registers.general.get(LINK_REGISTER).copied().unwrap_or(0);
        return Some(Start { pc, sp, link, standing: Standing::Stopped, in_syscall: false });
    }
    let clock = is_running(input, record).then(|| clock_call(memory, &runtime.layout, record.thread));
    // The thread may ask for the time on its own behalf, too.
    let clock = clock.flatten().filter(|&(_, sp)| record.stack.0 <= sp && sp < record.stack.1);
    if let Some((pc, sp)) = clock {
        return Some(Start { pc, sp, link: 0, standing: Standing::Called, in_syscall: false });
    }
    let (pc, sp) = if record.syscall.1 != 0 { record.syscall } else { record.saved };
    let in_syscall = record.syscall.1 != 0;
    let link = if in_syscall { 0 } else { record.saved_link };
    Some(Start { pc, sp, link, standing: Standing::Called, in_syscall })
}

/// The registers of the thread that runs a goroutine, as long as they are the goroutine's own; if the thread
/// handles a signal, those before it.
fn own_registers(
    memory: &dyn TargetMemory,
    input: &GoroutineInput<'_, '_>,
    record: &GoroutineRecord,
) -> Option<ThreadRegisters> {
    let (runtime, thread) = (input.runtime, running_thread(memory, input, record)?);
    let is_own = |registers: &ThreadRegisters| {
        (record.stack.0..record.stack.1).contains(&registers.sp) && in_text(runtime, registers.pc)
    };
    if is_own(thread) {
        return Some(thread.clone());
    }
    let stack = signal_stack(memory, &runtime.layout, record.thread)?;
    interrupted(memory, runtime.arch, stack, thread).filter(is_own)
}

/// Whether a thread is in the middle of going on with a goroutine: it has the goroutine's stack pointer already, but
/// not its program counter, so that no frame of its own lies there (`gogo` in `runtime/asm_*.s`).
fn is_resuming(runtime: &Runtime<'_>, pc: u64) -> bool {
    let func = runtime.functions.find(runtime.linked(Addr::new(pc)));
    func.is_some_and(|func| matches!(func.name, "gogo" | "runtime.gogo"))
}

fn is_running(input: &GoroutineInput<'_, '_>, record: &GoroutineRecord) -> bool {
    input.runtime.names.status(record.status).as_deref() == Some("running")
}

fn running_thread<'r>(
    memory: &dyn TargetMemory,
    input: &GoroutineInput<'r, '_>,
    record: &GoroutineRecord,
) -> Option<&'r ThreadRegisters> {
    if !is_running(input, record) || input.threads.is_empty() {
        return None;
    }
    let tid = thread_id(memory, &input.runtime.layout, record.thread)?;
    input.threads.iter().find(|registers| registers.tid == tid)
}

fn in_text(runtime: &Runtime<'_>, pc: u64) -> bool {
    runtime.functions.find(runtime.linked(Addr::new(pc))).is_some()
}

/// Turns records and stacks into goroutines; keeps what equal stacks share.
struct Reader<'m, 'r, 'b> {
    memory: &'m dyn TargetMemory,
    input: &'m GoroutineInput<'r, 'b>,
    calling: Calling,
    table: PcTable<'r, 'b>,
    created: HashMap<u64, Option<Frame>>,
    started: HashMap<u64, Option<Frame>>,
    finalizer_runs: bool,
    now: Option<u64>,
}

impl<'m, 'r, 'b> Reader<'m, 'r, 'b> {
    fn new(memory: &'m dyn TargetMemory, input: &'m GoroutineInput<'r, 'b>) -> Reader<'m, 'r, 'b> {
        Reader {
            memory,
            input,
            calling: Calling::of(input.runtime.arch),
            table: PcTable::new(input.runtime),
            created: HashMap::new(),
            started: HashMap::new(),
            finalizer_runs: finalizer_runs(memory, input.runtime),
            now: input.now.or_else(|| last_poll(memory, input.runtime)),
        }
    }

    /// Everything but the stack.
    fn describe(&mut self, record: &GoroutineRecord) -> Goroutine {
        let runtime = self.input.runtime;
        let status = runtime.names.status(record.status);
        let waits = matches!(status.as_deref(), Some("waiting" | "leaked"));
        let reason = runtime.names.wait_reason(record.wait_reason).filter(|_| waits);
        let (created_at, start) = (record.created_at, record.start);
        let created = self.created.entry(created_at).or_insert_with(|| created_by(runtime, created_at));
        let started = self.started.entry(start).or_insert_with(|| started_with(runtime, start));
        let created_by = created.clone();
        let start = started.clone();
        Goroutine {
            id: record.id,
            status: status.map_or_else(|| format!("status {}", record.status), |name| name.to_string()),
            wait: reason.map(|reason| reason.to_string()),
            wait_seconds: self.wait_seconds(record),
            stack: Vec::new(),
            created_by,
            start,
            system: self.is_system(record),
            stack_bytes: record.stack.1.saturating_sub(record.stack.0),
        }
    }

    /// The runtime notes the time only when a collection finds a goroutine waiting, so this is a lower bound.
    fn wait_seconds(&self, record: &GoroutineRecord) -> Option<f64> {
        let since = Some(record.wait_since).filter(|&since| since != 0)?;
        let waited = self.now?.checked_sub(since)?;
        Some(std::time::Duration::from_nanos(waited).as_secs_f64())
    }

    /// `runtime.isSystemGoroutine`.
    fn is_system(&self, record: &GoroutineRecord) -> bool {
        let runtime = self.input.runtime;
        let Some(func) = runtime.functions.find(runtime.linked(Addr::new(record.start))) else {
            return false;
        };
        match func.kind {
            FuncKind::RuntimeMain | FuncKind::Corostart | FuncKind::HandleAsyncEvent => false,
            FuncKind::RunFinalizers => !self.finalizer_runs,
            FuncKind::RunCleanups => !record.runs_cleanup,
            _ => func.name.starts_with("runtime."),
        }
    }

    /// Unwinds one stack, fills in its frames, and adds its roots.
    fn stack(
        &mut self,
        record: &GoroutineRecord,
        index: usize,
        start: Start,
        (base, bytes): (Addr, Result<&[u8], ReadError>),
        goroutine: &mut Goroutine,
        roots: &mut Roots<'_>,
    ) -> Result<(), HeapError> {
        let bytes = bytes.map_err(|source| HeapError::field("g.stack", base, source))?;
        let stack = StackBytes { base: base.get(), bytes };
        let Unwound { frames, broken } =
            unwind(&mut self.table, self.input.runtime.bias, self.calling, stack, start);
        let logical = self.fill(goroutine, &frames);
        let deferred = deferred_words(self.memory, &self.input.runtime.layout, record.deferred, stack)?;
        let mut holder = Holder { goroutine: u32::try_from(index).unwrap_or(u32::MAX), logical, roots };
        for (slot, value) in deferred.iter().copied().chain([(record.at.get(), record.context)]) {
            holder.add_unnamed(slot, value, false);
        }
        if let Some(registers) = own_registers(self.memory, self.input, record) {
            registers.general.iter().for_each(|&value| holder.add_unnamed(0, value, true));
        }
        let extra: Vec<u64> = deferred.iter().map(|&(_, value)| value).chain([record.context]).collect();
        live_words(stack, &frames, self.calling, &extra, |word| {
            if let Some(frame) = frames.get(word.frame) {
                holder.add(&mut self.table, stack, frame, word);
            }
        });
        match broken {
            None => Ok(()),
            Some(why) => Err(HeapError::Torn { what: "frame", at: base, why }),
        }
    }

    /// Writes the logical frames, and says for each physical one where its own entry stands among them.
    fn fill(&mut self, goroutine: &mut Goroutine, frames: &[PhysicalFrame<'b>]) -> Vec<u32> {
        let mut logical = Vec::with_capacity(frames.len());
        for frame in frames {
            if goroutine.stack.len() < MAX_FRAMES && frame.facts.func.kind != FuncKind::Goexit {
                goroutine.stack.extend(self.table.frames(&frame.facts, frame.callee));
            }
            logical.push(u32::try_from(goroutine.stack.len().saturating_sub(1)).unwrap_or(u32::MAX));
        }
        goroutine.stack.shrink_to_fit();
        logical
    }
}

/// Adds what one goroutine's stack holds.
struct Holder<'h, 'a> {
    goroutine: u32,
    logical: Vec<u32>,
    roots: &'h mut Roots<'a>,
}

impl Holder<'_, '_> {
    fn add_unnamed(&mut self, slot: u64, value: u64, conservative: bool) {
        let goroutine = self.goroutine;
        let word = Word { slot: Addr::new(slot), value, before: 0 };
        self.roots.add(word, conservative, |_| (RootOrigin::Frame { goroutine, frame: 0, name: None }, None));
    }

    fn add<'b>(
        &mut self,
        table: &mut PcTable<'_, 'b>,
        stack: StackBytes<'_>,
        frame: &PhysicalFrame<'b>,
        live: LiveWord,
    ) {
        let goroutine = self.goroutine;
        let logical = self.logical.get(live.frame).copied().unwrap_or(0);
        let Some(found) = self.roots.objects.find(Addr::new(live.value)) else { return };
        let offset = live.slot.wrapping_sub(frame.fp).cast_signed();
        let variable = table.variable(&frame.facts, offset);
        let place = variable.and_then(|(variable, inside)| {
            table.place_of(&frame.facts, &variable.name, inside.checked_sub(WORD)?)
        });
        let before = match place {
            Some(place) => frame.fp.checked_add_signed(place),
            None => live.slot.checked_sub(WORD),
        };
        let before = before.and_then(|slot| stack.word(slot)).unwrap_or(0);
        let word = Word { slot: Addr::new(live.slot), value: live.value, before };
        let mut name = variable.map(|(variable, _)| self.roots.names.index(&variable.name));
        let mut ty = variable.map(|(variable, inside)| (variable.ty, inside));
        if variable.is_none()
            && let Some(captured) = self.captured(table, stack, live.slot)
        {
            name = Some(self.roots.names.index(&captured.name));
            ty = Some(captured.ty);
        }
        let origin = RootOrigin::Frame { goroutine, frame: logical, name };
        if let (None, Some(returns_to)) = (variable, frame.facts.returns_to) {
            let root = self.roots.roots.len();
            self.roots.unnamed_words.push(UnnamedWord { root, returns_to, offset });
        }
        self.roots.push(word, found, live.conservative, origin, ty);
    }
}

impl Holder<'_, '_> {
    /// The variable that a closure on the stack holds in `slot`, where some words before it are its code.
    fn captured(&self, table: &mut PcTable<'_, '_>, stack: StackBytes<'_>, slot: u64) -> Option<Captured> {
        (1..=MOST_CAPTURED).find_map(|words| {
            let code = self.roots.program.code(stack.word(slot.checked_sub(words * WORD)?)?)?;
            table.captured(code, words * WORD)
        })
    }
}

/// The `go` statement as a traceback prints it: the function that holds it, file and line of the statement
/// (`printcreatedby1`).
fn created_by(runtime: &Runtime<'_>, pc: u64) -> Option<Frame> {
    if pc == 0 {
        return None;
    }
    let frames = runtime.frames_returning_to(Addr::new(pc));
    let (innermost, physical) = frames.first().zip(frames.last())?;
    Some(Frame { function: Arc::clone(&physical.function), inlined: false, ..innermost.clone() })
}

fn started_with(runtime: &Runtime<'_>, pc: u64) -> Option<Frame> {
    let linked = runtime.linked(Addr::new(pc));
    let func = runtime.functions.find(linked)?;
    let shown = runtime.functions.frames_at(linked).pop();
    let (file, line) = runtime.functions.line_at(linked).unwrap_or(("", 0));
    Some(shown.unwrap_or_else(|| Frame {
        function: Arc::from(func.name),
        file: Arc::from(file),
        line,
        inlined: false,
    }))
}

/// Whether the goroutine of finalizers calls one of the program's at this moment (`fingRunningFinalizer`).
fn finalizer_runs(memory: &dyn TargetMemory, runtime: &Runtime<'_>) -> bool {
    let flag = runtime.layout.constant("fingRunningFinalizer").and_then(|flag| u64::try_from(flag).ok());
    let variable = runtime.variables.find("fingStatus");
    let slot = leakscope_goruntime::Slot { offset: 0, width: 4 };
    let status = variable.and_then(|variable| read_slot(memory, variable.at, slot, "fingStatus").ok());
    flag.zip(status).is_some_and(|(flag, status)| status & flag != 0)
}

/// When the network was polled last (`sched.lastpoll`): the best that memory alone tells of the time.
fn last_poll(memory: &dyn TargetMemory, runtime: &Runtime<'_>) -> Option<u64> {
    let slot = runtime.layout.slot("schedt.lastpoll")?;
    let sched = runtime.variables.find("sched")?;
    read_slot(memory, sched.at, slot, "schedt.lastpoll").ok().filter(|&time| time != 0)
}
