//! Names for roots that lie inside a variable: `main.server.baseCtx`, where the variable is `main.server`.

use std::sync::Arc;

use hashbrown::HashMap;
use leakscope_goruntime::{Kind, TypeId, Types};

use crate::graph::{RootOrigin, Scan};

/// Puts the field at which each root lies into its name.
pub(crate) fn name_fields(scan: &mut Scan, types: &Types) {
    let Scan { roots, names, .. } = scan;
    let mut named: HashMap<(u32, Arc<str>), u32> = HashMap::new();
    for root in roots {
        let (RootOrigin::Global { name } | RootOrigin::Frame { name: Some(name), .. }) = &mut root.origin
        else {
            continue;
        };
        let field = root.ty.and_then(|(ty, offset)| field_at(types, ty, offset));
        let (Some(field), Some(variable)) = (field, names.get(*name as usize)) else { continue };
        *name = match named.get(&(*name, field.clone())) {
            Some(&known) => known,
            None => {
                let full: Arc<str> = join(variable, &field).into();
                let Ok(index) = u32::try_from(names.len()) else { return };
                names.push(full);
                named.insert((*name, field), index);
                index
            }
        };
    }
}

/// `main.server` and its field: `main.server.baseCtx`, `main.shards[…].entries`.
pub(crate) fn join(variable: &str, field: &str) -> String {
    match field.strip_prefix("[…]") {
        Some(rest) => format!("{variable}[…]{rest}"),
        None => format!("{variable}.{field}"),
    }
}

/// The field of a struct or array variable; `None` for a variable that is itself a pointer.
pub(crate) fn field_at(types: &Types, ty: TypeId, offset: u64) -> Option<Arc<str>> {
    match types.get(ty)?.kind {
        Kind::Struct { .. } | Kind::Array { .. } => {
            let label = types.label_at(ty, offset)?;
            // A struct whose only field has no name that a person would write, as `sync.Map` has.
            let silent = &*label.name == "[…]" && matches!(types.get(ty)?.kind, Kind::Struct { .. });
            (!silent).then_some(label.name)
        }
        _ => None,
    }
}
