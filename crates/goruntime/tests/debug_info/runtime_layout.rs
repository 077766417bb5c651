//! Layouts read from debug information, against facts extracted by Go's own `debug/dwarf` package.
//!
//! `data/layout-facts.tsv` holds, by Go version on amd64, `offset:type` of fields, sizes of structs and values of
//! constants; `-` is a field that the struct of that version has not, nothing a struct that was not linked.

use leakscope_goruntime::{DebugInfo, ElfImage, Layout};
use leakscope_target::MappedFile;

const FACTS: &str = include_str!("data/layout-facts.tsv");

fn layout_of(build: &str) -> Layout {
    let executable = MappedFile::open(&crate::zoo::fixture(build)).unwrap();
    DebugInfo::read(&ElfImage::parse(&executable).unwrap()).unwrap().layout().unwrap()
}

/// The name that a layout has for `internal/abi.Type.Size_` or `runtime.mspan.nelems`.
fn short(name: &str) -> &str {
    let own = name.rsplit('/').next().unwrap();
    own.strip_prefix("runtime.").unwrap_or(own)
}

/// Bytes of the types whose size their name tells.
fn width(ty: &str) -> Option<u64> {
    match ty {
        "bool" | "uint8" | "int8" | "runtime.spanClass" => Some(1),
        "uint16" | "int16" => Some(2),
        "uint32" | "int32" => Some(4),
        "uint64" | "int64" | "int" | "uint" | "uintptr" => Some(8),
        "runtime.gobuf" => None,
        ty if ty.starts_with('*') || ty.starts_with("map[") || ty.starts_with("func(") => Some(8),
        ty if ty.starts_with("struct_[]") => Some(24),
        ty if ty.starts_with("interface") => Some(16),
        _ => None,
    }
}

#[test]
fn slots_sizes_and_constants_are_those_of_each_version() {
    let mut lines = FACTS.lines();
    let versions: Vec<&str> = lines.next().unwrap().split('\t').skip(1).collect();
    let layouts: Vec<Layout> =
        versions.iter().map(|version| layout_of(&format!("zoo-go{version}"))).collect();
    let mut compared = vec![0; versions.len()];
    for line in lines {
        let (fact, values) = line.split_once('\t').unwrap();
        for (index, value) in values.split('\t').enumerate() {
            let agrees = agrees(&layouts[index], fact, value);
            assert_ne!(agrees, Some(false), "Go {}: {fact} is {value}", versions[index]);
            compared[index] += usize::from(agrees.is_some());
        }
    }
    for (version, compared) in versions.iter().zip(compared) {
        assert!(100 <= compared, "Go {version}: only {compared} facts could be compared");
    }
}

/// Whether a layout says the same; `None` where one of both says nothing.
fn agrees(layout: &Layout, fact: &str, value: &str) -> Option<bool> {
    if value.is_empty() {
        return None;
    }
    if let Some(constant) = fact.strip_prefix("const ") {
        return layout.constant(short(constant)).map(|found| found.to_string() == value);
    }
    if let Some(name) = fact.strip_suffix(" (size)") {
        return layout.size(short(name)).map(|found| found.to_string() == value);
    }
    let slot = layout.slot(short(fact));
    let Some((offset, ty)) = value.split_once(':') else {
        let has_struct = layout.size(short(fact).rsplit_once('.')?.0).is_some();
        return has_struct.then_some(slot.is_none());
    };
    let slot = slot?;
    Some(slot.offset.to_string() == offset && width(ty).is_none_or(|width| slot.width == width))
}
