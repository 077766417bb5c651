//! The head of a pclntab (`runtime.pcHeader`, written by `cmd/link/internal/ld/pcln.go`) and its five tables.

use crate::error::RuntimeError;
use crate::integers::{u8_at, u32_at, u64_at};

/// The magic number of the format that Go writes since 1.20 (`abi.Go120PCLnTabMagic`).
const MAGIC_SINCE_1_20: u32 = 0xffff_fff1;
/// Bytes of `runtime.pcHeader` for 8-byte pointers.
const HEADER: usize = 72;
/// Bytes of one `runtime.functab`.
const FUNCTAB: usize = 8;

/// The parts of a pclntab; borrows its bytes.
#[derive(Debug, Clone, Copy)]
pub struct PcHeader<'b> {
    /// `minLC`: bytes of the smallest instruction.
    pub quantum: u8,
    /// `nfunc`: how many functions the table lists.
    pub functions: usize,
    /// Where the text starts as the header says it; 0 since Go 1.26, which leaves it to `moduledata.text`.
    pub text_start: u64,
    /// Function names, each with a zero behind it.
    pub funcnametab: &'b [u8],
    /// Compilation units: offsets into `filetab`, four bytes each.
    pub cutab: &'b [u8],
    /// File names, each with a zero behind it.
    pub filetab: &'b [u8],
    /// Tables of values over code.
    pub pctab: &'b [u8],
    /// `functab`s and the `_func` records behind them.
    pub pclntable: &'b [u8],
}

impl<'b> PcHeader<'b> {
    /// Reads the header at the start of `bytes`, which may go on behind the table.
    ///
    /// The magic number is not asked for, only the shape: obfuscators change the number, and what is found
    /// through `moduledata` needs none. [`PcHeader::check_magic`] asks.
    pub fn parse(bytes: &'b [u8]) -> Result<PcHeader<'b>, RuntimeError> {
        let (quantum, [names, units, files, values, functions]) = PcHeader::check_head(bytes)?;
        if functions > bytes.len() {
            return Err(bad(
                64,
                format!("its functions start at {functions}, behind its {} bytes", bytes.len()),
            ));
        }
        let header = PcHeader {
            quantum,
            functions: word(bytes, 8)?,
            text_start: u64_at(bytes, 24).unwrap_or(0),
            funcnametab: part(bytes, names, units),
            cutab: part(bytes, units, files),
            filetab: part(bytes, files, values),
            pctab: part(bytes, values, functions),
            pclntable: bytes.get(functions..).unwrap_or_default(),
        };
        header.check_functab()?;
        Ok(header)
    }

    /// Checks the shape of the first 72 bytes alone; answers with `minLC` and where the five tables start.
    pub(crate) fn check_head(bytes: &[u8]) -> Result<(u8, [usize; 5]), RuntimeError> {
        let pads = (u8_at(bytes, 4), u8_at(bytes, 5));
        let quantum = u8_at(bytes, 6).unwrap_or(0);
        let pointer = u8_at(bytes, 7).unwrap_or(0);
        if pads != (Some(0), Some(0)) || !matches!(quantum, 1 | 2 | 4) || pointer != 8 {
            let what = format!("minLC {quantum} and ptrSize {pointer} are not those of a 64-bit Go program");
            return Err(bad(4, what));
        }
        let mut starts = [0usize; 5];
        for (index, start) in starts.iter_mut().enumerate() {
            *start = word(bytes, 32 + 8 * index)?;
        }
        if starts.first().is_none_or(|names| *names < HEADER) || !starts.is_sorted() {
            return Err(bad(32, format!("its tables start at {starts:?}, which is not in order")));
        }
        Ok((quantum, starts))
    }

    /// Fails unless the table says that it is in the format of Go 1.20 and later.
    pub fn check_magic(bytes: &[u8]) -> Result<(), RuntimeError> {
        match u32_at(bytes, 0) {
            Some(MAGIC_SINCE_1_20) => Ok(()),
            Some(magic @ (0xffff_fff0 | 0xffff_fffa | 0xffff_fffb)) => Err(bad(
                0,
                format!("magic {magic:#x} is that of Go 1.19 or older; rebuild with Go 1.21 or later"),
            )),
            magic => Err(bad(0, format!("magic {:#x} is that of no pclntab", magic.unwrap_or(0)))),
        }
    }

    /// The `index`th entry of the function table: offset of its code in the text, offset of its record in
    /// `pclntable`. The entry behind the last function has the end of the text and no record.
    pub(crate) fn functab(&self, index: usize) -> Option<(u32, u32)> {
        let at = index.checked_mul(FUNCTAB)?;
        let record = if index < self.functions { u32_at(self.pclntable, at + 4)? } else { 0 };
        Some((u32_at(self.pclntable, at)?, record))
    }

    /// Checks that the function table is there in full and that its ends are in order.
    fn check_functab(&self) -> Result<(), RuntimeError> {
        let last = self.functab(self.functions);
        match (self.functab(0), last) {
            (Some((first, _)), Some((end, _))) if self.functions > 0 && first <= end => Ok(()),
            _ => Err(bad(8, format!("nfunc is {}, more than the table holds", self.functions))),
        }
    }
}

/// A word of the header as an index.
fn word(bytes: &[u8], offset: usize) -> Result<usize, RuntimeError> {
    let found = u64_at(bytes, offset).and_then(|word| usize::try_from(word).ok());
    found.ok_or_else(|| bad(offset, "the header ends here".to_owned()))
}

/// `bytes[start..end]`, which the caller has checked.
fn part(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end).unwrap_or_default()
}

/// What is wrong with the pclntab, and where.
fn bad(offset: usize, what: String) -> RuntimeError {
    RuntimeError::Section { section: ".gopclntab", offset: offset as u64, what }
}
