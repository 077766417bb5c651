//! The dynamic type of an interface: from its first word to what its second points at.

use hashbrown::HashMap;
use leakscope_goruntime::{Pointee, TypeId};
use leakscope_model::Addr;
use leakscope_target::{TargetMemory, read_u64};

use super::source::TypeSource;

/// What the first word of an interface was found to say, each asked once.
pub(crate) struct DynamicTypes<'m> {
    memory: &'m dyn TargetMemory,
    known: HashMap<Addr, Option<Pointee>>,
}

impl<'m> DynamicTypes<'m> {
    pub(crate) fn new(memory: &'m dyn TargetMemory) -> DynamicTypes<'m> {
        DynamicTypes { memory, known: HashMap::new() }
    }

    /// What the data word beside `word` points at; `None` for a word that is neither a type nor an itab.
    ///
    /// Types and itabs cannot be mistaken for each other: only one of them has a type's address.
    pub(crate) fn pointee(&mut self, source: &dyn TypeSource, word: Addr) -> Option<Pointee> {
        if let Some(known) = self.known.get(&word) {
            return *known;
        }
        let ty = source.type_of_runtime(word).or_else(|| self.type_of_itab(source, word));
        let pointee = ty.and_then(|ty| behind_data_word(source, ty));
        self.known.insert(word, pointee);
        pointee
    }

    /// `abi.ITab.Type` (internal/abi/iface.go).
    fn type_of_itab(&self, source: &dyn TypeSource, itab: Addr) -> Option<TypeId> {
        let at = itab.checked_add(source.itab_type()?.offset)?;
        source.type_of_runtime(Addr::new(read_u64(self.memory, at).ok()?))
    }
}

/// A value of one pointer-shaped word is the data word itself; any other lies behind it
/// (cmd/compile/internal/types, `IsDirectIface`).
fn behind_data_word(source: &dyn TypeSource, ty: TypeId) -> Option<Pointee> {
    let types = source.types();
    match types.pointer_words(ty) {
        [only] if types.get(ty)?.size == 8 && only.offset == 0 => Some(only.pointee),
        _ => Some(Pointee::One(ty)),
    }
}
