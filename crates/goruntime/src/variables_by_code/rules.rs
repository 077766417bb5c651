//! Which functions of the runtime use which of its variables, and where in them. What is written here holds in the
//! source of every release.

use crate::code_references::Use;
use crate::layout::Layout;

/// How a variable is found.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Without its package.
    pub(crate) variable: &'static str,
    /// The structure that it is, as the layout calls it; `None` for a single word.
    pub(crate) structure: Option<&'static str>,
    /// It stands at a multiple of so many bytes.
    pub(crate) align: u64,
    /// How instructions use it.
    pub(crate) access: Access,
    /// All of these use it.
    pub(crate) used_by: &'static [UsedBy],
}

impl Rule {
    /// Bytes that the variable takes.
    pub(crate) fn size(&self, layout: &Layout) -> u64 {
        self.structure.map_or(self.align, |name| layout.size(name).unwrap_or(0))
    }
}

/// How instructions use a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// In any way.
    Any,
    /// They read or write so many bytes.
    Bytes(u8),
    /// They do, or take its address, as atomic operations of some processors need it.
    Atomic(u8),
}

impl Access {
    /// Whether an instruction uses data in this way.
    pub(crate) fn is(self, usage: Use) -> bool {
        match (self, usage) {
            (_, Use::Call | Use::Jump) => false,
            (Access::Any, _) | (Access::Atomic(_), Use::Address { .. }) => true,
            (Access::Bytes(bytes) | Access::Atomic(bytes), Use::Memory { width }) => bytes == width,
            (Access::Bytes(_), Use::Address { .. }) => false,
        }
    }
}

/// A function, and what of the variable its code names.
#[derive(Debug)]
pub(crate) struct UsedBy {
    /// With its package.
    pub(crate) function: &'static str,
    /// Where in the variable.
    pub(crate) place: Place,
}

/// A place in a variable.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// So many bytes from its start.
    Offset(u64),
    /// The start of a field, as the layout calls it.
    Field(&'static str),
}

const fn start(function: &'static str) -> UsedBy {
    UsedBy { function, place: Place::Offset(0) }
}

const fn behind(function: &'static str, offset: u64) -> UsedBy {
    UsedBy { function, place: Place::Offset(offset) }
}

const fn field(function: &'static str, path: &'static str) -> UsedBy {
    UsedBy { function, place: Place::Field(path) }
}

const fn word(variable: &'static str, access: Access, used_by: &'static [UsedBy]) -> Rule {
    Rule { variable, structure: None, align: 8, access, used_by }
}

const fn half_word(variable: &'static str, used_by: &'static [UsedBy]) -> Rule {
    Rule { variable, structure: None, align: 4, access: Access::Atomic(4), used_by }
}

const fn structure(variable: &'static str, name: &'static str, used_by: &'static [UsedBy]) -> Rule {
    Rule { variable, structure: Some(name), align: 8, access: Access::Any, used_by }
}

/// Every variable that can be found so; structures first, so that a word is not sought in one of them.
pub(crate) const RULES: &[Rule] = &[
    structure(
        "mheap_",
        "mheap",
        &[
            field("runtime.findObject", "mheap.arenas"),
            field("runtime.bulkBarrierPreWrite", "mheap.arenas"),
            field("runtime.(*mcache).prepareForSweep", "mheap.sweepgen"),
            field("runtime.(*mcentral).uncacheSpan", "mheap.sweepgen"),
        ],
    ),
    structure(
        "memstats",
        "mstats",
        &[
            field("runtime.(*gcCPULimiterState).accumulate", "mstats.numgc"),
            field("runtime.(*gcCPULimiterState).resetCapacity", "mstats.numgc"),
            field("runtime.gcMarkTermination", "mstats.numgc"),
            field("runtime.progToPointerMask", "mstats.buckhash_sys"),
            field("runtime.getitab", "mstats.other_sys"),
            field("runtime.persistentalloc1", "mstats.other_sys"),
        ],
    ),
    structure(
        "gcController",
        "gcControllerState",
        &[
            field("runtime.gcTrigger.test", "gcControllerState.heapLive"),
            field("runtime.gcStart", "gcControllerState.heapLive"),
            field("runtime.sysAlloc", "gcControllerState.mappedReady"),
            field("runtime.sysFree", "gcControllerState.mappedReady"),
            field("runtime.pollFractionalWorkerExit", "gcControllerState.fractionalUtilizationGoal"),
        ],
    ),
    structure(
        "gcCleanups",
        "cleanupQueue",
        &[
            field("runtime.markroot", "cleanupQueue.all"),
            field("runtime.(*p).destroy", "cleanupQueue.queued"),
            field("runtime.gcMarkTermination", "cleanupQueue.executed"),
        ],
    ),
    structure(
        "sched",
        "schedt",
        &[
            field("runtime.acquireSudog", "schedt.sudogcache"),
            field("runtime.releaseSudog", "schedt.sudogcache"),
            field("runtime.acquireSudog", "schedt.sudoglock"),
            field("runtime.releaseSudog", "schedt.sudoglock"),
            field("runtime.clearpools", "schedt.sudogcache"),
            field("runtime.findRunnable", "schedt.lastpoll"),
        ],
    ),
    structure(
        "work",
        "workType",
        &[
            field("runtime.gcMarkRootCheck", "workType.markrootNext"),
            field("runtime.gcMarkRootCheck", "workType.markrootJobs"),
            field("runtime.gcDrain", "workType.markrootNext"),
            field("runtime.gcDrain", "workType.markrootJobs"),
            field("runtime.gcResetMarkState", "workType.bytesMarked"),
        ],
    ),
    word(
        "allgs",
        Access::Any,
        &[
            start("runtime.allgadd"),
            behind("runtime.allgadd", 8),
            behind("runtime.allgadd", 16),
            start("runtime.forEachG"),
            behind("runtime.forEachG", 8),
        ],
    ),
    word(
        "allp",
        Access::Any,
        &[
            start("runtime.preemptall"),
            behind("runtime.preemptall", 8),
            start("runtime.retake"),
            behind("runtime.retake", 8),
            start("runtime.gcMarkTinyAllocs"),
            behind("runtime.gcMarkTinyAllocs", 8),
        ],
    ),
    word(
        "allm",
        Access::Atomic(8),
        &[start("runtime.mcommoninit"), start("runtime.mexit"), start("runtime.schedtrace")],
    ),
    word("itabTable", Access::Atomic(8), &[start("runtime.getitab"), start("runtime.itabAdd")]),
    word("allfin", Access::Bytes(8), &[start("runtime.queuefinalizer"), start("runtime.markroot")]),
    word("mbuckets", Access::Atomic(8), &[start("runtime.stkbucket"), start("runtime.mProf_FlushLocked")]),
    half_word(
        "gcphase",
        &[
            start("runtime.gcSweep"),
            start("runtime.gcControllerCommit"),
            start("runtime.freeSomeWbufs"),
            start("runtime.addfinalizer"),
            start("runtime.stackfree"),
        ],
    ),
    half_word(
        "fingStatus",
        &[
            start("runtime.isSystemGoroutine"),
            start("runtime.createfing"),
            start("runtime.queuefinalizer"),
            start("runtime.finalizercommit"),
        ],
    ),
];
