//! Ties maps, channels and atomic pointers together, where one type holds the other by `unsafe.Pointer`.

use std::sync::{Arc, OnceLock};

use super::parts::Mark;
use super::{Kind, Pointee, Role, TypeId, Types};

/// Structs of the runtime that every map or channel is a copy of, should one be met itself.
const GENERIC: [(&str, Role); 10] = [
    ("runtime.hmap", Role::MapHeader),
    ("runtime.bmap", Role::MapInside),
    ("runtime.mapextra", Role::MapInside),
    ("internal/runtime/maps.Map", Role::MapHeader),
    ("internal/runtime/maps.table", Role::MapInside),
    ("internal/runtime/maps.groupsReference", Role::MapInside),
    ("internal/runtime/maps.groupReference", Role::MapInside),
    ("runtime.hchan", Role::ChanHeader),
    ("runtime.sudog", Role::ChanInside),
    ("runtime.waitq", Role::ChanInside),
];
/// Fields of type `unsafe.Pointer` that hold an array of a known type.
const HIDDEN_ARRAYS: [(&str, &str, &str); 2] =
    [("sync.Pool", "local", "sync.poolLocal"), ("sync.Pool", "victim", "sync.poolLocal")];
/// Structs of the standard library that are interfaces by another name: their second word is the value.
const INTERFACES: [(&str, &str, bool); 3] =
    [("sync.eface", "val", true), ("runtime.eface", "data", true), ("runtime.iface", "data", false)];
/// Wrappers that are one field as people see them.
const WRAPPERS: [&str; 2] = ["sync.Map", "sync/atomic.Value"];

impl Types {
    /// Finds the parts of every map and channel, and what atomic pointers, pools and tries point at.
    ///
    /// Needs every type to be there; those of a table that this one adds to stay as they are. Runtime: internal/runtime/maps, runtime/map.go (to Go 1.23), runtime/chan.go,
    /// sync/atomic/type.go, internal/sync/hashtriemap.go.
    pub fn link_containers(&mut self) {
        self.complete_timers();
        for (name, role) in GENERIC {
            self.set_role(self.by_name(name), role);
        }
        for id in self.own_ids() {
            match self.get(id).map(|ty| &ty.kind) {
                Some(&Kind::Map { key, elem, header }) => self.link_map(key, elem, header),
                Some(&Kind::Chan { elem, header }) => self.link_channel(elem, header),
                Some(Kind::Struct { .. }) => self.link_struct(id),
                _ => {}
            }
        }
        for (whole, field, elem) in HIDDEN_ARRAYS {
            if let (Some(whole), Some(elem)) = (self.by_name(whole), self.by_name(elem)) {
                self.know(whole, field, Pointee::Many(elem));
            }
        }
        for (whole, field, empty) in INTERFACES {
            if let Some(whole) = self.by_name(whole) {
                self.know(whole, field, Pointee::Dynamic { empty });
            }
        }
        for wrapper in WRAPPERS.into_iter().filter_map(|name| self.by_name(name)).collect::<Vec<_>>() {
            self.marks.insert(wrapper, Mark::Wrapper);
        }
        self.names = OnceLock::new();
        self.tables.iter_mut().for_each(|table| *table = OnceLock::new());
    }

    /// A header goes by the name of the map or channel: the linker's own is `map<string,int>`.
    fn name_header(&mut self, header: TypeId, name: String) {
        if let Some(ty) = self.own_mut(header) {
            ty.name = name.into();
        }
    }

    fn link_map(&mut self, key: TypeId, elem: TypeId, header: TypeId) {
        self.set_role(Some(header), Role::MapHeader);
        if let (Some(key), Some(elem)) = (self.get(key), self.get(elem)) {
            self.name_header(header, format!("map[{}]{}", key.name, elem.name));
        }
        let directory = self.field(header, "dirPtr").map(|field| field.ty);
        let table = directory.and_then(|ty| self.target(ty)).and_then(|ty| self.target(ty));
        if let Some(table) = table {
            self.link_swiss_table(header, table);
        }
        let bucket = self.field(header, "buckets").and_then(|field| self.target(field.ty));
        if let Some(bucket) = bucket {
            self.link_group(bucket);
            self.know(header, "buckets", Pointee::Many(bucket));
            self.know(header, "oldbuckets", Pointee::Many(bucket));
        }
    }

    /// `header.dirPtr` → directory → `table.groups.data` → groups; small maps have `dirPtr` → one group.
    fn link_swiss_table(&mut self, header: TypeId, table: TypeId) {
        self.set_role(Some(table), Role::MapInside);
        let Some(reference) = self.field(table, "groups").map(|field| field.ty) else { return };
        self.set_role(Some(reference), Role::MapInside);
        let Some(group) = self.field(reference, "data").and_then(|field| self.target(field.ty)) else {
            return;
        };
        self.link_group(group);
        self.know(reference, "data", Pointee::Many(group));
        self.know(header, "dirPtr", Pointee::MapDirectory { group, table });
    }

