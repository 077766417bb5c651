//! The parts of descriptors as they stand in memory: heads, names, fields, methods, parameters.

use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use super::kinds;
use crate::error::RuntimeError;
use crate::integers::{i32_at, u8_at, u32_at, u64_at, uvarint_at};
use crate::layout::{Layout, Slot};
use crate::moduledata::ModuleData;
use crate::structure::Structure;

/// `abi.TFlagUncommon`: an `abi.UncommonType` follows.
const UNCOMMON: u64 = 1;
/// `abi.TFlagExtraStar`: the name in the descriptor has a `*` before it that does not belong to it.
const EXTRA_STAR: u64 = 2;
/// `abi.TFlagNamed`.
const NAMED: u64 = 4;
/// `abi.KindMask`: above it stand flags up to Go 1.25.
const KIND_MASK: u64 = 0x1f;
/// Of the first byte of an `abi.Name`: a tag follows; the package follows, as an offset like those of names; the
/// name is that of an embedded field.
const HAS_TAG: u8 = 2;
const HAS_PACKAGE: u8 = 4;
const EMBEDDED: u8 = 8;
/// The bits of that byte that mean something.
const NAME_FLAGS: u8 = 0xf;
/// The longest name that is read, in bytes.
const MAX_NAME: usize = 1 << 14;
/// More fields, methods or parameters than any type has.
const MAX_PARTS: u64 = 1 << 16;
/// `abi.FuncType.OutCount`: the last parameter is `...T`.
const VARIADIC: u64 = 1 << 15;

/// Where descriptors are read from.
#[derive(Clone, Copy)]
pub(super) struct Descriptors<'a> {
    pub(super) memory: &'a dyn TargetMemory,
    pub(super) layout: &'a Layout,
    pub(super) modules: &'a [ModuleData],
}

/// What every descriptor starts with: `abi.Type`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) at: Addr,
    pub(super) size: u64,
    pub(super) pointer_bytes: u64,
    /// The number of its `reflect.Kind`.
    pub(super) kind: u64,
    pub(super) gc_data: Addr,
    flags: u64,
    text: u64,
}

impl Head {
    /// Whether the source gave it a name, or the language has.
    pub(super) fn is_named(&self) -> bool {
        self.flags & NAMED != 0
    }

    /// Whether package path and methods follow.
    pub(super) fn is_uncommon(&self) -> bool {
        self.flags & UNCOMMON != 0
    }
}

/// An `abi.Name`.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) tag: Option<String>,
    pub(super) embedded: bool,
    /// Where the offset of the path of its package stands.
    pub(super) package: Option<Addr>,
}

/// A field of a struct: `abi.StructField`.
#[derive(Debug, Clone)]
pub(super) struct FieldRecord {
    pub(super) name: Text,
    pub(super) ty: Addr,
    pub(super) offset: u64,
}

/// The types of a function's parameters and results: `abi.FuncType`.
#[derive(Debug, Clone, Default)]
pub(super) struct Signature {
    pub(super) parameters: Vec<Addr>,
    pub(super) results: Vec<Addr>,
    pub(super) variadic: bool,
}

/// A method of an interface: `abi.Imethod`.
#[derive(Debug, Clone)]
pub(super) struct MethodRecord {
    pub(super) name: String,
    /// The path of its package, where its name alone says so.
    pub(super) package: Option<String>,
    /// Its function type.
    pub(super) ty: Addr,
}

impl<'a> Descriptors<'a> {
    pub(super) fn head(&self, at: Addr) -> Result<Head, RuntimeError> {
        let head = Structure::read(self.memory, self.layout, "abi.Type", at)?;
        Ok(Head {
            at,
            size: head.uint("abi.Type.Size_")?,
            pointer_bytes: head.uint("abi.Type.PtrBytes")?,
            kind: head.uint("abi.Type.Kind_")? & KIND_MASK,
            gc_data: head.addr("abi.Type.GCData")?,
            flags: head.uint("abi.Type.TFlag")?,
            text: head.uint("abi.Type.Str")?,
        })
    }

    /// The head of what is no doubt a descriptor: alignment, size, pointers and name agree with its kind.
    pub(super) fn plausible_head(&self, at: Addr) -> Option<Head> {
        let head = self.head(at).ok()?;
        let whole = Structure::read(self.memory, self.layout, "abi.Type", at).ok()?;
        let align = whole.uint("abi.Type.Align_").ok()?;
        let aligned = align.is_power_of_two() && align <= 16 && head.size.is_multiple_of(align);
        let pointers = head.pointer_bytes <= head.size && head.pointer_bytes.is_multiple_of(8);
        let sized = kinds::size(head.kind).is_none_or(|size| size == head.size);
        let named = self.types_of(at).is_none_or(|types| self.name_at(types, head.text).is_ok());
        (kinds::is_kind(head.kind) && aligned && pointers && sized && named).then_some(head)
    }

