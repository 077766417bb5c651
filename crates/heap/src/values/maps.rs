//! The entries of maps: Swiss tables (`internal/runtime/maps`), and chained buckets before them (`runtime/map.go`).

use leakscope_goruntime::{Kind, Pointee, Slot, TypeId};
use leakscope_model::Addr;

use super::read::{Way, offset};
use super::{Value, Values, What};
use crate::fields::WORD;

/// Groups or buckets that are looked at for the first entries: a map that was emptied keeps its room.
const MOST_GROUPS: u64 = 1 << 16;
/// Slots of a group and of a bucket (`abi.MapGroupSlots`, `abi.OldMapBucketCount`).
const SLOTS: u64 = 8;
/// From here on the top byte of a bucket's slot is that of a key (`runtime.minTopHash`); below it are marks.
const LEAST_TOP_HASH: u8 = 5;
/// Marks of an old bucket whose entries have moved (`evacuatedX` to `evacuatedEmpty`).
const MOVED: std::ops::RangeInclusive<u8> = 2..=4;

/// Key and element of one map.
#[derive(Clone, Copy)]
struct Sides {
    key: TypeId,
    elem: TypeId,
}

/// Entries as they are found.
struct Found {
    sides: Sides,
    entries: Vec<(Value, Value)>,
    way: Way,
    /// Groups that may still be looked at.
    left: u64,
}

