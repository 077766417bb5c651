//! Whether a layout fits the process, tried on a few of its structures before anything walks them: a layout that
//! does not fit gives an error with an address here, and not a wrong answer later.

use leakscope_model::Addr;
use leakscope_target::{TargetMemory, read_u64};

use crate::error::RuntimeError;
use crate::layout::Layout;
use crate::moduledata::ModuleData;
use crate::names::Names;
use crate::pclntab::PcHeader;
use crate::structure::{SliceHeader, Structure};

/// How many spans and goroutines are tried.
const SAMPLES: u64 = 40;
/// Of these, how many may fail, in parts of all: memory that is read while the program runs may be torn here and
/// there, and a layout that does not fit fails nearly everywhere.
const TORN: usize = 4;
/// Bytes of the head of a pclntab.
const PCLNTAB_HEAD: usize = 72;
/// Bytes of a page of Go's heap, where no constant tells it.
const PAGE: i64 = 8192;
/// Larger than any span, in pages.
const MAX_PAGES: u64 = 1 << 35;
/// More elements than any of the runtime's own lists has.
const MAX_LIST: u64 = 1 << 40;

/// What the checks read.
pub(crate) struct Checks<'a> {
    /// The process.
    pub(crate) memory: &'a dyn TargetMemory,
    /// The layout on trial.
    pub(crate) layout: &'a Layout,
    /// Where it comes from, for the error.
    pub(crate) origin: String,
}

impl Checks<'_> {
    /// Text and function table are where they say (`runtime.moduledataverify1`).
    pub(crate) fn module(&self, module: &ModuleData) -> Result<(), RuntimeError> {
        let (text, pcs) = (&module.text, &module.pcs);
        if !(text.start <= pcs.start && pcs.start < pcs.end && pcs.end <= text.end) {
            let why =
                format!("{}..{} is not within the text {}..{}", pcs.start, pcs.end, text.start, text.end);
            return Err(self.failed("moduledata.minpc", module.at, why));
        }
        let mut head = [0; PCLNTAB_HEAD];
        let at = module.pc_header;
        let path = "moduledata.pcHeader";
        self.memory.read_exact(at, &mut head).map_err(|source| RuntimeError::Field { path, at, source })?;
        PcHeader::check_head(&head).map_err(|error| self.failed(path, at, error.to_string()))?;
        for (what, range) in [("moduledata.data", &module.data.range), ("moduledata.bss", &module.bss.range)]
        {
            if range.start > range.end || range.start.get() % 8 != 0 {
                let why = format!("{}..{} is no range of words", range.start, range.end);
                return Err(self.failed(what, module.at, why));
            }
        }
        Ok(())
    }

    /// Spans of `mheap_.allspans` start at pages and hold no more than their pages.
    pub(crate) fn spans(&self, mheap: Addr) -> Result<(), RuntimeError> {
        let at = mheap.checked_add(self.layout.need("mheap.allspans")?.offset).unwrap_or_default();
        let list = self.list("mheap.allspans", at)?;
        self.sampled(list, "mheap.allspans", |span| self.span(span))
    }

    fn span(&self, at: Addr) -> Result<(), RuntimeError> {
        let span = Structure::read(self.memory, self.layout, "mspan", at)?;
        let (start, pages) = (span.uint("mspan.startAddr")?, span.uint("mspan.npages")?);
        let page = self.layout.constant("pageSize").or(self.layout.constant("_PageSize")).unwrap_or(PAGE);
        let page = page.cast_unsigned().max(1);
        if start == 0 && pages == 0 {
            return Ok(()); // handed back: its fields are zero until it is used again
        }
        if start % page != 0 || pages == 0 || pages > MAX_PAGES {
            let why = format!("it starts at {start:#x} and has {pages} pages");
            return Err(self.failed("mspan.startAddr", at, why));
        }
        let state = span.uint("mspan.state")?;
        if self.layout.constant("mSpanInUse").is_some_and(|in_use| in_use.cast_unsigned() == state) {
            let (count, size) = (span.uint("mspan.nelems")?, span.uint("mspan.elemsize")?);
            if count.checked_mul(size).is_none_or(|bytes| bytes > pages.saturating_mul(page)) {
                let why = format!("{count} objects of {size} bytes do not fit into {pages} pages");
                return Err(self.failed("mspan.nelems", at, why));
            }
        }
        Ok(())
    }

    /// Goroutines have a status that the runtime knows and a stack that has a top above its bottom.
    pub(crate) fn goroutines(&self, allgs: Addr, names: &Names) -> Result<(), RuntimeError> {
        let list = self.list("allgs", allgs)?;
        self.sampled(list, "allgs", |at| self.goroutine(at, names))
    }

    fn goroutine(&self, at: Addr, names: &Names) -> Result<(), RuntimeError> {
        let g = Structure::read(self.memory, self.layout, "g", at)?;
        let status = g.uint("g.atomicstatus")?;
        if names.status(status).is_none() {
            return Err(self.failed("g.atomicstatus", at, format!("the runtime has no status {status}")));
        }
        let stack = at.checked_add(self.layout.need("g.stack")?.offset).unwrap_or_default();
        let stack = Structure::read(self.memory, self.layout, "stack", stack)?;
        let (low, high) = (stack.uint("stack.lo")?, stack.uint("stack.hi")?);
        // A goroutine that has ended gives its stack back.
        if (low, high) != (0, 0) && low >= high {
            return Err(self.failed("g.stack", at, format!("it runs from {low:#x} up to {high:#x}")));
        }
        Ok(())
    }

    /// The slice header at `at`.
    fn list(&self, path: &'static str, at: Addr) -> Result<SliceHeader, RuntimeError> {
        let word = |index: u64| {
            let at = at.checked_add(index * 8).unwrap_or_default();
            read_u64(self.memory, at).map_err(|source| RuntimeError::Field { path, at, source })
        };
        let list = SliceHeader { data: Addr::new(word(0)?), len: word(1)?, capacity: word(2)? };
        if list.len > list.capacity || list.capacity > MAX_LIST || list.len == 0 || list.data.is_nil() {
            let why = format!("a list of {} elements with room for {}", list.len, list.capacity);
            return Err(self.failed(path, at, why));
        }
        Ok(list)
    }

    /// Tries pointers of `list` at even distances; fails with the first failure if too many fail.
    fn sampled(
        &self,
        list: SliceHeader,
        path: &'static str,
        check: impl Fn(Addr) -> Result<(), RuntimeError>,
    ) -> Result<(), RuntimeError> {
        let count = list.len.min(SAMPLES);
        let mut failures = Vec::new();
        for sample in 0..count {
            let index = sample * list.len / count;
            let at = list.data.checked_add(index * 8).unwrap_or_default();
            let element =
                read_u64(self.memory, at).map_err(|source| RuntimeError::Field { path, at, source });
            failures.extend(element.and_then(|element| check(Addr::new(element))).err());
        }
        let tried = usize::try_from(count).unwrap_or(usize::MAX);
        match failures.len().saturating_mul(TORN) > tried {
            true => failures.into_iter().next().map_or(Ok(()), Err),
            false => Ok(()),
        }
    }

    fn failed(&self, what: &'static str, at: Addr, why: String) -> RuntimeError {
        RuntimeError::Sanity { what, at, why, origin: self.origin.clone() }
    }
}
