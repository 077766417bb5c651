//! The contents of an object of the heap, as far as its type is known.

use std::sync::Arc;

use leakscope_goruntime::{Kind, Role, TypeId};
use leakscope_model::Addr;

use super::{Value, Values, What};
use crate::graph::{Heap, ObjectId, Shape};

impl Values<'_> {
    /// The contents of an object; `None` for one of another heap.
    ///
    /// Of an array of values, as backs a slice, every element that has room counts, used or not.
    pub fn object(&mut self, heap: &Heap, object: ObjectId) -> Option<Value> {
        let shape = heap.shape(object)?;
        let (at, room) = (heap.objects.addr(object), heap.objects.value_size(object));
        let what = match shape.ty {
            Some(ty) if shape.repeated => {
                let len = room.checked_div(shape.size).unwrap_or(0);
                Ok(self.array(ty, len, at, self.start()))
            }
            Some(ty) => match shape.role {
                Role::MapHeader | Role::ChanHeader => self.header(ty, at),
                _ => return Some(self.read(ty, at)),
            },
            None => self.untyped(shape, at, room),
        };
        Some(Value::new(&shape.name, what.unwrap_or_else(|unreadable| unreadable)))
    }

    /// The header of a map or channel as the map or channel that it is.
    fn header(&mut self, header: TypeId, at: Addr) -> Result<What, What> {
        let whole = self.types().iter().find_map(|(_, ty)| match ty.kind {
            Kind::Map { header: of, .. } | Kind::Chan { header: of, .. } if of == header => Some(&ty.kind),
            _ => None,
        });
        match whole {
            Some(&Kind::Map { key, elem, .. }) => self.map(key, elem, header, at, self.start()),
            Some(&Kind::Chan { elem, .. }) => self.channel(elem, at, self.start()),
            _ => Ok(self.read(header, at).what),
        }
    }

    fn untyped(&mut self, shape: &Shape, at: Addr, room: u64) -> Result<What, What> {
        if shape.name.starts_with("closure ") {
            return self.closure(at, self.start());
        }
        match &*shape.name {
            "string bytes" => self.text(at, room),
            _ => Ok(What::Raw(self.bytes(at, room.min(self.limits.text))?)),
        }
    }

    /// The field that lies at an offset of an object: `meta.next`, `[3].id`; `None` for the start and where nothing is
    /// known.
    pub fn place_in(&self, heap: &Heap, object: ObjectId, offset: u64) -> Option<String> {
        let shape = heap.shape(object)?;
        let ty = shape.ty.filter(|_| offset > 0)?;
        let size = shape.size.max(1);
        let within = if shape.repeated { offset % size } else { offset };
        let is_whole = !matches!(
            self.types().get(ty).map(|ty| &ty.kind),
            Some(Kind::Struct { .. } | Kind::Array { .. })
        );
        let label: Option<Arc<str>> =
            if is_whole { None } else { Some(self.types().label_at(ty, within)?.name) };
        match (shape.repeated, label) {
            (false, label) => label.map(|label| label.to_string()),
            (true, None) => Some(format!("[{}]", offset / size)),
            (true, Some(label)) => Some(format!("[{}].{label}", offset / size)),
        }
    }
}
