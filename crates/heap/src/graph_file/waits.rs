//! What goroutines wait for, in a graph file.

use super::bytes::{Damage, Reader, Strings, Writer};
use crate::graph::ObjectId;
use crate::waits::{Wait, Waits, Woken};

pub(super) fn write(waits: &Waits, strings: &mut Strings, to: &mut Writer) {
    let Waits { of, hidden, doubt } = waits;
    to.byte(u8::from(doubt.is_some()));
    strings.put(doubt.as_deref().unwrap_or_default(), to);
    to.len(hidden.len());
    let mut before = 0;
    for &edge in hidden {
        to.step(before, u64::from(edge));
        before = u64::from(edge);
    }
    to.len(of.len());
    for Wait { woken, whole } in of {
        to.byte(u8::from(*whole));
        match woken {
            Woken::FromOutside => to.byte(0),
            Woken::Never => to.byte(1),
            Woken::Unknown => to.byte(2),
            Woken::Through(objects) => {
                to.byte(3);
                to.len(objects.len());
                objects.iter().for_each(|object| to.number(u64::from(object.0)));
            }
        }
    }
}

pub(super) fn read(mut from: Reader<'_>, strings: &Strings, objects: u32) -> Result<Waits, Damage> {
    let (doubted, doubt) = (from.byte()? != 0, strings.get(&mut from)?.to_string());
    let (mut hidden, mut before) = (Vec::new(), 0);
    for _ in 0..from.count()? {
        before = from.step(before)?;
        let edge = u32::try_from(before).map_err(|_| from.damage("a pointer that is not there"))?;
        hidden.push(edge);
    }
    let of: Result<Vec<Wait>, Damage> = (0..from.count()?).map(|_| wait(&mut from, objects)).collect();
    Ok(Waits { of: of?, hidden, doubt: doubted.then_some(doubt) })
}

fn wait(from: &mut Reader<'_>, objects: u32) -> Result<Wait, Damage> {
    let whole = from.byte()? != 0;
    let woken = match from.byte()? {
        0 => Woken::FromOutside,
        1 => Woken::Never,
        2 => Woken::Unknown,
        3 => {
            let object =
                |from: &mut Reader<'_>| from.below(u64::from(objects), "a wait at what is not there");
            let through: Result<Vec<ObjectId>, Damage> =
                (0..from.count()?).map(|_| object(from).map(ObjectId)).collect();
            Woken::Through(through?.into())
        }
        _ => return Err(from.damage("a kind of wait that this build does not know")),
    };
    Ok(Wait { woken, whole })
}
