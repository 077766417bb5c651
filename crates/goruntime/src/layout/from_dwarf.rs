//! The layout of the very runtime that is linked in, from its own debug information.

use super::{Layout, Slot};
use crate::types::{Kind, TypeId, Types};

/// Packages whose structs and constants a reader of memory may ask for.
const PACKAGES: [&str; 6] = [
    "runtime",
    "internal/abi",
    "internal/goarch",
    "internal/runtime/gc",
    "internal/runtime/maps",
    "internal/runtime/atomic",
];
/// What `internal/runtime/atomic` was called up to Go 1.22.
const OLD_ATOMIC: &str = "runtime/internal/atomic";

/// Slots and sizes of every struct of the runtime's packages, with their constants.
pub(crate) fn layout(types: &Types, constants: &[(String, i64)]) -> Layout {
    let mut layout = Layout::default();
    for (id, ty) in types.iter().filter(|(_, ty)| matches!(ty.kind, Kind::Struct { .. })) {
        if let Some(name) = short_name(&ty.name) {
            add_struct(&mut layout, types, id, &name);
        }
    }
    layout.constants.extend(constants.iter().cloned());
    layout
}

/// Of all constants those of the runtime's packages, under the names that a [`Layout`] has for them.
pub(crate) fn runtime_constants(constants: &[(&[u8], i64)]) -> Vec<(String, i64)> {
    let named = constants
        .iter()
        .filter_map(|(name, value)| Some((short_name(std::str::from_utf8(name).ok()?)?, *value)));
    named.collect()
}

fn add_struct(layout: &mut Layout, types: &Types, id: TypeId, name: &str) {
    layout.sizes.insert(name.to_owned(), types.get(id).map_or(0, |ty| ty.size));
    for field in types.fields(id).iter().filter(|field| &*field.name != "_") {
        let width = types.get(field.ty).map_or(0, |ty| ty.size);
        layout.slots.insert(format!("{name}.{}", field.name), Slot { offset: field.offset, width });
    }
}

/// `runtime.mspan` → `mspan`, `internal/abi.Type` → `abi.Type`; `None` for names of other packages.
fn short_name(name: &str) -> Option<String> {
    let slash = name.split('[').next()?.rfind('/').map_or(0, |slash| slash + 1);
    let dot = slash + name.get(slash..)?.find('.')?;
    let (package, own) = (name.get(..dot)?, name.get(dot + 1..)?);
    if own.contains(['<', '[', '(', ' ']) || !(PACKAGES.contains(&package) || package == OLD_ATOMIC) {
        return None;
    }
    match package {
        "runtime" => Some(own.to_owned()),
        _ => name.get(slash..).map(str::to_owned),
    }
}
