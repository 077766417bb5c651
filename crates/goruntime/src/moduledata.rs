//! The image as the runtime sees it (`runtime.moduledata`): text, globals and which of their words are pointers,
//! types, and where the pclntab lies.

use std::collections::BTreeSet;
use std::ops::Range;

use leakscope_model::{Addr, Bias};
use leakscope_target::{TargetMemory, read_u64};

use crate::error::RuntimeError;
use crate::gc_program;
use crate::layout::Layout;
use crate::pclntab::{Bitmap, TextLayout, TextSection};
use crate::structure::{SliceHeader, Structure};
use crate::types::WORD;

/// More modules than any program loads; a list that goes on is a circle or rubbish.
const MAX_MODULES: usize = 1000;
/// The most of a mask that is read, in bytes: that of 8 GB of globals.
const MAX_MASK: u64 = 1 << 27;
/// The most of a program for a mask that is read, in bytes.
const MAX_PROGRAM: usize = 1 << 20;
/// Words of `runtime.textsect`.
const TEXTSECT_WORDS: usize = 3;

/// A part of the globals that the collector scans, and which of its words hold pointers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedGlobals {
    /// From its first byte to behind its last.
    pub range: Range<Addr>,
    /// One bit a word.
    pub pointers: Bitmap<'static>,
}

/// One module: the program itself, or a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleData {
    /// Where the structure stands.
    pub at: Addr,
    /// `pcHeader`: the start of its pclntab.
    pub pc_header: Addr,
    /// `minpc` and `maxpc`.
    pub pcs: Range<Addr>,
    /// `text` and `etext`.
    pub text: Range<Addr>,
    /// Initialised globals without pointers.
    pub noptrdata: Range<Addr>,
    /// Initialised globals with pointers.
    pub data: ScannedGlobals,
    /// Zeroed globals with pointers.
    pub bss: ScannedGlobals,
    /// Zeroed globals without pointers.
    pub noptrbss: Range<Addr>,
    /// Type descriptors; offsets of types and names count from its start.
    pub types: Range<Addr>,
    /// `rodata`: what offsets of pointer masks count from.
    pub rodata: Addr,
    /// `gofunc`: what offsets of function data count from.
    pub gofunc: Addr,
    /// `textsectmap`: more than one where the text was too large for its branches.
    pub text_sections: Vec<TextSection>,
    /// `next`; nil for the last.
    pub next: Addr,
}

impl ModuleData {
    /// Reads the module at `at` with its pointer masks.
    pub fn read(memory: &dyn TargetMemory, layout: &Layout, at: Addr) -> Result<ModuleData, RuntimeError> {
        let module = Structure::read(memory, layout, "moduledata", at)?;
        let range = |start, end| Ok::<_, RuntimeError>(module.addr(start)?..module.addr(end)?);
        let data = range("moduledata.data", "moduledata.edata")?;
        let bss = range("moduledata.bss", "moduledata.ebss")?;
        let masks = Masks { memory, layout, module: &module };
        Ok(ModuleData {
            at,
            pc_header: module.addr("moduledata.pcHeader")?,
            pcs: range("moduledata.minpc", "moduledata.maxpc")?,
            text: range("moduledata.text", "moduledata.etext")?,
            noptrdata: range("moduledata.noptrdata", "moduledata.enoptrdata")?,
            data: masks.scanned(data, "moduledata.gcdatamask", "moduledata.gcdata")?,
            bss: masks.scanned(bss, "moduledata.gcbssmask", "moduledata.gcbss")?,
            noptrbss: range("moduledata.noptrbss", "moduledata.enoptrbss")?,
            types: range("moduledata.types", "moduledata.etypes")?,
            rodata: module.addr("moduledata.rodata")?,
            gofunc: module.addr("moduledata.gofunc")?,
            text_sections: text_sections(memory, module.slice("moduledata.textsectmap")?)?,
            next: module.addr("moduledata.next")?,
        })
    }

    /// The module at `first` and those that follow it, in the runtime's order.
    ///
    /// A module that cannot be read ends the list: the first is an error of its own, a later one comes back
    /// beside what was read.
    pub fn read_all(
        memory: &dyn TargetMemory,
        layout: &Layout,
        first: Addr,
    ) -> Result<(Vec<ModuleData>, Option<RuntimeError>), RuntimeError> {
        let first = ModuleData::read(memory, layout, first)?;
        let mut seen = BTreeSet::from([first.at]);
        let mut next = first.next;
        let mut modules = vec![first];
        while !next.is_nil() && seen.insert(next) && modules.len() < MAX_MODULES {
            match ModuleData::read(memory, layout, next) {
                Ok(module) => {
                    next = module.next;
                    modules.push(module);
                }
                Err(error) => return Ok((modules, Some(error))),
            }
        }
        Ok((modules, None))
    }