    /// The start of the descriptors of the module that holds this one; `None` for a type that reflection made.
    pub(super) fn types_of(&self, at: Addr) -> Option<Addr> {
        self.modules.iter().find(|module| module.types.contains(&at)).map(|module| module.types.start)
    }

    /// The name in the descriptor itself, with the package's own name before it, not its path.
    pub(super) fn text(&self, head: &Head) -> Option<String> {
        let mut name = self.name_at(self.types_of(head.at)?, head.text).ok()?.text;
        if head.flags & EXTRA_STAR != 0 && name.starts_with('*') {
            name.remove(0);
        }
        Some(name)
    }

    /// The name of a pointer to a named type, as it stands there: `*http.Server`.
    pub(super) fn pointer_text(&self, head: &Head) -> Option<String> {
        Some(self.name_at(self.types_of(head.at)?, head.text).ok()?.text)
    }

    /// The import path of the package of a named type (`abi.UncommonType.PkgPath`); `None` for those of the
    /// language itself.
    pub(super) fn package_path(&self, head: &Head) -> Option<String> {
        let types = self.types_of(head.at).filter(|_| head.is_uncommon())?;
        let at = head.at.checked_add(self.length(head.kind)?)?;
        let offset = i32_at(&self.bytes(at, 4)?, 0).filter(|offset| *offset != 0)?;
        self.name_at(types, u64::from(offset.cast_unsigned())).ok().map(|name| name.text)
    }

    /// The address in a field of the structure that describes types of this kind.
    pub(super) fn addr(&self, at: Addr, structure: &'static str, path: &'static str) -> Option<Addr> {
        self.uint(at, structure, path).map(Addr::new)
    }

    /// The number in such a field.
    pub(super) fn uint(&self, at: Addr, structure: &'static str, path: &'static str) -> Option<u64> {
        Structure::read(self.memory, self.layout, structure, at).ok()?.uint(path).ok()
    }

    /// The fields of a struct.
    pub(super) fn fields(&self, at: Addr) -> Option<Vec<FieldRecord>> {
        let whole = Structure::read(self.memory, self.layout, "abi.StructType", at).ok()?;
        let list = whole.slice("abi.StructType.Fields").ok()?;
        let size = self.layout.size("abi.StructField").filter(|size| *size > 0)?;
        let slots = ["abi.StructField.Name", "abi.StructField.Typ", "abi.StructField.Offset"];
        let [name, ty, offset] = slots.map(|path| self.layout.slot(path));
        let (name, ty, offset) = (name?, ty?, offset?);
        let bytes = self.list(list.data, list.len, size)?;
        let records = bytes.chunks_exact(usize::try_from(size).ok()?).map(|record| {
            let word = |slot: Slot| u64_at(record, usize::try_from(slot.offset).ok()?);
            let name = self.name(Addr::new(word(name)?)).ok()?;
            Some(FieldRecord { name, ty: Addr::new(word(ty)?), offset: word(offset)? })
        });
        records.collect()
    }

    /// The package whose names without a capital a struct or interface uses.
    pub(super) fn literal_path(
        &self,
        at: Addr,
        structure: &'static str,
        path: &'static str,
    ) -> Option<String> {
        let name = self.addr(at, structure, path).filter(|name| !name.is_nil())?;
        self.name(name).ok().map(|name| name.text)
    }

    /// Parameters and results of a function type; they follow the descriptor (`abi.FuncType.InSlice`).
    pub(super) fn signature(&self, head: &Head) -> Option<Signature> {
        let counts = ["abi.FuncType.InCount", "abi.FuncType.OutCount"];
        let [parameters, results] = counts.map(|path| self.uint(head.at, "abi.FuncType", path));
        let (parameters, results) = (parameters?, results?);
        let (variadic, results) = (results & VARIADIC != 0, results & (VARIADIC - 1));
        let uncommon = if head.is_uncommon() { self.layout.size("abi.UncommonType")? } else { 0 };
        let at = head.at.checked_add(self.length(head.kind)?.checked_add(uncommon)?)?;
        let bytes = self.list(at, parameters.checked_add(results)?, 8)?;
        let words = bytes.as_chunks::<8>().0.iter().map(|word| Addr::new(u64::from_le_bytes(*word)));
        let mut parameters_then_results: Vec<Addr> = words.collect();
        let results = parameters_then_results.split_off(usize::try_from(parameters).ok()?);
        Some(Signature { parameters: parameters_then_results, results, variadic })
    }

