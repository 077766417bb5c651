//! What surrounds a function: other functions, types, and how calls are made.

use std::cell::RefCell;

use hashbrown::HashMap;
use leakscope_model::LinkAddr;

use super::calls::{self, Meaning};
use super::signatures::{Signature, in_registers};
use super::step::{Placed, Register};
use super::{amd64, arm64};
use crate::elf::Arch;
use crate::pclntab::FuncTable;
use crate::types::{Kind, Pointee, TypeId, Types};

/// How Go's own functions call each other (`cmd/compile/abi-internal.md`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Abi {
    /// The registers of the first whole-number arguments, which are also those of the results.
    pub(super) arguments: &'static [Register],
    /// How many registers there are for arguments that are no whole numbers.
    pub(super) floats: usize,
    /// The one that holds the closure when it is called.
    pub(super) context: Register,
    /// The one in which `runtime.gcWriteBarrier1` and its like return.
    pub(super) barrier_result: Register,
    /// Bytes that a call itself puts on the stack.
    pub(super) pushed: i64,
    /// Decodes code.
    pub(super) steps: fn(&[u8], u64) -> Vec<Placed>,
}

const AMD64: Abi = Abi {
    arguments: &[0, 3, 1, 7, 6, 8, 9, 10, 11],
    floats: 15,
    context: 2,
    barrier_result: 11,
    pushed: 8,
    steps: amd64::steps,
};

const ARM64: Abi = Abi {
    arguments: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    floats: 16,
    context: 26,
    barrier_result: 25,
    pushed: 0,
    steps: arm64::steps,
};

impl Abi {
    pub(super) fn of(arch: Arch) -> Abi {
        match arch {
            Arch::Amd64 => AMD64,
            Arch::Arm64 => ARM64,
        }
    }

    pub(super) fn argument(&self, index: u8) -> Option<Register> {
        self.arguments.get(usize::from(index)).copied()
    }
}

/// What the code of one function can be understood with.
pub(super) struct World<'w, 'b> {
    pub(super) abi: Abi,
    /// All functions; `None` where one stands alone.
    pub(super) functions: Option<&'w FuncTable<'b>>,
    pub(super) types: &'w Types,
    /// The type whose descriptor the linker placed there.
    pub(super) type_of: &'w dyn Fn(LinkAddr) -> Option<TypeId>,
    /// The functions of which it is known what they take and return, in order of address.
    pub(super) signatures: &'w [Signature],
    /// The names of functions that were asked for.
    names: RefCell<HashMap<u64, Option<&'b str>>>,
}

impl<'w, 'b> World<'w, 'b> {
    pub(super) fn new(
        abi: Abi,
        functions: Option<&'w FuncTable<'b>>,
        types: &'w Types,
        type_of: &'w dyn Fn(LinkAddr) -> Option<TypeId>,
        signatures: &'w [Signature],
    ) -> World<'w, 'b> {
        World { abi, functions, types, type_of, signatures, names: RefCell::default() }
    }

    pub(super) fn type_at(&self, at: u64) -> Option<TypeId> {
        (self.type_of)(LinkAddr::new(at))
    }

    /// The name of the function that starts there.
    pub(super) fn function_at(&self, at: u64) -> Option<&'b str> {
        *self.names.borrow_mut().entry(at).or_insert_with(|| self.name_at(LinkAddr::new(at)))
    }

    fn name_at(&self, at: LinkAddr) -> Option<&'b str> {
        self.functions?.find(at).filter(|function| function.entry == at).map(|function| function.name)
    }

    /// What the registers of a function's parameters point at, as far as that is known.
    pub(super) fn parameters(&self, code: u64, name: &str) -> Vec<Option<Pointee>> {
        match self.signature(code) {
            Some(signature) => in_registers(self.types, &self.abi, &signature.parameters),
            None => self.receiver(name).map(|ty| Some(Pointee::One(ty))).into_iter().collect(),
        }
    }

    /// What the registers of a function's results point at, as far as that is known.
    pub(super) fn results(&self, code: u64) -> Vec<Option<Pointee>> {
        let signature = self.signature(code);
        signature.map_or_else(Vec::new, |signature| in_registers(self.types, &self.abi, &signature.results))
    }

    fn signature(&self, code: u64) -> Option<&Signature> {
        let at = self.signatures.binary_search_by_key(&code, |signature| signature.code.get()).ok()?;
        self.signatures.get(at)
    }

    /// Whether a function starts there.
    pub(super) fn is_code(&self, at: u64) -> bool {
        self.function_at(at).is_some()
    }

    /// What the word of a value of this type points at.
    pub(super) fn word_of(&self, ty: TypeId, offset: u64) -> Option<Pointee> {
        let pointee = self.types.pointee_at(ty, offset).filter(|_| offset < self.size(ty))?;
        (!matches!(pointee, Pointee::Untyped | Pointee::Dynamic { .. })).then_some(pointee)
    }

    /// Every word of a value of this type of which that is known.
    pub(super) fn words_of(&self, ty: TypeId) -> impl Iterator<Item = (u64, Pointee)> + '_ {
        let words = self.types.pointer_words(ty).iter().map(|word| (word.offset, word.pointee));
        words.filter(|(_, pointee)| !matches!(pointee, Pointee::Untyped | Pointee::Dynamic { .. }))
    }

    /// The type of a method's receiver, by the method's name.
    fn receiver(&self, name: &str) -> Option<TypeId> {
        self.types.by_name(&calls::receiver(name)?)
    }

    /// What a pointer of this meaning points at, where the call names the type, or `named` none at all.
    pub(super) fn meant(&self, meaning: Meaning, named: bool, ty: Option<TypeId>) -> Option<Pointee> {
        match (meaning, ty) {
            (Meaning::Text, _) if !named => Some(Pointee::Bytes),
            (Meaning::Bytes, _) if !named => self.types.by_name("uint8").map(Pointee::Many),
            (Meaning::One, Some(ty)) => match self.types.get(ty)?.kind {
                // `make([]T, 4)` and `new([4]T)` are one call, and nearly always the former.
                Kind::Array { elem, .. } if self.is_unnamed(ty) => Some(Pointee::Many(elem)),
                _ => Some(Pointee::One(ty)),
            },
            (Meaning::Many, Some(ty)) => Some(Pointee::Many(ty)),
            (Meaning::Value, Some(ty)) => match self.types.get(ty)?.kind {
                Kind::Map { header, .. } | Kind::Chan { header, .. } => Some(Pointee::One(header)),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_unnamed(&self, ty: TypeId) -> bool {
        self.types.get(ty).is_some_and(|ty| ty.name.starts_with('['))
    }

    fn size(&self, ty: TypeId) -> u64 {
        self.types.get(ty).map_or(0, |ty| ty.size)
    }
}
