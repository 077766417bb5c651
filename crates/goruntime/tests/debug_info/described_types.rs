//! What descriptors in memory say of types, against what the linker wrote of the same types into debug information.

use std::sync::Arc;

use leakscope_goruntime::{DescribedTypes, GoType, Kind, Pointee, Role, Runtime, TypeId, Types};
use leakscope_target::LiveProcess;

use crate::zoo::{BUILDS, Zoo};

/// Everything that two descriptions of a type must agree in.
fn facts(types: &Types, id: TypeId) -> String {
    let name = |id: TypeId| &*types.get(id).unwrap().name;
    let ty = types.get(id).unwrap();
    let kind = match &ty.kind {
        Kind::Slice { elem } => format!("slice of {}", name(*elem)),
        Kind::Array { elem, len } => format!("{len} of {}", name(*elem)),
        Kind::Pointer { elem } => format!("pointer to {}", name(*elem)),
        Kind::Map { key, elem, header } => format!("map {} {} {}", name(*key), name(*elem), name(*header)),
        Kind::Chan { elem, header } => format!("chan {} {}", name(*elem), name(*header)),
        Kind::Struct { fields } => {
            let fields = fields.iter().map(|field| (&*field.name, field.offset, name(field.ty)));
            format!("{:?}", fields.collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    };
    format!("{} of {} bytes: {kind}", ty.name, ty.size)
}

/// Without the numbers that the linker gives to types that are declared in functions; descriptors have none.
fn without_numbers(name: &str) -> String {
    let mut parts = name.split('·');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| all + part.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

const UINTPTR: &str = "uintptr of 8 bytes: Uint";

#[test]
fn every_type_is_described_in_memory_as_in_debug_information() {
    for build in BUILDS {
        let zoo = Zoo::start(build);
        let mappings = LiveProcess::open(zoo.id()).unwrap().mappings().unwrap();
        let runtime = Runtime::identify(&zoo.executable, &zoo.memory, &mappings).unwrap();
        let linked = &runtime.debug.types;
        let both = linked.iter().filter_map(|(id, ty)| Some((id, ty.runtime_type?.relocate(runtime.bias))));
        // The linker of Go 1.22 says of uintptr that its descriptor stands where nothing does.
        let in_module = |at| runtime.modules.iter().any(|module| module.types.contains(&at));
        let both: Vec<_> = both.filter(|(id, at)| in_module(*at) || facts(linked, *id) != UINTPTR).collect();
        assert!(both.len() > 500, "{build}: {}", both.len());
        let (layout, modules) = (&runtime.layout, &runtime.modules);
        let wanted = both.iter().map(|(_, at)| *at);
        let nothing = Arc::default();
        let read = DescribedTypes::read(&zoo.memory, layout, modules, &nothing, &|_| None, wanted);
        let differs = |found, id| {
            let (found, expected) = (facts(read.types(), found), facts(linked, id));
            (found != without_numbers(&expected)).then(|| format!("{expected}\n  {found}"))
        };
        let wrong = both.iter().filter_map(|(id, at)| match read.type_at(*at) {
            Some(found) => differs(found, *id),
            None => Some(facts(linked, *id)),
        });
        let wrong: Vec<String> = wrong.collect();
        assert!(wrong.is_empty(), "{build}: {} of {}: {wrong:#?}", wrong.len(), both.len());
    }
}

#[test]
fn insides_of_maps_and_channels_have_the_same_names_and_roles() {
    for build in BUILDS {
        let zoo = Zoo::start(build);
        let mappings = LiveProcess::open(zoo.id()).unwrap().mappings().unwrap();
        let runtime = Runtime::identify(&zoo.executable, &zoo.memory, &mappings).unwrap();
        let linked = &runtime.debug.types;
        for name in ["map[string]*main.Animal", "map[main.Big]main.Big", "chan *main.Animal"] {
            let plain = |(_, ty): &(TypeId, &GoType)| &*ty.name == name && ty.role == Role::Plain;
            let (id, ty) = linked.iter().find(plain).unwrap_or_else(|| panic!("{build}: {name}"));
            let at = ty.runtime_type.unwrap().relocate(runtime.bias);
            let (layout, modules) = (&runtime.layout, &runtime.modules);
            // All but this one are known by their descriptors.
            let known = |other| runtime.debug.type_of_runtime(runtime.linked(other)).filter(|_| other != at);
            let nothing = Arc::default();
            let alone = DescribedTypes::read(&zoo.memory, layout, modules, &nothing, &|_| None, [at]);
            let found = alone.type_at(at).unwrap();
            assert_eq!(inside(alone.types(), found), inside(linked, id), "{build}: {name}");
            let added = DescribedTypes::read(&zoo.memory, layout, modules, linked, &known, [at]);
            assert_eq!(added.type_at(at), Some(id), "{build}: {name} is one type, found both ways");
            assert_eq!(runtime.described_types(&zoo.memory, [at]).type_at(at), Some(id), "{build}");
        }
    }
}

/// Fields of these structures that point at the runtime's own, which have no part in a layout.
const OF_THE_RUNTIME: [&str; 10] =
    ["bubble", "elemtype", "next", "prev", "parent", "waitlink", "waittail", "g", "timer", "extra"];

/// Every structure from a header on that is a part of a map or channel, with its role and pointers, as paths tell
/// them.
fn inside(types: &Types, id: TypeId) -> Vec<String> {
    let header = match types.get(id).unwrap().kind {
        Kind::Map { header, .. } | Kind::Chan { header, .. } => header,
        ref other => panic!("{other:?}"),
    };
    let (mut seen, mut open) = (vec![header], vec![header]);
    while let Some(id) = open.pop() {
        for word in types.pointer_words(id) {
            let next = match word.pointee {
                Pointee::One(id) | Pointee::Many(id) => vec![id],
                Pointee::MapDirectory { group, table } => vec![group, table],
                _ => vec![],
            };
            for id in next {
                let part = types
                    .get(id)
                    .is_some_and(|ty| ty.role != Role::Plain && !ty.name.starts_with("runtime."));
                if part && !seen.contains(&id) {
                    seen.push(id);
                    open.push(id);
                }
            }
        }
    }
    let told = |id: TypeId| {
        let ty = types.get(id).unwrap();
        let words = types.pointer_words(id).iter();
        let words = words.filter(|word| !OF_THE_RUNTIME.contains(&&*word.label.name));
        let words: Vec<_> = words.map(|word| (word.offset, &word.label.name, word.label.via)).collect();
        format!("{} {:?} of {} bytes: {words:?}", ty.name, ty.role, ty.size)
    };
    seen.into_iter().map(told).collect()
}