    /// The methods of an interface; `None` where reflection made it.
    pub(super) fn methods(&self, at: Addr) -> Option<Vec<MethodRecord>> {
        let types = self.types_of(at)?;
        let list = self.method_list(at)?;
        let size = self.layout.size("abi.Imethod").filter(|size| *size > 0)?;
        let (name, ty) = (self.layout.slot("abi.Imethod.Name")?, self.layout.slot("abi.Imethod.Typ")?);
        let bytes = self.list(list.0, list.1, size)?;
        let records = bytes.chunks_exact(usize::try_from(size).ok()?).map(|record| {
            let offset = |slot: Slot| u32_at(record, usize::try_from(slot.offset).ok()?).map(u64::from);
            let name = self.name_at(types, offset(name)?).ok()?;
            let package = name.package.and_then(|at| u32_at(&self.bytes(at, 4)?, 0));
            let package = package.and_then(|offset| self.name_at(types, u64::from(offset)).ok());
            let (name, package) = (name.text, package.map(|package| package.text));
            Some(MethodRecord { name, package, ty: types.checked_add(offset(ty)?)? })
        });
        records.collect()
    }

    /// Where the methods of an interface stand, and how many there are.
    pub(super) fn method_list(&self, at: Addr) -> Option<(Addr, u64)> {
        let whole = Structure::read(self.memory, self.layout, "abi.InterfaceType", at).ok()?;
        let list = whole.slice("abi.InterfaceType.Methods").ok()?;
        Some((list.data, list.len))
    }

    /// Bytes of the structure that describes a type of this kind.
    pub(super) fn length(&self, kind: u64) -> Option<u64> {
        let size = kinds::structures(kind).iter().find_map(|name| self.layout.size(name))?;
        size.checked_next_multiple_of(8)
    }

    pub(super) fn list(&self, at: Addr, count: u64, size: u64) -> Option<Vec<u8>> {
        self.bytes(
            at,
            usize::try_from(count).ok().filter(|_| count <= MAX_PARTS)? * usize::try_from(size).ok()?,
        )
    }

    fn bytes(&self, at: Addr, len: usize) -> Option<Vec<u8>> {
        let last = at.checked_add(len.saturating_sub(1) as u64)?;
        if len > 0 {
            self.memory.read_exact(last, &mut [0]).ok()?;
        }
        let mut bytes = vec![0; len];
        self.memory.read_exact(at, &mut bytes).ok()?;
        Some(bytes)
    }

    fn name_at(&self, types: Addr, offset: u64) -> Result<Text, RuntimeError> {
        self.name(types.checked_add(offset).unwrap_or_default())
    }

    /// An `abi.Name`: flags, length as a varint, bytes; then the same for the tag.
    fn name(&self, at: Addr) -> Result<Text, RuntimeError> {
        let mut flags = [0];
        let path = "abi.Name";
        self.memory.read_exact(at, &mut flags).map_err(|source| RuntimeError::Field { path, at, source })?;
        let [flags] = flags;
        if flags & !NAME_FLAGS != 0 {
            return Err(RuntimeError::Caution(format!("there is no name at {at}")));
        }
        let (text, behind) = self.counted(at.checked_add(1).unwrap_or_default())?;
        let tag = if flags & HAS_TAG != 0 { Some(self.counted(behind)?) } else { None };
        let (tag, behind) = tag.map_or((None, behind), |(tag, behind)| (Some(tag), behind));
        let package = (flags & HAS_PACKAGE != 0).then_some(behind);
        Ok(Text { text, tag, embedded: flags & EMBEDDED != 0, package })
    }

    /// A text with its length before it, and the address behind it.
    fn counted(&self, at: Addr) -> Result<(String, Addr), RuntimeError> {
        let field = |source| RuntimeError::Field { path: "abi.Name", at, source };
        let mut head = [0; 4];
        // A name may be the last of its mapping.
        if self.memory.read_exact(at, &mut head).is_err() {
            self.memory.read_exact(at, &mut head[..1]).map_err(field)?;
        }
        let length = u8_at(&head, 0).and_then(|_| uvarint_at(&head, 0));
        let length = length.filter(|(len, _)| *len <= MAX_NAME as u64);
        let no_name = || RuntimeError::Caution(format!("there is no name at {at}"));
        let (len, start) = length.ok_or_else(no_name)?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let text = at.checked_add(start as u64).unwrap_or_default();
        self.memory.read_exact(text, &mut bytes).map_err(field)?;
        let behind = text.checked_add(len).unwrap_or_default();
        Ok((String::from_utf8(bytes).map_err(|_| no_name())?, behind))
    }
}
