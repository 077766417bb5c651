//! A walk by types alone, from package variables: it must find what the running program says is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::zoo::{BUILDS, Zoo, address};
use leakscope_goruntime::{DebugInfo, ElfImage, Kind, Layout, Pointee, TypeId};
use leakscope_model::{Addr, Bias, Via};
use leakscope_target::{TargetMemory, read_u64};

/// Longer arrays than the zoo has: a wrong length shows as this.
const LONGEST: u64 = 1 << 16;

/// Values by address and type, as the types alone lead to them.
struct Walk<'a> {
    zoo: &'a Zoo,
    debug: &'a DebugInfo<'a>,
    layout: Layout,
    bias: Bias,
    seen: BTreeSet<(Addr, TypeId)>,
    todo: Vec<(Addr, TypeId)>,
}

impl<'a> Walk<'a> {
    fn from(zoo: &'a Zoo, elf: &ElfImage<'_>, debug: &'a DebugInfo<'a>, global: &str) -> Walk<'a> {
        let (global, field) = match global.strip_prefix("main.all.") {
            Some(field) => ("main.all", Some(field)),
            None => (global, None),
        };
        let global = debug.global(global).unwrap();
        let bias = zoo.bias(elf);
        let field = field.map(|field| debug.types.field(global.ty, field).unwrap());
        let start = global.addr.relocate(bias).get() + field.map_or(0, |field| field.offset);
        let start = (Addr::new(start), field.map_or(global.ty, |field| field.ty));
        let layout = debug.layout().unwrap();
        let mut walk = Walk { zoo, debug, layout, bias, seen: BTreeSet::new(), todo: vec![start] };
        while let Some((at, ty)) = walk.todo.pop() {
            if !at.is_nil() && walk.seen.insert((at, ty)) {
                walk.follow(at, ty);
            }
        }
        walk
    }

    fn word(&self, at: u64) -> u64 {
        read_u64(&self.zoo.memory, Addr::new(at)).unwrap_or(0)
    }

    fn follow(&mut self, at: Addr, ty: TypeId) {
        for word in self.debug.types.pointer_words(ty) {
            assert_eq!(self.debug.types.pointee_at(ty, word.offset), Some(word.pointee));
            self.point(at.get() + word.offset, word.pointee, ty, word.offset);
        }
    }

    fn point(&mut self, word: u64, pointee: Pointee, ty: TypeId, offset: u64) {
        let to = Addr::new(self.word(word));
        match pointee {
            Pointee::One(ty) => self.todo.push((to, ty)),
            Pointee::Many(elem) => self.many(to, elem, self.length(word, ty, offset)),
            Pointee::MapDirectory { group, table } => {
                let used = self.layout.slot("maps.Map.dirPtr").unwrap().offset;
                let dir_len = self.layout.slot("maps.Map.dirLen").unwrap().offset;
                match self.word(word - used + dir_len) {
                    0 => self.todo.push((to, group)),
                    len => {
                        for index in 0..len.min(LONGEST) {
                            self.todo.push((Addr::new(self.word(to.get() + index * 8)), table));
                        }
                    }
                }
            }
            Pointee::TrieNode { entry, indirect, flag } => {
                let mut is_entry = [0];
                let flag = Addr::new(to.get() + u64::from(flag));
                if self.zoo.memory.read_exact(flag, &mut is_entry).is_ok() {
                    self.todo.push((to, if is_entry[0] == 0 { indirect } else { entry }));
                }
            }
            Pointee::Dynamic { empty: true } => self.dynamic(Addr::new(self.word(word - 8)), to),
            Pointee::Dynamic { empty: false } | Pointee::Bytes | Pointee::Closure | Pointee::Untyped => {}
        }
    }

    fn dynamic(&mut self, descriptor: Addr, data: Addr) {
        let Some(id) = self.debug.type_of_runtime(descriptor.unrelocate(self.bias)) else { return };
        match self.debug.types.get(id).unwrap().kind {
            Kind::Pointer { elem } => self.todo.push((data, elem)),
            _ => self.todo.push((data, id)),
        }
    }

    fn many(&mut self, at: Addr, elem: TypeId, len: u64) {
        assert!(len <= LONGEST, "{len} elements");
        let size = self.debug.types.get(elem).unwrap().size;
        for index in 0..len {
            self.todo.push((Addr::new(at.get() + index * size), elem));
        }
    }

    /// How many values the array behind a word has.
    fn length(&self, word: u64, ty: TypeId, offset: u64) -> u64 {
        let name = &*self.debug.types.get(ty).unwrap().name;
        let slot = |path: &str| self.layout.slot(path).unwrap().offset;
        let mut byte = [0];
        match name.split_once('<').map_or(name, |(base, _)| base) {
            "table" | "groupReference" => self.word(word + 8) + 1,
            _ if name.starts_with("chan ") => self.word(word - offset + slot("hchan.dataqsiz")),
            _ if name.starts_with("map[") && offset != slot("hmap.buckets") => 0,
            _ if name.starts_with("map[") => {
                let at = Addr::new(word - offset + slot("hmap.B"));
                self.zoo.memory.read_exact(at, &mut byte).unwrap();
                1 << byte[0]
            }
            "sync.Pool" | "main.Everything" => self.word(word + 8).min(64),
            _ => self.word(word + 8),
        }
    }

    fn animals(&self) -> BTreeSet<Addr> {
        let animal = self.debug.types.by_name("main.Animal").unwrap();
        self.seen.iter().filter(|(_, ty)| *ty == animal).map(|(at, _)| *at).collect()
    }

    /// What every full slot of a map with string keys holds: its key and the word of its element.
    fn entries(&self) -> BTreeMap<String, Addr> {
        let mut entries = BTreeMap::new();
        for (at, ty) in &self.seen {
            let words = self.debug.types.pointer_words(*ty);
            let keys = words.iter().filter(|word| word.label.via == Via::Key);
            let values = words.iter().filter(|word| word.label.via == Via::Value);
            for (key, value) in keys.zip(values) {
                let (data, len) = (self.word(at.get() + key.offset), self.word(at.get() + key.offset + 8));
                let mut text = vec![0; usize::try_from(len).unwrap()];
                if data != 0 && self.zoo.memory.read_exact(Addr::new(data), &mut text).is_ok() {
                    let value = Addr::new(self.word(at.get() + value.offset));
                    entries.insert(String::from_utf8(text).unwrap(), value);
                }
            }
        }
        entries
    }
}

