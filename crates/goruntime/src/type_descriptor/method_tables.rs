//! The methods that types list with their code (`abi.UncommonType`): whose code takes and returns what.
//!
//! The linker keeps those that an interface or reflection may call; of all others it takes the addresses out
//! (cmd/link/internal/ld/deadcode.go).

use leakscope_model::Addr;

use super::kinds::FUNC;
use super::reading::{Descriptors, Head};
use crate::integers::u32_at;
use crate::types::TypeId;

/// More methods than any type has.
const MAX_METHODS: u64 = 1 << 14;

/// A method by its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// Where its code starts.
    pub code: Addr,
    /// The types of its receiver and its parameters, in order.
    pub parameters: Vec<TypeId>,
    /// The types of its results.
    pub results: Vec<TypeId>,
}

/// A method whose types are not looked up yet.
pub(super) struct MethodCode {
    pub(super) code: Addr,
    pub(super) signature: Head,
}

impl Descriptors<'_> {
    /// The methods of a type that has any, those with code.
    pub(super) fn method_table(&self, head: &Head) -> Option<Vec<MethodCode>> {
        let module = self.modules.iter().find(|module| module.types.contains(&head.at))?;
        let uncommon = head.at.checked_add(self.length(head.kind).filter(|_| head.is_uncommon())?)?;
        let number = |path| self.uint(uncommon, "abi.UncommonType", path);
        let (count, first) = (number("abi.UncommonType.Mcount")?, number("abi.UncommonType.Moff")?);
        let size = self.layout.size("abi.Method").filter(|size| *size > 0)?;
        let bytes = self.list(uncommon.checked_add(first)?, count.min(MAX_METHODS), size)?;
        let slots = ["abi.Method.Mtyp", "abi.Method.Tfn"].map(|path| self.layout.slot(path));
        let [ty, code] = slots.map(|slot| slot.and_then(|slot| usize::try_from(slot.offset).ok()));
        let (ty, code) = (ty?, code?);
        let records = bytes.chunks_exact(usize::try_from(size).ok()?).filter_map(|record| {
            // What the linker took out is 0 or -1.
            let kept = |at| u32_at(record, at).filter(|offset| *offset != 0 && *offset != u32::MAX);
            let at = module.types.start.checked_add(u64::from(kept(ty)?))?;
            let signature = self.plausible_head(at).filter(|head| head.kind == FUNC)?;
            let code = module.text.start.checked_add(u64::from(kept(code)?))?;
            Some(MethodCode { code: Some(code).filter(|code| module.text.contains(code))?, signature })
        });
        Some(records.collect())
    }
}
