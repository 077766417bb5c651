//! Types as the running program describes them (`internal/abi.Type`): what is left where debug information names
//! none, as for types that reflection made.

use leakscope_model::Addr;
use leakscope_target::TargetMemory;

use crate::error::RuntimeError;
use crate::integers::{i32_at, u8_at, uvarint_at};
use crate::layout::Layout;
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
/// Deeper nesting of pointers, slices and maps than any source has.
const MAX_DEPTH: usize = 32;
/// The longest name that is read, in bytes.
const MAX_NAME: usize = 4096;

/// Numbers of the public `reflect.Kind`, which no release may change.
const ARRAY: u64 = 17;
const CHAN: u64 = 18;
const FUNC: u64 = 19;
const INTERFACE: u64 = 20;
const MAP: u64 = 21;
const POINTER: u64 = 22;
const SLICE: u64 = 23;
const STRUCT: u64 = 25;
/// `reflect.RecvDir` and `reflect.SendDir`.
const RECEIVE_ONLY: u64 = 1;
const SEND_ONLY: u64 = 2;

/// The kinds whose descriptor is longer than `abi.Type`, with the structures that may describe them.
const DESCRIPTORS: [(u64, &[&str]); 8] = [
    (ARRAY, &["abi.ArrayType"]),
    (CHAN, &["abi.ChanType"]),
    (FUNC, &["abi.FuncType"]),
    (INTERFACE, &["abi.InterfaceType"]),
    (MAP, &["abi.MapType", "abi.SwissMapType", "abi.OldMapType"]),
    (POINTER, &["abi.PtrType"]),
    (SLICE, &["abi.SliceType"]),
    (STRUCT, &["abi.StructType"]),
];

/// The structures that describe maps, each with its fields for key and element: while there were two kinds of
/// maps to choose from, each had a name of its own.
const MAPS: [(&str, &str, &str); 3] = [
    ("abi.MapType", "abi.MapType.Key", "abi.MapType.Elem"),
    ("abi.SwissMapType", "abi.SwissMapType.Key", "abi.SwissMapType.Elem"),
    ("abi.OldMapType", "abi.OldMapType.Key", "abi.OldMapType.Elem"),
];

/// One type of the running program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDescriptor {
    /// Where its descriptor stands.
    pub at: Addr,
    /// As Go writes it, named types with their full package path; structs and functions as the descriptor says.
    pub name: String,
    /// Bytes of a value.
    pub size: u64,
    /// Bytes up to its last pointer; 0 where it holds none.
    pub pointer_bytes: u64,
    /// The number of its `reflect.Kind`.
    pub kind: u8,
    /// `GCData`: its pointer mask, or the program that makes it.
    pub gc_data: Addr,
}

impl TypeDescriptor {
    /// Reads the descriptor at `at`; names and package paths are looked up in the module that holds it.
    ///
    /// A type that reflection made has no module; it is named by what it is made of, else by its kind.
    pub fn read(
        memory: &dyn TargetMemory,
        layout: &Layout,
        modules: &[ModuleData],
        at: Addr,
    ) -> Result<TypeDescriptor, RuntimeError> {
        let reader = Reader { memory, layout, modules };
        let head = Structure::read(memory, layout, "abi.Type", at)?;
        Ok(TypeDescriptor {
            at,
            name: reader.name(&head, 0)?,
            size: head.uint("abi.Type.Size_")?,
            pointer_bytes: head.uint("abi.Type.PtrBytes")?,
            kind: u8::try_from(head.uint("abi.Type.Kind_")? & KIND_MASK).unwrap_or_default(),
            gc_data: head.addr("abi.Type.GCData")?,
        })
    }
}

struct Reader<'a> {
    memory: &'a dyn TargetMemory,
    layout: &'a Layout,
    modules: &'a [ModuleData],
}