fn each_build(check: impl Fn(&str, &Zoo, &ElfImage<'_>, &DebugInfo<'_>)) {
    for build in BUILDS {
        let zoo = Zoo::start(build);
        let elf = ElfImage::parse(&zoo.executable).unwrap();
        let debug = DebugInfo::read(&elf).unwrap();
        check(build, &zoo, &elf, &debug);
    }
}

#[test]
fn slices_channels_maps_of_big_values_and_atomics_lead_to_their_animals() {
    each_build(|build, zoo, elf, debug| {
        for line in zoo.said("reach") {
            let walk = Walk::from(zoo, elf, debug, &line[0]);
            let expected: BTreeSet<Addr> = line[1..].iter().map(|at| address(at)).collect();
            assert_eq!(walk.animals(), expected, "{build}: behind {}", line[0]);
        }
    });
}

#[test]
fn every_entry_of_a_map_is_found_small_or_large() {
    each_build(|build, zoo, elf, debug| {
        for map in ["main.few", "main.many"] {
            let said = zoo.said("entry");
            let of_map = said.iter().filter(|line| line[0] == map);
            let expected: BTreeMap<String, Addr> =
                of_map.map(|line| (line[1].clone(), address(&line[2]))).collect();
            let walk = Walk::from(zoo, elf, debug, map);
            assert_eq!(walk.entries(), expected, "{build}: {map}");
            assert_eq!(walk.animals(), expected.into_values().collect(), "{build}: {map}");
        }
    });
}
