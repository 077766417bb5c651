//! Finding the table in a file: through its `moduledata`, else through section names and symbols.

use leakscope_model::{Addr, Bias, LinkAddr};

use super::header::PcHeader;
use super::{FuncTable, TextLayout};
use crate::elf::ElfImage;
use crate::error::RuntimeError;
use crate::file_memory::{FileMemory, writable_ranges};
use crate::module_search::search;

/// The sections that may hold the table: the second in position-independent executables up to Go 1.25.
const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

impl<'b> FuncTable<'b> {
    /// The table of a file, without its process and without a symbol table.
    ///
    /// Fails with [`RuntimeError::NotGo`] where the file has none, and with [`RuntimeError::Section`] where the
    /// table is in the format of Go 1.19 or older or contradicts itself.
    pub fn locate(elf: &ElfImage<'b>) -> Result<FuncTable<'b>, RuntimeError> {
        let (bytes, place) = match through_module(elf) {
            Some(found) => found,
            None => through_sections(elf)?,
        };
        Ok(FuncTable::new(PcHeader::parse(bytes)?, place, elf.segments()))
    }
}

fn through_module<'b>(elf: &ElfImage<'b>) -> Option<(&'b [u8], TextLayout)> {
    let linked = |addr: Addr| addr.unrelocate(Bias::default());
    let ranges = writable_ranges(elf);
    let ranges: Vec<_> = ranges.into_iter().map(|(at, len)| (at.relocate(Bias::default()), len)).collect();
    let module = *search(&FileMemory::new(elf), &ranges).first()?;
    let place = TextLayout {
        text: linked(module.text),
        gofunc: module.function_data.map(|(_, gofunc)| linked(gofunc)),
        rodata: module.function_data.map(|(rodata, _)| linked(rodata)),
        sections: Vec::new(),
    };
    Some((elf.bytes_at(linked(module.pc_header))?, place))
}

fn through_sections<'b>(elf: &ElfImage<'b>) -> Result<(&'b [u8], TextLayout), RuntimeError> {
    let section = SECTIONS.iter().find_map(|name| elf.bytes_at(elf.section_range(name)?.0));
    let Some(bytes) = section else {
        return Err(RuntimeError::NotGo("it has no .gopclntab section and no moduledata".to_owned()));
    };
    PcHeader::check_magic(bytes)?;
    let symbol = |wanted: &str| elf.symbols().find(|symbol| symbol.name == wanted).map(|symbol| symbol.addr);
    let start_of = |section: &str| elf.section_range(section).map(|(start, _)| start);
    let in_header = PcHeader::parse(bytes)?.text_start;
    let text = match in_header {
        0 => symbol("runtime.text").or(start_of(".text")).unwrap_or_default(),
        start => LinkAddr::new(start),
    };
    let rodata = symbol("runtime.rodata").or(start_of(".rodata"));
    Ok((bytes, TextLayout { text, gofunc: symbol("go:func.*"), rodata, sections: Vec::new() }))
}