    /// From its first package variable to behind its last.
    pub fn variables(&self) -> Range<Addr> {
        let parts = [&self.noptrdata, &self.data.range, &self.bss.range, &self.noptrbss];
        let start = parts.iter().map(|part| part.start).min().unwrap_or_default();
        start..parts.iter().map(|part| part.end).max().unwrap_or_default()
    }

    /// Whether `addr` lies in its text, globals or type descriptors.
    pub fn holds(&self, addr: Addr) -> bool {
        let globals = [&self.noptrdata, &self.data.range, &self.bss.range, &self.noptrbss];
        globals.into_iter().chain([&self.text, &self.types]).any(|range| range.contains(&addr))
    }

    /// What its function table needs, at the addresses that the linker chose.
    pub fn text_layout(&self, bias: Bias) -> TextLayout {
        let moved = |section: &TextSection| TextSection {
            addr: Addr::new(section.addr.get()).unrelocate(bias),
            ..*section
        };
        TextLayout {
            text: self.text.start.unrelocate(bias),
            gofunc: Some(self.gofunc.unrelocate(bias)),
            rodata: Some(self.rodata.unrelocate(bias)),
            sections: self.text_sections.iter().map(moved).collect(),
        }
    }
}

/// What the masks of a module are read from.
struct Masks<'a> {
    memory: &'a dyn TargetMemory,
    layout: &'a Layout,
    module: &'a Structure<'a>,
}

impl Masks<'_> {
    /// The mask of `range`: that which the runtime keeps (`bitvector`), else, before the runtime has come so far,
    /// that of the linker's program (`runtime.progToPointerMask`).
    fn scanned(
        &self,
        range: Range<Addr>,
        mask: &'static str,
        program: &'static str,
    ) -> Result<ScannedGlobals, RuntimeError> {
        let words = range.end.offset_from(range.start).unwrap_or(0) / WORD;
        let start = self.module.at.checked_add(self.layout.need(mask)?.offset).unwrap_or_default();
        let vector = Structure::read(self.memory, self.layout, "bitvector", start)?;
        let (bits, bytes) = (vector.uint("bitvector.n")?, vector.addr("bitvector.bytedata")?);
        let pointers = match bits {
            0 if words > 0 => self.made(self.module.addr(program)?, words)?,
            bits => self.kept(bytes, bits.min(words), mask)?,
        };
        Ok(ScannedGlobals { range, pointers })
    }

    fn kept(&self, at: Addr, bits: u64, path: &'static str) -> Result<Bitmap<'static>, RuntimeError> {
        let len = bits.div_ceil(8);
        if len == 0 {
            return Ok(Bitmap::default());
        }
        if len > MAX_MASK {
            return Err(sanity(path, at, format!("a mask of {bits} bits is longer than any program's")));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.memory.read_exact(at, &mut bytes).map_err(|source| RuntimeError::Field { path, at, source })?;
        Ok(Bitmap::new(usize::try_from(bits).unwrap_or(0), bytes))
    }

    fn made(&self, at: Addr, words: u64) -> Result<Bitmap<'static>, RuntimeError> {
        let words = usize::try_from(words).unwrap_or(usize::MAX);
        // The program's length stands nowhere: take as much as can be read.
        let lengths =
            std::iter::successors(Some(MAX_PROGRAM), |len| (*len > WORD as usize).then_some(len / 2));
        let program = lengths.into_iter().find_map(|len| {
            let mut bytes = vec![0; len];
            self.memory.read_exact(at, &mut bytes).ok().map(|()| bytes)
        });
        let mask = program.and_then(|program| gc_program::expand(&program, words));
        let mask =
            mask.ok_or_else(|| sanity("moduledata.gcdata", at, "its program makes no mask".to_owned()))?;
        Ok(Bitmap::new(words, mask))
    }
}

/// Reads the parts of the text.
fn text_sections(memory: &dyn TargetMemory, list: SliceHeader) -> Result<Vec<TextSection>, RuntimeError> {
    const PATH: &str = "moduledata.textsectmap";
    if list.len > 4096 {
        return Err(sanity(PATH, list.data, format!("a text of {} parts", list.len)));
    }
    let word = |section: u64, index: usize| {
        let offset = (section * TEXTSECT_WORDS as u64 + index as u64) * WORD;
        let at = list.data.checked_add(offset).unwrap_or_default();
        read_u64(memory, at).map_err(|source| RuntimeError::Field { path: PATH, at, source })
    };
    (0..list.len)
        .map(|section| {
            let addr = leakscope_model::LinkAddr::new(word(section, 2)?);
            Ok(TextSection { start: word(section, 0)?, end: word(section, 1)?, addr })
        })
        .collect()
}

fn sanity(what: &'static str, at: Addr, why: String) -> RuntimeError {
    RuntimeError::Sanity { what, at, why, origin: "moduledata".to_owned() }
}
