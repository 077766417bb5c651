//! Where the runtime's own descriptors (`abi.Type`) of the types lie.

use leakscope_model::LinkAddr;

use super::go_types::{Places, type_at};
use super::scan::Scan;
use crate::elf::ElfImage;
use crate::types::{TypeId, Types};

/// Descriptors compared before a section is believed to be theirs.
const SAMPLES: usize = 64;
/// The low bits of `abi.Type.Kind_`, below its flags in older versions.
const KIND_MASK: u8 = 0x1f;

/// A type that has a descriptor: its offset in the section of descriptors.
#[derive(Debug, Clone, Copy)]
struct Described {
    offset: u64,
    id: TypeId,
    kind: u64,
}

/// Every descriptor by address, in order.
///
/// `DW_AT_go_runtime_type` counts from the start of the section that Go's linker put descriptors in: `.rodata`,
/// `.data.rel.ro` or their own. Which it was is found by looking whether descriptors of the right size and kind
/// are there. Linker: cmd/link/internal/ld/dwarf.go, AddSectionOffset
pub(super) fn descriptors(
    elf: &ElfImage<'_>,
    scan: &Scan<'_>,
    types: &Types,
    places: &Places,
) -> Vec<(LinkAddr, TypeId)> {
    let described: Vec<Described> = scan
        .types
        .iter()
        .filter_map(|raw| {
            let offset = raw.attributes.runtime_type.filter(|offset| *offset != 0)?;
            Some(Described { offset, id: type_at(places, raw.at)?, kind: raw.attributes.kind? })
        })
        .collect();
    let Some(base) = start_of(elf, types, &described) else { return Vec::new() };
    let mut found: Vec<(LinkAddr, TypeId)> =
        described.iter().map(|ty| (LinkAddr::new(base.wrapping_add(ty.offset)), ty.id)).collect();
    found.sort_unstable();
    found.dedup_by_key(|(addr, _)| *addr);
    found
}

/// Where the descriptors start: at a section, or inside one where a C linker put its own data before Go's.
fn start_of(elf: &ElfImage<'_>, types: &Types, described: &[Described]) -> Option<u64> {
    let kind_offset = types.by_name("internal/abi.Type").and_then(|ty| types.field(ty, "Kind_"))?.offset;
    let step = (described.len() / SAMPLES).max(1);
    let samples: Vec<&Described> = described.iter().step_by(step).take(SAMPLES).collect();
    let fits = |start: &u64| {
        let right = samples.iter().filter(|ty| is_descriptor(elf, types, *start, kind_offset, ty)).count();
        samples.len() < 2 * right
    };
    let mut sections = elf.memory_sections().map(|(_, start)| start.get());
    sections
        .find(fits)
        .or_else(|| {
            elf.symbols().find(|symbol| symbol.name == "runtime.types").map(|symbol| symbol.addr.get())
        })
        .or_else(|| by_name(elf))
}

/// In a separate debug file there are no descriptors to look at, but the sections' names.
fn by_name(elf: &ElfImage<'_>) -> Option<u64> {
    [".go.type", ".data.rel.ro", ".rodata"]
        .iter()
        .find_map(|wanted| elf.memory_sections().find(|(name, _)| name == wanted))
        .map(|(_, start)| start.get())
}

fn is_descriptor(elf: &ElfImage<'_>, types: &Types, base: u64, kind_offset: u64, ty: &Described) -> bool {
    let at = base.wrapping_add(ty.offset);
    let size = elf.read(LinkAddr::new(at), 8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let kind = elf.read(LinkAddr::new(at.wrapping_add(kind_offset)), 1);
    let kind = kind.and_then(|bytes| bytes.first()).map(|kind| u64::from(kind & KIND_MASK));
    size == types.get(ty.id).map(|ty| ty.size) && kind == Some(ty.kind)
}
