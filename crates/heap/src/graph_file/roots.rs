//! The roots of a graph file.

use leakscope_model::Addr;

use super::bytes::{Damage, Reader, Writer};
use crate::graph::{ObjectId, Root, RootOrigin};

pub(super) fn write(roots: &[Root], to: &mut Writer) {
    to.len(roots.len());
    let mut before = 0;
    for Root { origin, slot, ty: _, type_word: _, target, offset, conservative } in roots {
        match *origin {
            RootOrigin::Global { name } => {
                to.byte(0);
                to.number(u64::from(name));
            }
            RootOrigin::Data => to.byte(1),
            RootOrigin::Frame { goroutine, frame, name } => {
                to.byte(2);
                to.number(u64::from(goroutine));
                to.number(u64::from(frame));
                to.maybe(name);
            }
            RootOrigin::Special { name } => {
                to.byte(3);
                to.number(u64::from(name));
            }
        }
        to.step(before, slot.get());
        before = slot.get();
        to.number(u64::from(target.0));
        to.number(*offset);
        to.byte(u8::from(*conservative));
    }
}

/// Names and goroutines that are not there are shown as unknown, so only the target is checked.
pub(super) fn read(mut from: Reader<'_>, objects: u32) -> Result<Vec<Root>, Damage> {
    let (mut roots, mut before) = (Vec::new(), 0);
    let count = from.count()?;
    if count >= crate::reach::LIMIT as usize {
        return Err(from.damage("more roots than can be counted"));
    }
    for _ in 0..count {
        let origin = match from.byte()? {
            0 => RootOrigin::Global { name: from.number32()? },
            1 => RootOrigin::Data,
            2 => RootOrigin::Frame {
                goroutine: from.number32()?,
                frame: from.number32()?,
                name: from.maybe()?,
            },
            3 => RootOrigin::Special { name: from.number32()? },
            _ => return Err(from.damage("a kind of root that this build does not know")),
        };
        before = from.step(before)?;
        let target = ObjectId(from.below(u64::from(objects), "a root of an object that is not there")?);
        let (offset, conservative) = (from.number()?, from.byte()? != 0);
        let slot = Addr::new(before);
        roots.push(Root { origin, slot, ty: None, type_word: None, target, offset, conservative });
    }
    Ok(roots)
}