    fn link_group(&mut self, group: TypeId) {
        if self.mark(group) == Some(Mark::MapGroup) {
            return;
        }
        self.set_role(Some(group), Role::MapInside);
        self.marks.insert(group, Mark::MapGroup);
        let overflow = self.field(group, "overflow").and_then(|field| self.get(field.ty));
        if overflow.is_some_and(|ty| ty.kind == Kind::UnsafePointer) {
            self.know(group, "overflow", Pointee::One(group));
        }
        let slots = self.field(group, "slots").or_else(|| self.field(group, "Slots"));
        let slots = slots.and_then(|slots| self.get(slots.ty));
        if let Some(Kind::Array { elem, .. }) = slots.map(|ty| &ty.kind) {
            self.marks.insert(*elem, Mark::MapSlot);
        }
    }

    fn link_channel(&mut self, elem: TypeId, header: TypeId) {
        self.set_role(Some(header), Role::ChanHeader);
        if let Some(elem) = self.get(elem) {
            self.name_header(header, format!("chan {}", elem.name));
        }
        self.know(header, "buf", Pointee::Many(elem));
        for queue in ["recvq", "sendq"] {
            let Some(queue) = self.field(header, queue).map(|field| field.ty) else { continue };
            self.set_role(Some(queue), Role::ChanInside);
            let Some(sudog) = self.field(queue, "first").and_then(|first| self.target(first.ty)) else {
                continue;
            };
            self.set_role(Some(sudog), Role::ChanInside);
            self.know(sudog, "c", Pointee::One(header));
        }
    }

    fn link_struct(&mut self, id: TypeId) {
        let Some(name) = self.get(id).map(|ty| ty.name.clone()) else { return };
        if let Some(target) = argument(&name, "sync/atomic.Pointer") {
            let target = self.zero_array_target(id).or_else(|| self.by_name(target));
            self.link_atomic(id, "v", target);
        } else if let Some(target) = argument(&name, "internal/runtime/atomic.Pointer")
            .or_else(|| argument(&name, "runtime/internal/atomic.Pointer"))
        {
            self.link_atomic(id, "u", self.by_name(target));
        } else if argument(&name, "internal/sync.HashTrieMap").is_some() {
            self.set_role(Some(id), Role::MapHeader);
            self.marks.insert(id, Mark::TrieHeader);
        } else if name.starts_with("map.group[") || name.starts_with("map.bucket[") {
            self.link_group(id);
        }
    }

    fn link_atomic(&mut self, id: TypeId, word: &str, target: Option<TypeId>) {
        self.marks.insert(id, Mark::Wrapper);
        let Some(target) = target else { return };
        let pointee = self.link_trie(target).unwrap_or(Pointee::One(target));
        self.know(id, word, pointee);
    }

    /// `T` of the field `_ [0]*T`, by which generic wrappers keep their argument.
    fn zero_array_target(&self, id: TypeId) -> Option<TypeId> {
        self.fields(id).iter().find_map(|field| match self.get(field.ty)?.kind {
            Kind::Array { elem, len: 0 } => self.target(elem),
            _ => None,
        })
    }

    /// Both shapes that a trie's `node[K,V]` is cast to; `None` for any other type.
    ///
    /// Often only the shape that generic code was compiled for is in the debug information: `entry[go.shape.…]`.
    fn link_trie(&mut self, node: TypeId) -> Option<Pointee> {
        let flag = u32::try_from(self.field(node, "isEntry")?.offset).ok()?;
        let name = self.get(node)?.name.clone();
        let (package, arguments) = name.split_once(".node[")?;
        let entry = self.by_name_or_shape(&format!("{package}.entry[{arguments}"))?;
        let indirect = self.by_name_or_shape(&format!("{package}.indirect[{arguments}"))?;
        for part in [entry, indirect] {
            self.set_role(Some(part), Role::MapInside);
        }
        self.marks.insert(entry, Mark::TrieEntry);
        Some(Pointee::TrieNode { entry, indirect, flag })
    }

    /// A type by name; else the one whose name is the same but for the `go.shape.` before its arguments.
    fn by_name_or_shape(&self, name: &str) -> Option<TypeId> {
        self.by_name(name).or_else(|| {
            let base = name.split_once('[')?.0;
            let same = |other: &Arc<str>| other.starts_with(base) && other.replace("go.shape.", "") == *name;
            self.iter().find(|(_, ty)| same(&ty.name)).map(|(id, _)| id)
        })
    }

    fn know(&mut self, whole: TypeId, field: &str, pointee: Pointee) {
        if let Some(offset) = self.field(whole, field).map(|field| field.offset) {
            self.known_pointees.insert((whole, offset), pointee);
        }
    }

    fn set_role(&mut self, id: Option<TypeId>, role: Role) {
        if let Some(ty) = id.and_then(|id| self.own_mut(id)) {
            ty.role = role;
        }
    }
}

/// The one type argument of `generic[argument]`.
fn argument<'n>(name: &'n str, generic: &str) -> Option<&'n str> {
    name.strip_prefix(generic)?.strip_prefix('[')?.strip_suffix(']')
}
