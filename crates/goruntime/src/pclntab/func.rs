//! The record of one function (`runtime._func`).

use leakscope_model::LinkAddr;

use super::PcData;
use super::header::PcHeader;
use crate::integers::{c_str_at, i32_at, u8_at, u32_at};

/// Bytes of `runtime._func` before its lists of offsets.
const FUNC: usize = 44;
/// `abi.ArgsSizeUnknown`.
const ARGS_SIZE_UNKNOWN: i32 = i32::MIN;
/// No entry in the list of function data.
const NO_FUNCDATA: u32 = u32::MAX;
/// `abi.FuncFlagTopFrame`, `abi.FuncFlagSPWrite`, `abi.FuncFlagAsm`.
const FLAGS: [u8; 3] = [1, 2, 4];

/// Functions that the runtime treats in a way of their own (`abi.FuncID`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FuncKind {
    /// Any other function.
    Normal,
    /// Code that the compiler made: method wrappers, hash and equality functions; tracebacks hide it.
    Wrapper,
    /// `runtime.goexit`, the bottom of a goroutine's stack.
    Goexit,
    /// `runtime.gopanic`.
    Gopanic,
    /// `runtime.sigpanic`: its caller's program counter is the faulting instruction itself.
    Sigpanic,
    /// `runtime.panicwrap`.
    Panicwrap,
    /// `runtime.systemstack`.
    Systemstack,
    /// `runtime.systemstack_switch`.
    SystemstackSwitch,
    /// `runtime.mcall`.
    Mcall,
    /// `runtime.gogo`.
    Gogo,
    /// `runtime.morestack`.
    Morestack,
    /// `runtime.mstart`, the bottom of a thread's own stack.
    Mstart,
    /// `runtime.rt0_go`, the bottom of the first thread's stack.
    Rt0Go,
    /// `runtime.asmcgocall`.
    Asmcgocall,
    /// `runtime.cgocallback`.
    Cgocallback,
    /// `runtime.asyncPreempt`.
    AsyncPreempt,
    /// `runtime.debugCallV2`.
    DebugCall,
    /// `runtime.gcBgMarkWorker`.
    GcBgMarkWorker,
    /// `runtime.main`.
    RuntimeMain,
    /// `runtime.runfinq`, `runtime.runFinalizers`.
    RunFinalizers,
    /// `runtime.runCleanups`.
    RunCleanups,
    /// `runtime.corostart`.
    Corostart,
    /// `runtime.handleAsyncEvent`.
    HandleAsyncEvent,
}

impl FuncKind {
    /// Whether wrappers that call a function of this kind stay hidden (`runtime.elideWrapperCalling`): a wrapper
    /// that panics itself is shown, since it tells where.
    pub fn hides_calling_wrapper(self) -> bool {
        !matches!(self, FuncKind::Gopanic | FuncKind::Sigpanic | FuncKind::Panicwrap)
    }

    /// By the function's name (`cmd/internal/objabi/funcid.go`).
    fn by_name(name: &str) -> Option<FuncKind> {
        Some(match name.strip_prefix("runtime.")? {
            "goexit" => FuncKind::Goexit,
            "gopanic" => FuncKind::Gopanic,
            "sigpanic" => FuncKind::Sigpanic,
            "panicwrap" => FuncKind::Panicwrap,
            "systemstack" => FuncKind::Systemstack,
            "systemstack_switch" => FuncKind::SystemstackSwitch,
            "mcall" => FuncKind::Mcall,
            "gogo" => FuncKind::Gogo,
            "morestack" => FuncKind::Morestack,
            "mstart" => FuncKind::Mstart,
            "rt0_go" => FuncKind::Rt0Go,
            "asmcgocall" => FuncKind::Asmcgocall,
            "cgocallback" => FuncKind::Cgocallback,
            "asyncPreempt" => FuncKind::AsyncPreempt,
            "debugCallV2" => FuncKind::DebugCall,
            "gcBgMarkWorker" => FuncKind::GcBgMarkWorker,
            "main" => FuncKind::RuntimeMain,
            "runfinq" | "runFinalizers" => FuncKind::RunFinalizers,
            "runCleanups" => FuncKind::RunCleanups,
            "corostart" => FuncKind::Corostart,
            "handleAsyncEvent" => FuncKind::HandleAsyncEvent,
            _ => return None,
        })
    }
}

/// The numbers of the function kinds in this program: they shift whenever the runtime gains a kind, so they are
/// learnt from the functions that bear them.
#[derive(Debug, Clone, Default)]
pub(super) struct SpecialIds {
    kinds: Vec<(u8, FuncKind)>,
}

