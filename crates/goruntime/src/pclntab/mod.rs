//! Functions, lines, inlining, stack depth and liveness by program counter: Go's own table, which no `strip`
//! removes. The authority is `runtime/symtab.go`, `runtime/symtabinl.go` and `runtime/stkframe.go`.
//!
//! All addresses here are as the linker wrote them; whoever has a running address takes its bias off first.

mod frames;
mod func;
mod header;
mod locate;
mod pcvalue;
mod stackmap;
#[cfg(test)]
mod table_tests;
mod text_layout;

pub use func::{Func, FuncFlags, FuncKind};
pub use header::PcHeader;
pub use stackmap::{Bitmap, StackMaps, StackObject};
pub use text_layout::{TextLayout, TextSection};

use std::sync::{OnceLock, RwLock};

use hashbrown::HashMap;
use leakscope_model::{Frame, LinkAddr};

use crate::elf::Segment;
use frames::Names;
use func::SpecialIds;
use header::PcHeader as Header;

/// The functions of one module; borrows the bytes of its file.
///
/// It may be shared between threads: what it remembers (frames by program counter, names) lies behind locks, so
/// that twenty thousand goroutines in the same place cost one decoding.
#[derive(Debug)]
pub struct FuncTable<'b> {
    header: Header<'b>,
    /// Where its tables' addresses lead.
    place: TextLayout,
    segments: Vec<Segment<'b>>,
    ids: SpecialIds,
    by_name: OnceLock<HashMap<&'b str, LinkAddr>>,
    frames: RwLock<HashMap<(u64, bool), Vec<Frame>>>,
    names: Names,
}