impl Values<'_> {
    /// The map whose header lies at `at`.
    pub(super) fn map(
        &mut self,
        key: TypeId,
        elem: TypeId,
        header: TypeId,
        at: Addr,
        way: Way,
    ) -> Result<What, What> {
        if at.is_nil() {
            return Ok(What::Map { at, len: 0, entries: Vec::new() });
        }
        let count = self.layout.slot("maps.Map.used").or_else(|| self.layout.slot("hmap.count"));
        let Some(count) = count else { return Ok(What::Cut) };
        let len = self.field(at, count)?;
        let mut found = Found { sides: Sides { key, elem }, entries: Vec::new(), way, left: MOST_GROUPS };
        if let Some(way) = way.along().filter(|_| len > 0) {
            found.way = way;
            match self.layout.slot("maps.Map.dirPtr") {
                Some(directory) => self.swiss_entries(header, at, directory, &mut found)?,
                None => self.bucket_entries(header, at, &mut found)?,
            }
        }
        Ok(What::Map { at, len, entries: found.entries })
    }

    fn enough(&self, found: &Found) -> bool {
        found.entries.len() as u64 >= self.limits.elements || found.left == 0
    }

    /// `Map.dirPtr` is one group, or a directory of tables in which one table may stand several times in a row.
    fn swiss_entries(
        &mut self,
        header: TypeId,
        at: Addr,
        directory: Slot,
        found: &mut Found,
    ) -> Result<(), What> {
        let pointee = self.types().pointee_at(header, directory.offset);
        let Some(Pointee::MapDirectory { group, .. }) = pointee else { return Ok(()) };
        let first = Addr::new(self.field(at, directory)?);
        let Some(len) = self.layout.slot("maps.Map.dirLen") else { return Ok(()) };
        let tables = self.field(at, len)?;
        if tables == 0 {
            return self.group(group, first, found);
        }
        let mut last = Addr::default();
        for index in 0..tables {
            if self.enough(found) {
                break;
            }
            found.left -= 1;
            let entry = index.checked_mul(WORD).and_then(|offset| first.checked_add(offset));
            let Some(entry) = entry else { break };
            let at = self.word(entry)?;
            if at != last {
                last = at;
                self.table(group, at, found)?;
            }
        }
        Ok(())
    }

    fn table(&mut self, group: TypeId, at: Addr, found: &mut Found) -> Result<(), What> {
        let slot = |path| self.layout.slot(path).map(|slot: Slot| slot.offset);
        let (Some(groups), Some(data), Some(mask)) = (
            slot("maps.table.groups"),
            slot("maps.groupsReference.data"),
            slot("maps.groupsReference.lengthMask"),
        ) else {
            return Ok(());
        };
        let reference = offset(at, groups)?;
        let first = self.word(offset(reference, data)?)?;
        let mask = self.number(offset(reference, mask)?, WORD)?;
        let size = self.types().get(group).map_or(0, |ty| ty.size);
        for index in 0..=mask {
            if self.enough(found) {
                break;
            }
            found.left -= 1;
            let at = index.checked_mul(size).and_then(|offset| first.checked_add(offset));
            let Some(at) = at else { break };
            self.group(group, at, found)?;
        }
        Ok(())
    }

    /// Eight slots and a control byte for each, whose top bit is clear where the slot holds an entry.
    fn group(&mut self, group: TypeId, at: Addr, found: &mut Found) -> Result<(), What> {
        let control = self.types().field(group, "ctrl").or_else(|| self.types().field(group, "Ctrl"));
        let control = control.map_or(0, |field| field.offset);
        let control = self.number(offset(at, control)?, WORD)?;
        for (slot, byte) in (0..SLOTS).zip(control.to_le_bytes()) {
            if byte & 0x80 == 0 && !self.enough(found) {
                self.entry(group, at, slot, found);
            }
        }
        Ok(())
    }

    /// The slots lie in a row, or their keys and their elements each do.
    fn entry(&mut self, group: TypeId, at: Addr, slot: u64, found: &mut Found) {
        let place = |names: [&str; 3]| {
            let field = names.iter().find_map(|name| self.types().field(group, name))?;
            let Some(&Kind::Array { elem, .. }) = self.types().get(field.ty).map(|ty| &ty.kind) else {
                return None;
            };
            let size = self.types().get(elem)?.size;
            Some((elem, field.offset.checked_add(slot.checked_mul(size)?)?))
        };
        let sides = match place(["slots", "Slots", ""]) {
            Some((pair, base)) => {
                let side = |names: [&str; 2]| {
                    let field = names.iter().find_map(|name| self.types().field(pair, name))?;
                    Some((field.ty, base.checked_add(field.offset)?))
                };
                (side(["key", "Key"]), side(["elem", "Elem"]))
            }
            None => (place(["keys", "Keys", ""]), place(["elems", "Elems", "values"])),
        };
        if let (Some(key), Some(elem)) = sides {
            self.add_entry(at, key, elem, found);
        }
    }

    fn add_entry(&mut self, at: Addr, key: (TypeId, u64), elem: (TypeId, u64), found: &mut Found) {
        let Sides { key: key_type, elem: elem_type } = found.sides;
        let key = self.side(key_type, key, at, found.way);
        let elem = self.side(elem_type, elem, at, found.way);
        found.entries.push((key, elem));
    }

    /// A key or element; large ones lie behind a pointer (`MapMaxKeyBytes`).
    fn side(&mut self, wanted: TypeId, (ty, inside): (TypeId, u64), at: Addr, way: Way) -> Value {
        let Some(place) = at.checked_add(inside) else {
            return Value::new(&std::sync::Arc::from(""), What::Cut);
        };
        let behind = ty != wanted
            && matches!(self.types().get(ty).map(|ty| &ty.kind), Some(&Kind::Pointer { elem }) if elem == wanted);
        if !behind {
            return self.value(wanted, place, way.into_part());
        }
        match self.word(place) {
            Ok(place) => self.value(wanted, place, way.into_part()),
            Err(what) => Value::new(&std::sync::Arc::from(""), what),
        }
    }

    /// `hmap.buckets`, and of a map that grows the old ones that were not moved yet.
    fn bucket_entries(&mut self, header: TypeId, at: Addr, found: &mut Found) -> Result<(), What> {
        let slot = |path| self.layout.slot(path);
        let (Some(buckets), Some(old), Some(log)) =
            (slot("hmap.buckets"), slot("hmap.oldbuckets"), slot("hmap.B"))
        else {
            return Ok(());
        };
        let Some(Pointee::Many(bucket)) = self.types().pointee_at(header, buckets.offset) else {
            return Ok(());
        };
        let log = self.field(at, log)?;
        let count = 1u64.checked_shl(u32::try_from(log).unwrap_or(64)).unwrap_or(0);
        let first = Addr::new(self.field(at, Slot { width: WORD, ..old })?);
        if !first.is_nil() {
            // Half as many, or as many where it grows only to have fewer overflows.
            let same = slot("hmap.flags").map_or(Ok(0), |flags| self.field(at, flags))? & 8 != 0;
            self.chains(bucket, first, if same { count } else { count / 2 }, true, found)?;
        }
        let first = Addr::new(self.field(at, Slot { width: WORD, ..buckets })?);
        self.chains(bucket, first, count, false, found)
    }

    fn chains(
        &mut self,
        bucket: TypeId,
        first: Addr,
        count: u64,
        old: bool,
        found: &mut Found,
    ) -> Result<(), What> {
        let size = self.types().get(bucket).map_or(0, |ty| ty.size);
        for index in 0..count {
            let Some(mut at) = index.checked_mul(size).and_then(|offset| first.checked_add(offset)) else {
                break;
            };
            while !at.is_nil() && !self.enough(found) {
                found.left -= 1;
                let tops = self.number(at, SLOTS)?.to_le_bytes();
                if old && tops.first().is_some_and(|top| MOVED.contains(top)) {
                    break;
                }
                for (slot, top) in (0..SLOTS).zip(tops) {
                    if top >= LEAST_TOP_HASH && !self.enough(found) {
                        self.entry(bucket, at, slot, found);
                    }
                }
                at = match self.types().field(bucket, "overflow") {
                    Some(overflow) => self.word(offset(at, overflow.offset)?)?,
                    None => Addr::default(),
                };
            }
            if self.enough(found) {
                break;
            }
        }
        Ok(())
    }
}
