//! Numbers and strings in bytes.

use std::sync::Arc;

use hashbrown::HashMap;

/// Where a file contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// Bytes from the start of the file.
    pub(super) offset: u64,
    /// What is wrong.
    pub(super) what: &'static str,
}

/// Bytes that are being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    /// Seven bits a byte, the lowest first; the high bit says that more follow.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// How far `number` is from `before`, small in both directions.
    pub(super) fn step(&mut self, before: u64, number: u64) {
        let difference = number.wrapping_sub(before) as i64;
        self.number((difference << 1 ^ difference >> 63) as u64);
    }

    pub(super) fn len(&mut self, len: usize) {
        self.number(len as u64);
    }

    /// 1 + the number, 0 for none.
    pub(super) fn maybe(&mut self, number: Option<u32>) {
        self.number(number.map_or(0, |number| u64::from(number) + 1));
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn word(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }
}

/// Bytes that are being read.
#[derive(Debug, Clone)]
pub(super) struct Reader<'b> {
    rest: &'b [u8],
    /// Where `rest` starts in the file.
    offset: u64,
}

impl<'b> Reader<'b> {
    pub(super) fn new(bytes: &'b [u8], offset: u64) -> Reader<'b> {
        Reader { rest: bytes, offset }
    }

    pub(super) fn damage(&self, what: &'static str) -> Damage {
        Damage { offset: self.offset, what }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'b [u8], Damage> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                self.offset += len as u64;
                Ok(taken)
            }
            None => Err(self.damage("the data ends in the middle of a value")),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Damage> {
        match self.take(1)? {
            [byte] => Ok(*byte),
            _ => Err(self.damage("the data ends in the middle of a value")),
        }
    }

    pub(super) fn word(&mut self) -> Result<u64, Damage> {
        let bytes = self.take(8)?.try_into();
        bytes.map(u64::from_le_bytes).map_err(|_| self.damage("the data ends in the middle of a value"))
    }

    pub(super) fn number(&mut self) -> Result<u64, Damage> {
        let (mut number, mut shift) = (0u64, 0);
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || bits << shift >> shift != bits {
                return Err(self.damage("a number of more than 64 bits"));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64, what: &'static str) -> Result<u32, Damage> {
        let number = self.number()?;
        match u32::try_from(number) {
            Ok(small) if number < bound => Ok(small),
            _ => Err(self.damage(what)),
        }
    }

    pub(super) fn number32(&mut self) -> Result<u32, Damage> {
        self.below(1 << 32, "a number of more than 32 bits")
    }

    pub(super) fn step(&mut self, before: u64) -> Result<u64, Damage> {
        let number = self.number()?;
        Ok(before.wrapping_add(number >> 1 ^ (number & 1).wrapping_neg()))
    }

    pub(super) fn maybe(&mut self) -> Result<Option<u32>, Damage> {
        let number = self.below(1 << 32, "a number of more than 32 bits")?;
        Ok(number.checked_sub(1))
    }

    /// A count of values that take at least one byte each, so no more than bytes are left.
    pub(super) fn count(&mut self) -> Result<usize, Damage> {
        let count = self.number()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() => Ok(count),
            _ => Err(self.damage("more values than bytes")),
        }
    }
}

/// Every string of a file, each once.
#[derive(Debug, Default)]
pub(super) struct Strings {
    texts: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, u64>,
}

impl Strings {
    /// Writes the number of a string.
    pub(super) fn put(&mut self, text: &str, to: &mut Writer) {
        let id = match self.ids.get(text) {
            Some(&known) => known,
            None => {
                let (id, text) = (self.texts.len() as u64, Arc::<str>::from(text));
                self.texts.push(text.clone());
                self.ids.insert(text, id);
                id
            }
        };
        to.number(id);
    }

    /// The string whose number comes next.
    pub(super) fn get(&self, from: &mut Reader<'_>) -> Result<Arc<str>, Damage> {
        let id = from.number32()? as usize;
        // Without its strings a file still has its numbers.
        Ok(self.texts.get(id).cloned().unwrap_or_else(|| Arc::from("?")))
    }

    pub(super) fn write_all_of(&mut self, texts: &[Arc<str>], to: &mut Writer) {
        to.len(texts.len());
        for text in texts {
            self.put(text, to);
        }
    }

    pub(super) fn read_all_of(&self, mut from: Reader<'_>) -> Result<Vec<Arc<str>>, Damage> {
        (0..from.count()?).map(|_| self.get(&mut from)).collect()
    }

    pub(super) fn write(&self, to: &mut Writer) {
        to.len(self.texts.len());
        for text in &self.texts {
            to.len(text.len());
            to.bytes.extend_from_slice(text.as_bytes());
        }
    }

    pub(super) fn read(mut from: Reader<'_>) -> Result<Strings, Damage> {
        let mut texts = Vec::new();
        for _ in 0..from.count()? {
            let len = from.count()?;
            texts.push(String::from_utf8_lossy(from.take(len)?).into());
        }
        Ok(Strings { texts, ids: HashMap::new() })
    }
}