impl SpecialIds {
    /// Learns the numbers from a table whose own are not known yet.
    pub(super) fn learn<'b>(functions: impl Iterator<Item = Func<'b>>) -> SpecialIds {
        let mut kinds: Vec<(u8, FuncKind)> = Vec::new();
        for func in functions.filter(|func| func.id != 0) {
            let Some(kind) = FuncKind::by_name(func.name) else { continue };
            // `runtime.mcall` is a body and a wrapper, and the wrapper's number is that of all wrappers.
            if !kinds.iter().any(|(_, known)| *known == kind) || func.flags.asm {
                kinds.retain(|(_, known)| *known != kind);
                kinds.push((func.id, kind));
            }
        }
        // `abi.FuncIDWrapper` is the last of the enumeration, behind `FuncID_systemstack_switch`.
        let last = kinds.iter().find(|(_, kind)| *kind == FuncKind::SystemstackSwitch).map(|(id, _)| *id);
        if let Some(wrapper) = last.and_then(|id| id.checked_add(1)) {
            kinds.retain(|(id, _)| *id != wrapper);
            kinds.push((wrapper, FuncKind::Wrapper));
        }
        SpecialIds { kinds }
    }

    /// What a number means.
    pub(super) fn kind(&self, id: u8) -> FuncKind {
        let known = self.kinds.iter().find(|(known, _)| *known == id);
        known.map_or(FuncKind::Normal, |(_, kind)| *kind)
    }
}

/// What a traceback must know of a function (`abi.FuncFlag`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FuncFlags {
    /// Outermost of its stack: there is no caller to look for.
    pub top_frame: bool,
    /// It sets the stack pointer to something else: unwinding past it is not safe.
    pub sp_write: bool,
    /// Written in assembly.
    pub asm: bool,
}

/// One function of the program's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Func<'b> {
    /// Its first instruction.
    pub entry: LinkAddr,
    /// Behind its last instruction and its padding.
    pub end: LinkAddr,
    /// In full, type arguments included: `main.Map[go.shape.string]`.
    pub name: &'b str,
    /// Bytes of arguments and results on the caller's stack; `None` where the compiler did not know
    /// (`abi.ArgsSizeUnknown`: assembly without a declaration, reflection's stubs).
    pub args_size: Option<u32>,
    /// Bytes from the entry to the call of `runtime.deferreturn`; 0 where there is none.
    pub deferreturn: u32,
    /// The line of its `func` keyword.
    pub start_line: u32,
    /// How the runtime treats it.
    pub kind: FuncKind,
    /// What a traceback must know.
    pub flags: FuncFlags,
    pub(super) id: u8,
    pub(super) pcsp: u32,
    pub(super) pcfile: u32,
    pub(super) pcln: u32,
    pub(super) unit: u32,
    pcdata: u32,
    funcdata: u8,
    record: usize,
}

impl<'b> Func<'b> {
    /// Reads the record at offset `record` of `pclntable`.
    pub(super) fn read(
        header: &PcHeader<'b>,
        record: usize,
        entry: LinkAddr,
        end: LinkAddr,
        ids: &SpecialIds,
    ) -> Option<Func<'b>> {
        let bytes = header.pclntable.get(record..)?;
        let id = u8_at(bytes, 40)?;
        let [top_frame, sp_write, asm] = FLAGS.map(|flag| u8_at(bytes, 41).unwrap_or(0) & flag != 0);
        let args = i32_at(bytes, 8)?;
        Some(Func {
            entry,
            end,
            name: name_at(header, i32_at(bytes, 4)?)?,
            args_size: if args == ARGS_SIZE_UNKNOWN { None } else { Some(u32::try_from(args).ok()?) },
            deferreturn: u32_at(bytes, 12)?,
            start_line: u32_at(bytes, 36)?,
            kind: ids.kind(id),
            flags: FuncFlags { top_frame, sp_write, asm },
            id,
            pcsp: u32_at(bytes, 16)?,
            pcfile: u32_at(bytes, 20)?,
            pcln: u32_at(bytes, 24)?,
            unit: u32_at(bytes, 32)?,
            pcdata: u32_at(bytes, 28)?,
            funcdata: u8_at(bytes, 43)?,
            record,
        })
    }

    /// Where one of its value tables starts in `pctab`; 0 or `None` where it has none.
    pub(super) fn pcdata_offset(&self, header: &PcHeader<'b>, table: PcData) -> Option<u32> {
        let table = table as u32;
        if table >= self.pcdata {
            return None;
        }
        u32_at(header.pclntable, self.record.checked_add(FUNC + 4 * usize::try_from(table).ok()?)?)
    }

    /// Where one of its pieces of function data starts behind `moduledata.gofunc`.
    pub(super) fn funcdata_offset(&self, header: &PcHeader<'b>, index: u8) -> Option<u32> {
        if index >= self.funcdata {
            return None;
        }
        let lists = usize::try_from(self.pcdata).ok()?.checked_add(usize::from(index))?;
        let at = self.record.checked_add(FUNC)?.checked_add(lists.checked_mul(4)?)?;
        u32_at(header.pclntable, at).filter(|offset| *offset != NO_FUNCDATA)
    }
}

/// The name at an offset of `funcnametab`.
///
/// `moduledata.funcName` answers with no name for offset 0, where nevertheless the first function's name stands.
pub(super) fn name_at<'b>(header: &PcHeader<'b>, offset: i32) -> Option<&'b str> {
    c_str_at(header.funcnametab, usize::try_from(offset).ok()?)
}
