//! The insides of maps and channels, which have no descriptors of their own: copies of the runtime's structures
//! with the types of their contents in place, as the linker makes them for debug information.
//!
//! Linker: cmd/link/internal/ld/dwarf.go, synthesizemaptypes and synthesizechantypes.

use std::sync::Arc;

use leakscope_model::Addr;

use super::described::Build;
use super::kinds::{MAPS, MapStructure};
use crate::types::{Field, GoType, Kind, Role, TypeId, WORD};

/// A structure of the runtime: its name in debug information, and in a layout.
struct Prototype(&'static str, &'static str);

const MAP: Prototype = Prototype("internal/runtime/maps.Map", "maps.Map");
const TABLE: Prototype = Prototype("internal/runtime/maps.table", "maps.table");
const GROUPS: Prototype = Prototype("internal/runtime/maps.groupsReference", "maps.groupsReference");
const HMAP: Prototype = Prototype("runtime.hmap", "hmap");
const HCHAN: Prototype = Prototype("runtime.hchan", "hchan");
const WAITQ: Prototype = Prototype("runtime.waitq", "waitq");
const SUDOG: Prototype = Prototype("runtime.sudog", "sudog");
/// Entries of a bucket (`abi.MapBucketCount`, then `abi.OldMapBucketCount`), should no constant say so.
const BUCKET_COUNT: u64 = 8;