impl<'b> FuncTable<'b> {
    /// A table with its parts: the parsed header, where text and function data were linked, and the segments of
    /// the file that holds them.
    pub fn new(header: Header<'b>, place: TextLayout, segments: &[Segment<'b>]) -> FuncTable<'b> {
        let mut table = FuncTable {
            header,
            place,
            segments: segments.to_vec(),
            ids: SpecialIds::default(),
            by_name: OnceLock::new(),
            frames: RwLock::default(),
            names: Names::default(),
        };
        table.ids = SpecialIds::learn(table.functions());
        table
    }

    /// How many functions it lists.
    pub fn len(&self) -> usize {
        self.header.functions
    }

    /// Whether it lists none; such a table is refused when it is read.
    pub fn is_empty(&self) -> bool {
        self.header.functions == 0
    }

    /// Where text and function data were linked.
    pub fn place(&self) -> &TextLayout {
        &self.place
    }

    /// The function whose code covers `pc`, or `None` outside of Go's text (`runtime.findfunc`).
    pub fn find(&self, pc: LinkAddr) -> Option<Func<'b>> {
        let offset = self.place.offset_of(pc)?;
        let (mut low, mut high) = (0, self.header.functions);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.header.functab(middle)?.0 <= offset {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        self.function(low.checked_sub(1)?).filter(|func| pc < func.end)
    }

    /// Every function in order of address; records that lead nowhere are left out.
    pub fn functions(&self) -> impl Iterator<Item = Func<'b>> + '_ {
        (0..self.header.functions).filter_map(|index| self.function(index))
    }

    /// The entry of the function with this full name, such as `runtime.(*mheap).alloc`; where a name stands for
    /// a body and its wrapper for the other calling convention, the body.
    pub fn by_name(&self, name: &str) -> Option<LinkAddr> {
        let names = self.by_name.get_or_init(|| {
            let mut names = HashMap::with_capacity(self.header.functions);
            for func in self.functions() {
                let earlier = names.entry(func.name).or_insert(func.entry);
                if func.kind != FuncKind::Wrapper {
                    *earlier = func.entry;
                }
            }
            names
        });
        names.get(name).copied()
    }

    /// What the code of a function is called and where it lies: its `index`th entry.
    fn function(&self, index: usize) -> Option<Func<'b>> {
        let (start, record) = self.header.functab(index)?;
        let (end, _) = self.header.functab(index.checked_add(1)?)?;
        let entry = self.place.address_of(start)?;
        let end = LinkAddr::new(entry.get().checked_add(u64::from(end.checked_sub(start)?))?);
        Func::read(&self.header, usize::try_from(record).ok()?, entry, end, &self.ids)
    }

    /// The bytes of the file from a linked address to the end of its segment.
    fn bytes_at(&self, addr: u64) -> Option<&'b [u8]> {
        self.segments.iter().find_map(|segment| {
            let start = usize::try_from(addr.checked_sub(segment.addr.get())?).ok()?;
            segment.data.get(start..).filter(|rest| !rest.is_empty())
        })
    }

    /// The code of a function, as the file has it.
    pub fn code_of(&self, func: &Func<'b>) -> Option<&'b [u8]> {
        let len = usize::try_from(func.end.get().checked_sub(func.entry.get())?).ok()?;
        self.bytes_at(func.entry.get())?.get(..len)
    }

    /// How far the stack pointer stands below its place at the function's entry, in bytes, in each run of its code:
    /// where the run ends, in bytes behind the entry, and how far; ends where the table has a hole.
    pub fn sp_deltas(&self, func: &Func<'b>) -> impl Iterator<Item = (u64, i32)> + use<'b> {
        let runs = usize::try_from(func.pcsp).ok().filter(|table| *table != 0);
        let runs = runs.and_then(|table| self.header.pctab.get(table..)).unwrap_or_default();
        pcvalue::Runs::new(runs, self.header.quantum).take_while(|(_, depth)| *depth >= 0)
    }

    /// The function's data of one kind (`runtime.funcdata`), to the end of its segment.
    fn funcdata(&self, func: &Func<'b>, index: u8) -> Option<&'b [u8]> {
        let offset = func.funcdata_offset(&self.header, index)?;
        self.bytes_at(self.place.gofunc?.get().checked_add(u64::from(offset))?)
    }

    /// The value of one of the function's tables at `pc` (`runtime.pcvalue`), `None` where it has none there.
    fn value_at(&self, func: &Func<'b>, table: u32, pc: LinkAddr) -> Option<i32> {
        if table == 0 {
            return None;
        }
        let code = pc.get().checked_sub(func.entry.get())?;
        let runs = self.header.pctab.get(usize::try_from(table).ok()?..)?;
        pcvalue::Runs::new(runs, self.header.quantum).value_at(code)
    }

    /// How far the stack pointer stands below its place at the entry, in bytes, when `pc` is about to run
    /// (`runtime.funcspdelta`). `None` outside of Go's text and where the table has a hole.
    pub fn sp_delta(&self, pc: LinkAddr) -> Option<i32> {
        let func = self.find(pc)?;
        self.value_at(&func, func.pcsp, pc).filter(|delta| *delta >= 0)
    }

    /// The value of `PCDATA` table `table` (`abi.PCDATA_UnsafePoint`, …) at `pc`; -1 where there is none.
    pub fn pcdata(&self, table: PcData, pc: LinkAddr) -> i32 {
        let at = |func: Func<'b>| self.value_at(&func, func.pcdata_offset(&self.header, table)?, pc);
        self.find(pc).and_then(at).unwrap_or(-1)
    }
}

/// The `PCDATA` tables that a reader of stacks needs (`internal/abi/symtab.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum PcData {
    /// Whether a goroutine may be preempted here: -1 yes, -2 no.
    UnsafePoint = 0,
    /// Which stack map holds here.
    StackMapIndex = 1,
    /// Which inlined call this instruction belongs to.
    InlTreeIndex = 2,
}

/// The `FUNCDATA` that a reader of stacks needs (`internal/abi/symtab.go`).
mod funcdata {
    pub(super) const ARGS_POINTER_MAPS: u8 = 0;
    pub(super) const LOCALS_POINTER_MAPS: u8 = 1;
    pub(super) const STACK_OBJECTS: u8 = 2;
    pub(super) const INL_TREE: u8 = 3;
}
