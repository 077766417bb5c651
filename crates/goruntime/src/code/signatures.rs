//! In which registers parameters and results are passed (`cmd/compile/abi-internal.md`).

use leakscope_model::LinkAddr;

use super::world::Abi;
use crate::types::{Kind, Pointee, TypeId, Types};

/// Structs in structs, more than any compiler takes.
const DEEPEST: usize = 32;

/// The types that a function takes and returns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    /// Where its code starts.
    pub code: LinkAddr,
    /// Receiver and parameters.
    pub parameters: Vec<TypeId>,
    /// Results.
    pub results: Vec<TypeId>,
}

/// What each of the registers for whole numbers points at, when values of these types are passed in a row.
pub(super) fn in_registers(types: &Types, abi: &Abi, passed: &[TypeId]) -> Vec<Option<Pointee>> {
    let mut registers =
        Registers { types, whole: Vec::new(), whole_left: abi.arguments.len(), floats_left: abi.floats };
    for ty in passed {
        let (len, before) = (registers.whole.len(), (registers.whole_left, registers.floats_left));
        // What does not fit whole goes to the stack whole.
        if !registers.assign(*ty, 0) {
            registers.whole.truncate(len);
            (registers.whole_left, registers.floats_left) = before;
        }
    }
    registers.whole
}

struct Registers<'t> {
    types: &'t Types,
    whole: Vec<Option<Pointee>>,
    whole_left: usize,
    floats_left: usize,
}

impl Registers<'_> {
    /// Whether a value of the type fits.
    fn assign(&mut self, ty: TypeId, depth: usize) -> bool {
        let Some(known) = self.types.get(ty).filter(|_| depth < DEEPEST) else { return false };
        let first = self.types.pointee_at(ty, 0).filter(|pointee| !matches!(pointee, Pointee::Untyped));
        match &known.kind {
            Kind::Bool | Kind::Int | Kind::Uint => self.whole(&[None]),
            Kind::Pointer { .. }
            | Kind::UnsafePointer
            | Kind::Func
            | Kind::Map { .. }
            | Kind::Chan { .. } => self.whole(&[first]),
            Kind::String => self.whole(&[first, None]),
            Kind::Slice { .. } => self.whole(&[first, None, None]),
            // What the second word points at, the first says.
            Kind::Interface { .. } => self.whole(&[None, None]),
            Kind::Float => self.floats(1),
            Kind::Complex => self.floats(2),
            Kind::Array { len: 0, .. } => true,
            Kind::Array { elem, len: 1 } => self.assign(*elem, depth + 1),
            Kind::Struct { fields } => fields.iter().all(|field| self.assign(field.ty, depth + 1)),
            Kind::Array { .. } | Kind::Opaque => false,
        }
    }

    fn whole(&mut self, values: &[Option<Pointee>]) -> bool {
        let left = self.whole_left.checked_sub(values.len());
        self.whole_left = left.unwrap_or(self.whole_left);
        self.whole.extend(values);
        left.is_some()
    }

    fn floats(&mut self, values: usize) -> bool {
        let left = self.floats_left.checked_sub(values);
        self.floats_left = left.unwrap_or(self.floats_left);
        left.is_some()
    }
}