impl Reader<'_> {
    /// The name of the type whose head is `head`.
    fn name(&self, head: &Structure<'_>, depth: usize) -> Result<String, RuntimeError> {
        let (kind, flags) = (head.uint("abi.Type.Kind_")? & KIND_MASK, head.uint("abi.Type.TFlag")?);
        if flags & NAMED == 0
            && depth < MAX_DEPTH
            && let Some(name) = self.composed(head.at, kind, depth)?
        {
            return Ok(name);
        }
        let Some(types) = self.types_of(head.at) else {
            return Ok(format!("{} made by reflect", kind_word(kind)));
        };
        let mut name = self.text(types, head.uint("abi.Type.Str")?)?;
        if flags & EXTRA_STAR != 0 && name.starts_with('*') {
            name.remove(0);
        }
        if flags & NAMED != 0
            && flags & UNCOMMON != 0
            && let Some(path) = self.package_path(head.at, kind, types)?
        {
            name = with_path(&name, &path);
        }
        Ok(name)
    }

    /// The name of a type that is written by naming others.
    fn composed(&self, at: Addr, kind: u64, depth: usize) -> Result<Option<String>, RuntimeError> {
        let part = |structure, path| self.part(at, structure, path, depth);
        Ok(Some(match kind {
            ARRAY => {
                let array = Structure::read(self.memory, self.layout, "abi.ArrayType", at)?;
                format!(
                    "[{}]{}",
                    array.uint("abi.ArrayType.Len")?,
                    part("abi.ArrayType", "abi.ArrayType.Elem")?
                )
            }
            CHAN => {
                let chan = Structure::read(self.memory, self.layout, "abi.ChanType", at)?;
                let elem = part("abi.ChanType", "abi.ChanType.Elem")?;
                match chan.uint("abi.ChanType.Dir")? {
                    RECEIVE_ONLY => format!("<-chan {elem}"),
                    SEND_ONLY => format!("chan<- {elem}"),
                    _ if elem.starts_with("<-") => format!("chan ({elem})"),
                    _ => format!("chan {elem}"),
                }
            }
            MAP => {
                let known = MAPS.iter().find(|(_, key, _)| self.layout.slot(key).is_some());
                let Some((structure, key, elem)) = known else { return Ok(None) };
                format!("map[{}]{}", part(structure, key)?, part(structure, elem)?)
            }
            POINTER => format!("*{}", part("abi.PtrType", "abi.PtrType.Elem")?),
            SLICE => format!("[]{}", part("abi.SliceType", "abi.SliceType.Elem")?),
            _ => return Ok(None),
        }))
    }

    /// The name of the type that a field of the descriptor at `at` points at.
    fn part(
        &self,
        at: Addr,
        structure: &'static str,
        path: &'static str,
        depth: usize,
    ) -> Result<String, RuntimeError> {
        let whole = Structure::read(self.memory, self.layout, structure, at)?;
        let part = Structure::read(self.memory, self.layout, "abi.Type", whole.addr(path)?)?;
        self.name(&part, depth + 1)
    }

    /// The start of the descriptors of the module that holds this one.
    fn types_of(&self, at: Addr) -> Option<Addr> {
        self.modules.iter().find(|module| module.types.contains(&at)).map(|module| module.types.start)
    }

    /// The import path of the package of a named type (`abi.UncommonType.PkgPath`); `None` for those of the
    /// language itself.
    fn package_path(&self, at: Addr, kind: u64, types: Addr) -> Result<Option<String>, RuntimeError> {
        let longer = DESCRIPTORS
            .iter()
            .find(|(known, _)| *known == kind)
            .map_or(&["abi.Type"][..], |(_, names)| names);
        let Some(size) = longer.iter().find_map(|name| self.layout.size(name)) else { return Ok(None) };
        let at = at.checked_add(size.next_multiple_of(8)).unwrap_or_default();
        let mut offset = [0; 4];
        let path = "abi.UncommonType.PkgPath";
        self.memory.read_exact(at, &mut offset).map_err(|source| RuntimeError::Field { path, at, source })?;
        match i32_at(&offset, 0) {
            None | Some(0) => Ok(None),
            Some(offset) => self.text(types, u64::from(offset.cast_unsigned())).map(Some),
        }
    }

    /// The text of an `abi.Name`: flags, length as a varint, bytes.
    fn text(&self, types: Addr, offset: u64) -> Result<String, RuntimeError> {
        let at = types.checked_add(offset).unwrap_or_default();
        let field = |source| RuntimeError::Field { path: "abi.Name", at, source };
        let mut head = [0; 4];
        self.memory.read_exact(at, &mut head).map_err(field)?;
        let (len, start) = u8_at(&head, 0).and_then(|_| uvarint_at(&head, 1)).unwrap_or_default();
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(MAX_NAME).min(MAX_NAME)];
        let text = at.checked_add(start as u64).unwrap_or_default();
        self.memory.read_exact(text, &mut bytes).map_err(field)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// `grpc.Server` with the path `google.golang.org/grpc`; what stands in brackets is left as it is.
fn with_path(name: &str, path: &str) -> String {
    let head = name.find('[').and_then(|open| name.get(..open)).unwrap_or(name);
    let own = head.rfind('.').and_then(|dot| name.get(dot + 1..)).unwrap_or(name);
    format!("{path}.{own}")
}

fn kind_word(kind: u64) -> &'static str {
    match kind {
        ARRAY => "array",
        CHAN => "chan",
        FUNC => "func",
        INTERFACE => "interface",
        MAP => "map",
        POINTER => "pointer",
        SLICE => "slice",
        STRUCT => "struct",
        _ => "type",
    }
}

#[cfg(test)]
mod tests {
    use super::with_path;

    #[test]
    fn a_name_gets_its_whole_path() {
        assert_eq!(with_path("grpc.Server", "google.golang.org/grpc"), "google.golang.org/grpc.Server");
        assert_eq!(with_path("cache.Set[main.Key]", "shop/cache"), "shop/cache.Set[main.Key]");
    }
}
