//! Values of every kind, by their types.

use std::sync::Arc;

use leakscope_goruntime::{GoType, Kind, Layout, Slot, TypeId, Types};
use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use super::{Limits, Value, What};
use crate::fields::WORD;
use crate::typing::TypeSource;

/// Values in values in values: ends the walk over types that hold themselves.
const DEEPEST: u32 = 64;
/// Seconds from the year 1 to 1970 (`time.unixToInternal`).
const YEAR_1_TO_1970: i64 = 62_135_596_800;
/// Seconds from the year 1 to 1885 (`time.wallToInternal`).
const YEAR_1_TO_1885: i64 = 59_453_308_800;
/// The bit of `Time.wall` that says that it holds seconds since 1885 (`time.hasMonotonic`).
const HAS_MONOTONIC: u64 = 1 << 63;
const NANOSECONDS: u64 = (1 << 30) - 1;

/// Reads values out of memory.
pub struct Values<'a> {
    pub(super) memory: &'a dyn TargetMemory,
    pub(super) source: &'a dyn TypeSource,
    pub(super) layout: &'a Layout,
    pub(super) limits: Limits,
    /// How many more values may be read.
    left: u32,
}

/// How far one is on the way down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// References that may still be followed.
    pub(super) follow: u32,
    /// Steps down so far, of whatever kind.
    steps: u32,
}

impl Way {
    /// Into a part of the value.
    pub(super) fn into_part(self) -> Way {
        Way { steps: self.steps + 1, ..self }
    }

    /// Along a reference; `None` where no more may be followed.
    pub(super) fn along(self) -> Option<Way> {
        Some(Way { follow: self.follow.checked_sub(1)?, steps: self.steps + 1 })
    }
}