impl Build<'_> {
    /// A map type: its key, its element and its header, which is found by them if there is one already.
    pub(super) fn map(&mut self, at: Addr) -> Option<Kind> {
        // Both structures may be known, but only one header is.
        let old = self.descriptors.layout.size(HMAP.1).is_some();
        let mut structures = MAPS.iter().filter(|map| self.descriptors.layout.slot(map.key).is_some());
        let map = if old { structures.next_back() } else { structures.next() }?;
        let (key, elem) = (self.field(at, map.name, map.key)?, self.field(at, map.name, map.elem)?);
        if let Some(&header) = self.headers.get(&(Some(key), elem)) {
            return Some(Kind::Map { key, elem, header });
        }
        let names = format!("{},{}", self.name(key)?, self.name(elem)?);
        let header = if old {
            self.bucket_header(at, map, (key, elem), &names)?
        } else {
            let group = self.field(at, map.name, map.group)?;
            self.table_header(group, &names)?
        };
        self.headers.insert((Some(key), elem), header);
        Some(Kind::Map { key, elem, header })
    }

    fn field(&mut self, at: Addr, structure: &'static str, path: &'static str) -> Option<TypeId> {
        let at = self.descriptors.addr(at, structure, path)?;
        self.part(at)
    }

    /// `map<K,V>` → `table<K,V>` → `groupReference<K,V>` → groups.
    fn table_header(&mut self, group: TypeId, names: &str) -> Option<TypeId> {
        let data = self.pointer_to(group)?;
        let groups = self.copy(&GROUPS, format!("groupReference<{names}>"), &[("data", data)])?;
        let table = self.copy(&TABLE, format!("table<{names}>"), &[("groups", groups)])?;
        let pointer = self.pointer_to(table)?;
        let directory = self.pointer_to(pointer)?;
        self.copy(&MAP, format!("map<{names}>"), &[("dirPtr", directory)])
    }

    /// `hash<K,V>` → buckets. The descriptor of a bucket says nothing that this does not, and where reflection
    /// made it, less.
    fn bucket_header(
        &mut self,
        at: Addr,
        map: &MapStructure,
        (key, elem): (TypeId, TypeId),
        names: &str,
    ) -> Option<TypeId> {
        let layout = self.descriptors.layout;
        let constants = ["abi.MapBucketCount", "abi.OldMapBucketCount"];
        let count = constants.iter().find_map(|name| u64::try_from(layout.constant(name)?).ok());
        let count = count.unwrap_or(BUCKET_COUNT);
        let in_bucket = |build: &mut Self, ty: TypeId, path| {
            let size = build.descriptors.uint(at, map.name, path)?;
            if build.types.get(ty)?.size == size { Some(ty) } else { build.pointer_to(ty) }
        };
        let (key, elem) = (in_bucket(self, key, map.sizes.0)?, in_bucket(self, elem, map.sizes.1)?);
        let byte = self.named("uint8", 1, Kind::Uint)?;
        let parts = [("tophash", byte), ("keys", key), ("values", elem)];
        let (mut fields, mut offset) = (Vec::new(), 0);
        for (name, ty) in parts {
            let array = self.array_of(ty, count)?;
            fields.push(Field { name: name.into(), offset, ty: array });
            offset = self.types.get(array)?.size.checked_add(offset)?;
        }
        let bucket = self.types.push(plain(format!("bucket<{names}>").into(), offset.checked_add(WORD)?))?;
        fields.push(Field { name: "overflow".into(), offset, ty: self.pointer_to(bucket)? });
        self.set_kind(bucket, Kind::Struct { fields });
        let buckets = self.pointer_to(bucket)?;
        self.copy(&HMAP, format!("hash<{names}>"), &[("buckets", buckets), ("oldbuckets", buckets)])
    }

    /// `hchan<T>` with its queues.
    pub(super) fn channel_header(&mut self, elem: TypeId) -> Option<TypeId> {
        if let Some(&header) = self.headers.get(&(None, elem)) {
            return Some(header);
        }
        let name = self.name(elem)?;
        let pointer = self.pointer_to(elem)?;
        let sudog = self.copy(&SUDOG, format!("sudog<{name}>"), &[("elem", pointer)])?;
        let sudog = self.pointer_to(sudog)?;
        let queue = self.copy(&WAITQ, format!("waitq<{name}>"), &[("first", sudog), ("last", sudog)])?;
        let header = self.copy(&HCHAN, format!("hchan<{name}>"), &[("recvq", queue), ("sendq", queue)])?;
        self.headers.insert((None, elem), header);
        Some(header)
    }

    fn name(&self, id: TypeId) -> Option<Arc<str>> {
        self.types.get(id).map(|ty| ty.name.clone())
    }

    pub(super) fn pointer_to(&mut self, elem: TypeId) -> Option<TypeId> {
        let name = format!("*{}", self.name(elem)?);
        let known = self.types.by_name(&name).filter(|id| {
            matches!(self.types.get(*id).map(|ty| &ty.kind), Some(Kind::Pointer { elem: same }) if *same == elem)
        });
        known.or_else(|| self.types.push(GoType { kind: Kind::Pointer { elem }, ..plain(name.into(), WORD) }))
    }

    fn array_of(&mut self, elem: TypeId, len: u64) -> Option<TypeId> {
        let GoType { name, size, .. } = self.types.get(elem)?;
        let (name, size) = (format!("[{len}]{name}"), size.checked_mul(len)?);
        self.types.push(GoType { kind: Kind::Array { elem, len }, ..plain(name.into(), size) })
    }

    /// A copy of a structure, some of whose fields have other types.
    fn copy(&mut self, of: &Prototype, name: String, others: &[(&str, TypeId)]) -> Option<TypeId> {
        let (size, mut fields) = self.prototype(of)?;
        for field in &mut fields {
            if let Some((_, ty)) = others.iter().find(|(name, _)| **name == *field.name) {
                field.ty = *ty;
            }
        }
        self.types.push(GoType { kind: Kind::Struct { fields }, ..plain(name.into(), size) })
    }

    /// Size and fields of a structure of the runtime: from debug information, else places and widths alone, from
    /// the layout.
    fn prototype(&mut self, Prototype(name, in_layout): &Prototype) -> Option<(u64, Vec<Field>)> {
        if let Some(id) = self.types.by_name(name)
            && let Some(GoType { size, kind: Kind::Struct { fields }, .. }) = self.types.get(id)
        {
            return Some((*size, fields.clone()));
        }
        let layout = self.descriptors.layout;
        let prefix = format!("{in_layout}.");
        let slots = layout.slots.range(prefix.clone()..);
        let slots = slots.map_while(|(path, slot)| Some((path.strip_prefix(&prefix)?, *slot)));
        let mut fields = Vec::new();
        for (name, slot) in slots.collect::<Vec<_>>() {
            let ty = self.named(&format!("{} bytes", slot.width), slot.width, Kind::Opaque)?;
            fields.push(Field { name: name.into(), offset: slot.offset, ty });
        }
        fields.sort_by_key(|field| field.offset);
        Some((layout.size(in_layout)?, fields))
    }
}

fn plain(name: Arc<str>, size: u64) -> GoType {
    GoType { name, size, kind: Kind::Opaque, role: Role::Plain, runtime_type: None }
}
