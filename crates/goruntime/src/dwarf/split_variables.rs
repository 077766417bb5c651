//! Variables that the compiler took apart and describes by their parts: `items.ptr`, `base.data`.
//!
//! Since Go 1.27 such a part has an entry of its own beside that of the whole variable, which then has no place.
//! Compiler: cmd/compile/internal/ssa/func.go, SplitString, SplitInterface, SplitSlice, SplitStruct, SplitArray

use std::sync::Arc;

use super::Local;
use crate::types::{Kind, TypeId, Types, WORD};

/// Steps into one variable: more than the compiler takes.
const MOST_STEPS: usize = 16;

/// Gives parts the name and type of the whole variable, where one of `declared` has that name.
pub(super) fn join(locals: &mut [Local], declared: &[(Arc<str>, TypeId)], types: &Types) {
    for local in locals {
        let Some((whole, path)) = split_name(&local.name) else { continue };
        let Some((name, ty)) = declared.iter().find(|(name, _)| &**name == whole) else { continue };
        let Some(offset) = part_offset(types, *ty, path) else { continue };
        local.name = Arc::clone(name);
        local.ty = *ty;
        for piece in &mut local.pieces {
            piece.offset_in_variable = piece.offset_in_variable.saturating_add(offset);
        }
    }
}

/// `base.data` as `base` and `.data`.
fn split_name(name: &str) -> Option<(&str, &str)> {
    let at = name.find(['.', '[']).filter(|&at| at != 0)?;
    Some(name.split_at(at))
}

/// How many bytes into a value of `ty` the part called `path` (`.data`, `.items.ptr`, `[0].name`) stands.
fn part_offset(types: &Types, ty: TypeId, path: &str) -> Option<u64> {
    let (mut ty, mut rest, mut offset) = (ty, path, 0_u64);
    for _ in 0..MOST_STEPS {
        if rest.is_empty() {
            return Some(offset);
        }
        let end = rest.char_indices().skip(1).find(|(_, letter)| matches!(letter, '.' | '['));
        let (step, behind) = rest.split_at(end.map_or(rest.len(), |(at, _)| at));
        let (into, next) = one_step(types, ty, step)?;
        offset = offset.checked_add(into)?;
        rest = behind;
        ty = match next {
            Some(next) => next,
            None => return rest.is_empty().then_some(offset),
        };
    }
    None
}

/// The offset of one part, and its type where it can have parts itself.
fn one_step(types: &Types, ty: TypeId, step: &str) -> Option<(u64, Option<TypeId>)> {
    let ty = types.get(ty)?;
    match (&ty.kind, step) {
        (Kind::String | Kind::Slice { .. }, ".ptr") => Some((0, None)),
        (Kind::String | Kind::Slice { .. }, ".len") => Some((WORD, None)),
        (Kind::Slice { .. }, ".cap") => Some((2 * WORD, None)),
        (Kind::Interface { .. }, ".itab" | ".type") => Some((0, None)),
        (Kind::Interface { .. }, ".data") => Some((WORD, None)),
        (Kind::Complex, ".real") => Some((0, None)),
        (Kind::Complex, ".imag") => Some((ty.size / 2, None)),
        (Kind::Struct { fields }, _) => {
            let name = step.strip_prefix('.')?;
            let field = fields.iter().find(|field| &*field.name == name)?;
            Some((field.offset, Some(field.ty)))
        }
        // Only arrays of one element are taken apart.
        (Kind::Array { elem, .. }, "[0]") => Some((0, Some(*elem))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Piece;
    use super::*;
    use crate::types::{Field, GoType, Role};

    fn add(types: &mut Types, name: &str, size: u64, kind: Kind) -> TypeId {
        let name = name.into();
        types.push(GoType { name, size, kind, role: Role::Plain, runtime_type: None }).unwrap()
    }

    fn part(name: &str, ty: TypeId) -> Local {
        let pieces = vec![Piece { cfa_offset: -48, size: 8, offset_in_variable: 0 }];
        Local { name: name.into(), ty, escaped: false, pieces }
    }

    #[test]
    fn a_part_is_called_by_its_variable() {
        let mut types = Types::default();
        let word = add(&mut types, "uintptr", 8, Kind::Uint);
        let slice = add(&mut types, "[]uintptr", 24, Kind::Slice { elem: word });
        let face = add(&mut types, "error", 16, Kind::Interface { empty: false });
        let fields = vec![
            Field { name: "cause".into(), offset: 8, ty: face },
            Field { name: "items".into(), offset: 24, ty: slice },
        ];
        let holder = add(&mut types, "main.holder", 48, Kind::Struct { fields });
        let declared = [("list".into(), slice), ("err".into(), face), ("h".into(), holder)];
        let names = ["list.ptr", "list.cap", "err.data", "err.itab", "h.items.len", "h.cause.data"];
        let mut locals: Vec<Local> = names.iter().map(|name| part(name, word)).collect();
        join(&mut locals, &declared, &types);
        let found: Vec<_> =
            locals.iter().map(|local| (&*local.name, local.ty, local.pieces[0].offset_in_variable)).collect();
        assert_eq!(
            found,
            [
                ("list", slice, 0),
                ("list", slice, 16),
                ("err", face, 8),
                ("err", face, 0),
                ("h", holder, 32),
                ("h", holder, 16)
            ]
        );
    }

    #[test]
    fn what_does_not_fit_stays_as_it_is() {
        let mut types = Types::default();
        let word = add(&mut types, "uintptr", 8, Kind::Uint);
        let declared = [("n".into(), word)];
        for name in ["n.ptr", "m.ptr", ".ptr", "[", "n.", "n[0]"] {
            let mut locals = [part(name, word)];
            join(&mut locals, &declared, &types);
            assert_eq!(&*locals[0].name, name);
        }
    }
}
