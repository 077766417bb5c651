//! The types of a graph file.

use leakscope_goruntime::Role;
use leakscope_model::Via;

use super::bytes::{Damage, Reader, Strings, Writer};
use crate::graph::{Heap, How, Shape, ShapeId};

const ROLES: [Role; 5] = [Role::Plain, Role::MapHeader, Role::MapInside, Role::ChanHeader, Role::ChanInside];
const VIAS: [Via; 9] = [
    Via::Global,
    Via::Field,
    Via::Element,
    Via::Key,
    Via::Value,
    Via::Captured,
    Via::Local,
    Via::Stack,
    Via::Special,
];
const HOWS: [How; 6] = [How::Header, How::Itab, How::Dwarf, How::Call, How::None, How::Pointer];

/// The shape of what is not known.
pub(super) fn unknown() -> Shape {
    Shape { name: "unknown".into(), size: 0, repeated: false, role: Role::Plain, words: Vec::new(), ty: None }
}

pub(super) fn write(shapes: &[Shape], strings: &mut Strings, to: &mut Writer) {
    to.len(shapes.len());
    for Shape { name, size, repeated, role, words, ty: _ } in shapes {
        strings.put(name, to);
        to.number(*size);
        to.byte(u8::from(*repeated));
        to.byte(place(&ROLES, role));
        to.len(words.len());
        let mut before = 0;
        for (index, name, via) in words {
            to.step(before, u64::from(*index));
            strings.put(name, to);
            to.byte(place(&VIAS, via));
            before = u64::from(*index);
        }
    }
}

pub(super) fn read(mut from: Reader<'_>, strings: &Strings) -> Result<Vec<Shape>, Damage> {
    let mut shapes = Vec::new();
    for _ in 0..from.count()? {
        let name = strings.get(&mut from)?;
        let size = from.number()?;
        let repeated = from.byte()? != 0;
        let role = of_place(&ROLES, &mut from)?;
        let (mut words, mut before) = (Vec::new(), 0);
        for _ in 0..from.count()? {
            before = from.step(before)?;
            let Ok(index) = u32::try_from(before) else {
                return Err(from.damage("a word beyond every object"));
            };
            words.push((index, strings.get(&mut from)?, of_place(&VIAS, &mut from)?));
        }
        words.sort_by_key(|word| word.0);
        shapes.push(Shape { name, size, repeated, role, words, ty: None });
    }
    Ok(shapes)
}

pub(super) fn write_shape_of(heap: &Heap, to: &mut Writer) {
    to.len(heap.shape_of.len());
    let mut before = 0;
    for shape in &heap.shape_of {
        to.step(before, u64::from(shape.0));
        before = u64::from(shape.0);
    }
    for how in &heap.how_of {
        to.byte(place(&HOWS, how));
    }
}

/// The shape of each object, and how it was found.
pub(super) fn read_shape_of(
    mut from: Reader<'_>,
    objects: u32,
    shapes: usize,
) -> Result<(Vec<ShapeId>, Vec<How>), Damage> {
    if from.count()? != objects as usize {
        return Err(from.damage("types of another number of objects"));
    }
    let (mut shape_of, mut before) = (Vec::new(), 0);
    for _ in 0..objects {
        before = from.step(before)?;
        match u32::try_from(before) {
            Ok(shape) if (shape as usize) < shapes => shape_of.push(ShapeId(shape)),
            _ => return Err(from.damage("a type that is not there")),
        }
    }
    let how_of: Result<Vec<How>, Damage> = (0..objects).map(|_| of_place(&HOWS, &mut from)).collect();
    Ok((shape_of, how_of?))
}

fn place<T: PartialEq>(values: &[T], value: &T) -> u8 {
    values.iter().position(|other| other == value).and_then(|at| u8::try_from(at).ok()).unwrap_or(0)
}

fn of_place<T: Copy>(values: &[T], from: &mut Reader<'_>) -> Result<T, Damage> {
    let at = from.byte()?;
    values.get(usize::from(at)).copied().ok_or(from.damage("a kind that this build does not know"))
}