impl<'a> Values<'a> {
    /// A reader that stops at `limits`.
    pub fn new(
        memory: &'a dyn TargetMemory,
        source: &'a dyn TypeSource,
        layout: &'a Layout,
        limits: Limits,
    ) -> Values<'a> {
        Values { memory, source, layout, limits, left: limits.nodes }
    }

    /// The value of this type that lies at `at`.
    pub fn read(&mut self, ty: TypeId, at: Addr) -> Value {
        self.value(ty, at, self.start())
    }

    pub(super) fn start(&self) -> Way {
        Way { follow: self.limits.depth, steps: 0 }
    }

    pub(super) fn types(&self) -> &'a Types {
        self.source.types()
    }

    pub(super) fn value(&mut self, id: TypeId, at: Addr, way: Way) -> Value {
        let Some(ty) = self.types().get(id) else { return Value::new(&Arc::from(""), What::Cut) };
        let what = match self.left.checked_sub(1) {
            Some(left) if way.steps < DEEPEST => {
                self.left = left;
                self.what(id, ty, at, way).unwrap_or_else(|unreadable| unreadable)
            }
            _ => What::Cut,
        };
        Value::new(&ty.name, what)
    }

    /// The error is a value, too: what stands in the tree instead.
    fn what(&mut self, id: TypeId, ty: &GoType, at: Addr, way: Way) -> Result<What, What> {
        match &ty.kind {
            Kind::Bool => Ok(What::Bool(self.number(at, 1)? != 0)),
            Kind::Int => Ok(What::Int(signed(self.number(at, ty.size)?, ty.size))),
            Kind::Uint => Ok(What::Uint(self.number(at, ty.size)?)),
            Kind::Float => self.float(at, ty.size),
            Kind::Complex => self.complex(at, ty.size),
            Kind::String => self.string(at),
            Kind::Slice { elem } => self.slice(*elem, at, way),
            Kind::Array { elem, len } => Ok(self.array(*elem, *len, at, way)),
            Kind::Struct { .. } if &*ty.name == "time.Time" => self.time(id, at),
            Kind::Struct { fields } => Ok(What::Struct(self.fields(fields, at, way))),
            Kind::Pointer { elem } => self.pointer(*elem, at, way),
            Kind::UnsafePointer => Ok(What::Pointer { to: self.word(at)?, target: None }),
            Kind::Func => {
                let closure = self.word(at)?;
                self.closure(closure, way)
            }
            Kind::Map { key, elem, header } => {
                let at = self.word(at)?;
                self.map(*key, *elem, *header, at, way)
            }
            Kind::Chan { elem, .. } => {
                let at = self.word(at)?;
                self.channel(*elem, at, way)
            }
            Kind::Interface { empty } => self.interface(*empty, at, way),
            Kind::Opaque => Ok(What::Raw(self.bytes(at, ty.size.min(self.limits.text))?)),
        }
    }

    /// An unsigned number of at most 8 bytes.
    pub(super) fn number(&self, at: Addr, size: u64) -> Result<u64, What> {
        let mut word = [0; 8];
        let width = usize::try_from(size).unwrap_or(8).min(8);
        if let Some(bytes) = word.get_mut(..width) {
            self.memory.read_exact(at, bytes).map_err(|error| unreadable(at, error))?;
        }
        Ok(u64::from_le_bytes(word))
    }

    pub(super) fn word(&self, at: Addr) -> Result<Addr, What> {
        self.number(at, WORD).map(Addr::new)
    }

    /// The number in a field of the runtime's own structure at `at`.
    pub(super) fn field(&self, at: Addr, slot: Slot) -> Result<u64, What> {
        self.number(offset(at, slot.offset)?, slot.width)
    }

    pub(super) fn bytes(&self, at: Addr, len: u64) -> Result<Vec<u8>, What> {
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.memory.read_exact(at, &mut bytes).map_err(|error| unreadable(at, error))?;
        Ok(bytes)
    }

    fn float(&self, at: Addr, size: u64) -> Result<What, What> {
        let bits = self.number(at, size)?;
        Ok(match size {
            4 => What::Float32(f32::from_bits(bits as u32)),
            _ => What::Float64(f64::from_bits(bits)),
        })
    }

    fn complex(&self, at: Addr, size: u64) -> Result<What, What> {
        let half = size / 2;
        let part = |at| {
            Ok::<f64, What>(match self.float(at, half)? {
                What::Float32(part) => f64::from(part),
                What::Float64(part) => part,
                _ => 0.0,
            })
        };
        Ok(What::Complex(part(at)?, part(offset(at, half)?)?))
    }

    fn string(&self, at: Addr) -> Result<What, What> {
        let (data, len) = (self.word(at)?, self.number(offset(at, WORD)?, WORD)?);
        self.text(data, len)
    }

    /// The first of `len` bytes at `data`.
    pub(super) fn text(&self, data: Addr, len: u64) -> Result<What, What> {
        Ok(What::Text { bytes: self.bytes(data, len.min(self.limits.text))?, len })
    }

    fn slice(&mut self, elem: TypeId, at: Addr, way: Way) -> Result<What, What> {
        let (data, len) = (self.word(at)?, self.number(offset(at, WORD)?, WORD)?);
        let cap = self.number(offset(at, 2 * WORD)?, WORD)?;
        let elements = match way.along() {
            Some(way) => self.row(elem, len, data, way),
            None => Vec::new(),
        };
        Ok(What::Slice { at: data, len, cap, elements })
    }

    pub(super) fn array(&mut self, elem: TypeId, len: u64, at: Addr, way: Way) -> What {
        What::Array { len, elements: self.row(elem, len, at, way.into_part()) }
    }

    /// The first of `len` values in a row; what cannot be read ends it.
    fn row(&mut self, elem: TypeId, len: u64, at: Addr, way: Way) -> Vec<Value> {
        let size = self.types().get(elem).map_or(0, |ty| ty.size);
        let mut elements = Vec::new();
        for index in 0..len.min(self.limits.elements) {
            let Some(at) = index.checked_mul(size).and_then(|offset| at.checked_add(offset)) else { break };
            let element = self.value(elem, at, way);
            let ends = matches!(element.what, What::Unreadable { .. } | What::Cut);
            elements.push(element);
            if ends {
                break;
            }
        }
        elements
    }

    fn fields(
        &mut self,
        fields: &[leakscope_goruntime::Field],
        at: Addr,
        way: Way,
    ) -> Vec<(Arc<str>, Value)> {
        let mut values = Vec::new();
        for field in fields {
            if self.left == 0 {
                values.push((Arc::from("…"), Value::new(&Arc::from(""), What::Cut)));
                break;
            }
            if let Some(at) = at.checked_add(field.offset) {
                values.push((field.name.clone(), self.value(field.ty, at, way.into_part())));
            }
        }
        values
    }

    fn pointer(&mut self, elem: TypeId, at: Addr, way: Way) -> Result<What, What> {
        let to = self.word(at)?;
        let followed = way.along().filter(|_| !to.is_nil());
        let target = followed.map(|way| Box::new(self.value(elem, to, way)));
        Ok(What::Pointer { to, target })
    }

    /// What a func value points at: code, then what it captured.
    pub(super) fn closure(&mut self, closure: Addr, way: Way) -> Result<What, What> {
        if closure.is_nil() {
            return Ok(What::Func { at: closure, name: None, captured: Vec::new() });
        }
        let code = self.word(closure)?;
        let mut captured = Vec::new();
        if let Some(way) = way.along() {
            for capture in self.source.captures(code).into_iter().take(64) {
                if let Some(at) = closure.checked_add(capture.offset) {
                    captured.push((capture.name, self.value(capture.ty, at, way)));
                }
            }
        }
        Ok(What::Func { at: closure, name: self.source.function_starting_at(code), captured })
    }

    fn interface(&mut self, empty: bool, at: Addr, way: Way) -> Result<What, What> {
        let (first, data_at) = (self.word(at)?, offset(at, WORD)?);
        if first.is_nil() {
            return Ok(What::Interface(None));
        }
        let Some(id) = self.dynamic_type(empty, first)? else {
            let what = What::Pointer { to: self.word(data_at)?, target: None };
            return Ok(What::Interface(Some(Box::new(Value::new(&Arc::from(""), what)))));
        };
        let ty = self.types().get(id);
        // A value of one pointer-shaped word is the data word itself; any other lies behind it.
        // Compiler: cmd/compile/internal/types, IsDirectIface
        let direct = ty.is_some_and(|ty| ty.size == WORD)
            && matches!(self.types().pointer_words(id), [only] if only.offset == 0);
        let inner = match (direct, way.along()) {
            (true, _) => self.value(id, data_at, way.into_part()),
            (false, Some(way)) => {
                let data = self.word(data_at)?;
                self.value(id, data, way)
            }
            (false, None) if ty.is_some_and(|ty| ty.size <= 2 * WORD) => {
                // A number or a string is shown, however deep.
                let data = self.word(data_at)?;
                self.value(id, data, way.into_part())
            }
            (false, None) => Value::new(&ty.map_or_else(|| Arc::from(""), |ty| ty.name.clone()), What::Cut),
        };
        Ok(What::Interface(Some(Box::new(inner))))
    }

    /// The type that the first word of an interface names: a type itself, or an itab.
    fn dynamic_type(&self, empty: bool, word: Addr) -> Result<Option<TypeId>, What> {
        let of_type = self.source.type_of_runtime(word);
        if empty || of_type.is_some() {
            return Ok(of_type);
        }
        match self.source.itab_type() {
            Some(slot) => Ok(self.source.type_of_runtime(self.word(offset(word, slot.offset)?)?)),
            None => Ok(None),
        }
    }

    /// `time.Time` (`time/time.go`): `wall` and `ext`.
    fn time(&self, id: TypeId, at: Addr) -> Result<What, What> {
        let field = |name| self.types().field(id, name).map(|field| field.offset);
        let (Some(wall), Some(ext)) = (field("wall"), field("ext")) else { return Ok(What::Cut) };
        let wall = self.number(offset(at, wall)?, WORD)?;
        let ext = self.number(offset(at, ext)?, WORD)?.cast_signed();
        let since_year_1 =
            if wall & HAS_MONOTONIC != 0 { YEAR_1_TO_1885 + (wall << 1 >> 31).cast_signed() } else { ext };
        Ok(What::Time {
            seconds: since_year_1.wrapping_sub(YEAR_1_TO_1970),
            nanoseconds: (wall & NANOSECONDS) as u32,
        })
    }
}

pub(super) fn offset(at: Addr, offset: u64) -> Result<Addr, What> {
    at.checked_add(offset).ok_or_else(|| What::Unreadable { at, why: "beyond the address space".to_owned() })
}

fn unreadable(at: Addr, error: leakscope_target::ReadError) -> What {
    What::Unreadable { at, why: error.to_string() }
}

/// A two's complement number of `size` bytes.
fn signed(raw: u64, size: u64) -> i64 {
    let unused = 64 - 8 * size.clamp(1, 8);
    (raw << unused).cast_signed() >> unused
}
