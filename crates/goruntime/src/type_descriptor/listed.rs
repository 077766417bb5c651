//! Every type that the program keeps a descriptor of, found without debug information: the list that reflection uses,
//! and what it leads to.
//!
//! Runtime: runtime/type.go, typelinksinit and moduleTypelinks (from Go 1.27 on the descriptors themselves are the
//! list, one behind the other).

use leakscope_model::Addr;
use leakscope_target::{ReadError, TargetMemory};

use super::kinds::{FUNC, INTERFACE, POINTER, STRUCT};
use super::reading::{Descriptors, Head};
use crate::integers::i32_at;
use crate::layout::Layout;
use crate::moduledata::ModuleData;
use crate::structure::Structure;
use crate::types::WORD;

/// More types than any program has.
const MAX_LISTED: u64 = 1 << 20;
/// The most type data of one module that is read at once, in bytes.
const MAX_DATA: u64 = 1 << 28;
/// Structures of which the headers of maps and channels are copies; as their descriptors call pointers to them.
const PROTOTYPES: [&str; 8] = [
    "*maps.Map",
    "*maps.table",
    "*maps.groupsReference",
    "*runtime.hmap",
    "*runtime.bmap",
    "*runtime.hchan",
    "*runtime.sudog",
    "*runtime.waitq",
];

/// The addresses of all listed descriptors of all modules; those come first that others are made of.
pub(super) fn listed(memory: &dyn TargetMemory, layout: &Layout, modules: &[ModuleData]) -> Vec<Addr> {
    let descriptors = Descriptors { memory, layout, modules };
    let all = modules.iter().flat_map(|module| {
        by_offsets(memory, layout, module).or_else(|| one_by_one(&descriptors, module)).unwrap_or_default()
    });
    let all: Vec<Addr> = all.collect();
    let first = all.iter().filter_map(|at| {
        let head = descriptors.plausible_head(*at).filter(|head| head.kind == POINTER)?;
        let text = descriptors.pointer_text(&head)?;
        PROTOTYPES
            .contains(&&*text)
            .then(|| descriptors.addr(*at, "abi.PtrType", "abi.PtrType.Elem"))
            .flatten()
    });
    let mut listed: Vec<Addr> = first.collect();
    listed.extend(all);
    listed
}

/// `moduledata.typelinks`: offsets from the start of the descriptors.
fn by_offsets(memory: &dyn TargetMemory, layout: &Layout, module: &ModuleData) -> Option<Vec<Addr>> {
    layout.slot("moduledata.typelinks")?;
    let list =
        Structure::read(memory, layout, "moduledata", module.at).ok()?.slice("moduledata.typelinks").ok()?;
    let mut bytes = vec![0; usize::try_from(list.len.min(MAX_LISTED)).ok()?.checked_mul(4)?];
    memory.read_exact(list.data, &mut bytes).ok()?;
    let offsets = (0..bytes.len()).step_by(4).filter_map(|at| i32_at(&bytes, at));
    Some(
        offsets
            .filter_map(|offset| module.types.start.checked_add(u64::from(offset.cast_unsigned())))
            .collect(),
    )
}

/// `moduledata.typedesclen` bytes of descriptors, each behind the one before.
fn one_by_one(descriptors: &Descriptors<'_>, module: &ModuleData) -> Option<Vec<Addr>> {
    let Descriptors { memory, layout, .. } = *descriptors;
    layout.slot("moduledata.typedesclen")?;
    let whole = Structure::read(memory, layout, "moduledata", module.at).ok()?;
    let end = module.types.start.checked_add(whole.uint("moduledata.typedesclen").ok()?)?;
    let mut at = module.types.start.checked_add(WORD)?;
    let mut found = Vec::new();
    while at < end && (found.len() as u64) < MAX_LISTED {
        let Some(len) = descriptors.head(at).ok().and_then(|head| whole_length(descriptors, &head)) else {
            break;
        };
        found.push(at);
        at = at.checked_add(len.checked_next_multiple_of(WORD).filter(|len| *len > 0)?)?;
    }
    Some(found)
}

/// Bytes of a descriptor with all that follows it (`abi.Type.DescriptorSize`).
fn whole_length(descriptors: &Descriptors<'_>, head: &Head) -> Option<u64> {
    let size = |name| descriptors.layout.size(name);
    let parts = match head.kind {
        FUNC => {
            let counts = ["abi.FuncType.InCount", "abi.FuncType.OutCount"];
            let [inputs, outputs] = counts.map(|path| descriptors.uint(head.at, "abi.FuncType", path));
            // The highest bit of the results says that the last parameter is variadic.
            (inputs? + (outputs? & 0x7fff)) * WORD
        }
        INTERFACE => descriptors.method_list(head.at)?.1.checked_mul(size("abi.Imethod")?)?,
        STRUCT => {
            let whole =
                Structure::read(descriptors.memory, descriptors.layout, "abi.StructType", head.at).ok()?;
            whole.slice("abi.StructType.Fields").ok()?.len.checked_mul(size("abi.StructField")?)?
        }
        _ => 0,
    };
    let methods = match head.is_uncommon() {
        true => {
            let uncommon = Addr::new(head.at.get().checked_add(descriptors.length(head.kind)?)?);
            let count = descriptors.uint(uncommon, "abi.UncommonType", "abi.UncommonType.Mcount")?;
            size("abi.UncommonType")?.checked_add(count.checked_mul(size("abi.Method")?)?)?
        }
        false => 0,
    };
    descriptors.length(head.kind)?.checked_add(parts)?.checked_add(methods)
}

/// Memory whose type data was read at once: descriptors are many, small and close together.
pub(super) struct TypeData<'m> {
    memory: &'m dyn TargetMemory,
    read: Vec<(Addr, Vec<u8>)>,
}

impl<'m> TypeData<'m> {
    pub(super) fn new(memory: &'m dyn TargetMemory, modules: &[ModuleData]) -> TypeData<'m> {
        let read = modules.iter().filter_map(|module| {
            let len = module.types.end.offset_from(module.types.start).filter(|len| *len <= MAX_DATA)?;
            let mut bytes = vec![0; usize::try_from(len).ok()?];
            memory.read_exact(module.types.start, &mut bytes).ok()?;
            Some((module.types.start, bytes))
        });
        TypeData { memory, read: read.collect() }
    }
}

impl TargetMemory for TypeData<'_> {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        let known = self.read.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(addr.offset_from(*start)?).ok()?;
            bytes.get(from..from.checked_add(buf.len())?)
        });
        match known {
            Some(known) => buf.copy_from_slice(known),
            None => self.memory.read_exact(addr, buf)?,
        }
        Ok(())
    }
}
