//! What debug information says, against what the running program says of itself.

use crate::zoo::{BUILDS, Zoo, address, number};
use leakscope_goruntime::pclntab::FuncTable;
use leakscope_goruntime::{DebugInfo, ElfImage, Kind, Piece, Pointee, Role, TypeId};
use leakscope_model::{Addr, Via};
use leakscope_target::TargetMemory;

fn each_build(check: impl Fn(&str, &Zoo, &ElfImage<'_>, &DebugInfo<'_>)) {
    for build in BUILDS {
        let zoo = Zoo::start(build);
        let elf = ElfImage::parse(&zoo.executable).unwrap();
        let debug = DebugInfo::read(&elf).unwrap();
        assert!(debug.gaps().is_empty(), "{build}: {:?}", debug.gaps());
        check(build, &zoo, &elf, &debug);
    }
}

fn type_named(debug: &DebugInfo<'_>, name: &str) -> TypeId {
    debug.types.by_name(name).unwrap_or_else(|| panic!("no type {name}"))
}

#[test]
fn fields_lie_where_reflection_says() {
    each_build(|build, zoo, _, debug| {
        for line in zoo.said("field") {
            let [ty, field, offset, size, kind] = line else { panic!("{line:?}") };
            let id = type_named(debug, ty);
            let found = debug.types.field(id, field).unwrap_or_else(|| panic!("{build}: {ty}.{field}"));
            let field_type = debug.types.get(found.ty).unwrap();
            assert_eq!(
                (found.offset, field_type.size),
                (number(offset), number(size)),
                "{build}: {ty}.{field}"
            );
            assert_eq!(kind_word(&field_type.kind), reflect_word(kind), "{build}: {ty}.{field}");
        }
    });
}

/// One word for a kind; integers and the like fall together.
fn kind_word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Uint => "uint",
        Kind::Float => "float",
        Kind::Complex => "complex",
        Kind::String => "string",
        Kind::Slice { .. } => "slice",
        Kind::Array { .. } => "array",
        Kind::Struct { .. } => "struct",
        Kind::Pointer { .. } => "ptr",
        Kind::UnsafePointer => "unsafe.Pointer",
        Kind::Func => "func",
        Kind::Map { .. } => "map",
        Kind::Chan { .. } => "chan",
        Kind::Interface { .. } => "interface",
        Kind::Opaque => "opaque",
    }
}

fn reflect_word(kind: &str) -> &str {
    if kind == "uintptr" { "uint" } else { kind.trim_end_matches(|c: char| c.is_ascii_digit()) }
}

#[test]
fn descriptors_in_memory_lead_to_their_types() {
    each_build(|build, zoo, elf, debug| {
        let bias = zoo.bias(elf);
        for line in zoo.said("type") {
            let [name, size, descriptor] = line else { panic!("{line:?}") };
            let id = debug.type_of_runtime(address(descriptor).unrelocate(bias));
            let ty = debug.types.get(id.unwrap_or_else(|| panic!("{build}: {name}"))).unwrap();
            assert_eq!((&*ty.name, ty.size), (name.as_str(), number(size)), "{build}");
            assert_eq!(ty.runtime_type, Some(address(descriptor).unrelocate(bias)), "{build}: {name}");
        }
    });
}

#[test]
fn package_variables_lie_where_the_program_has_them() {
    each_build(|build, zoo, elf, debug| {
        let bias = zoo.bias(elf);
        for line in zoo.said("global") {
            let [name, at, size] = line else { panic!("{line:?}") };
            let linked = address(at).unrelocate(bias);
            let (global, offset) = debug.global_at(linked).unwrap_or_else(|| panic!("{build}: {name}"));
            assert_eq!((&*global.name, global.size, offset), (name.as_str(), number(size), 0), "{build}");
            assert_eq!(debug.global(name), Some(global));
            let inside = Addr::new(number(at) + number(size) - 1).unrelocate(bias);
            let (same, offset) = debug.global_at(inside).unwrap();
            assert_eq!((&same.name, offset), (&global.name, number(size) - 1), "{build}");
        }
    });
}

#[test]
fn captured_variables_lie_in_the_closure_where_the_compiler_says() {
    each_build(|build, zoo, elf, debug| {
        let entry = address(&zoo.said("closure")[0][0]).unrelocate(zoo.bias(elf));
        let captures = debug.captures(entry);
        if ["zoo-go1.21.13", "zoo-go1.22.10"].contains(&build) {
            // DW_AT_go_closure_offset came with Go 1.23.
            assert_eq!(captures, []);
            return;
        }
        let words = zoo.said("closureword");
        for line in zoo.said("captured") {
            let [name, value] = line else { panic!("{line:?}") };
            let capture = captures.iter().find(|capture| &*capture.name == name);
            let capture = capture.unwrap_or_else(|| panic!("{build}: {name} of {captures:?}"));
            let word = words.iter().find(|word| number(&word[0]) == capture.offset).unwrap();
            assert_eq!(&word[1], value, "{build}: {name}");
            assert_eq!(capture.by_reference, name == "count", "{build}: {name}");
            let ty = debug.types.get(capture.ty).unwrap();
            let expected = if name == "animal" {
                "*main.Animal"
            } else {
                ["*int", "string"][usize::from(name == "text")]
            };
            assert_eq!(&*ty.name, expected, "{build}: {name}");
        }
        assert_eq!(captures.len(), 3, "{build}: {captures:?}");
    });
}

#[test]
fn variables_lie_in_the_frame_where_the_compiler_says() {
    each_build(|build, zoo, elf, debug| {
        let frame = zoo.said("frame")[0];
        let returns_to = address(&frame[0]).unrelocate(zoo.bias(elf));
        let call = leakscope_model::LinkAddr::new(returns_to.get() - 1);
        let functions = FuncTable::locate(elf).unwrap();
        // Above the frame lies the return address, and above that the canonical frame address points.
        let cfa = i64::from(functions.sp_delta(call).unwrap()) + 8;
        let words: Vec<u64> = zoo.said("word").iter().map(|word| number(&word[0])).collect();
        let locals = debug.locals_at(call);
        for line in zoo.said("local") {
            let [name, value] = line else { panic!("{line:?}") };
            let local = locals.iter().find(|local| &*local.name == name);
            let local = local.unwrap_or_else(|| panic!("{build}: {name} of {locals:?}"));
            let Piece { cfa_offset, offset_in_variable, .. } = local.pieces[0];
            assert_eq!(offset_in_variable, 0, "{build}: {local:?}");
            let word = usize::try_from((cfa + cfa_offset) / 8).unwrap();
            assert_eq!(words[word], number(value), "{build}: {name} at {cfa_offset} of the frame");
            assert_eq!(local.escaped, name == "escaped", "{build}: {name}");
        }
    });
}

#[test]
fn keys_and_elements_of_maps_say_which_they_are() {
    each_build(|build, _, _, debug| {
        let group = debug.types.iter().find(|(_, ty)| {
            [
                "noalg.map.group[string]*main.Animal",
                "map.group[string]*main.Animal",
                "bucket<string,*main.Animal>",
            ]
            .contains(&&*ty.name)
        });
        let (group, _) = group.unwrap_or_else(|| panic!("{build}: no group"));
        let words = debug.types.pointer_words(group);
        let by =
            |via| words.iter().filter(|word| word.label.via == via && &*word.label.name == "[…]").count();
        assert_eq!((by(Via::Key), by(Via::Value)), (8, 8), "{build}: {words:?}");
    });
}

#[test]
fn what_a_timer_will_call_is_found_behind_its_public_fields() {
    each_build(|build, zoo, _, debug| {
        let pointer = debug.types.get(type_named(debug, "*time.Timer")).unwrap();
        let Kind::Pointer { elem } = pointer.kind else { panic!("{pointer:?}") };
        assert_eq!(&*debug.types.get(elem).unwrap().name, "time.Timer", "{build}");
        let offset = number(&zoo.said("timer")[0][0]);
        assert_eq!(debug.types.pointee_at(elem, offset), Some(Pointee::Dynamic { empty: true }), "{build}");
        assert!(debug.types.label_at(elem, offset).unwrap().name.ends_with(".arg"), "{build}");
    });
}

#[test]
fn a_method_value_captured_its_receiver() {
    each_build(|build, zoo, elf, debug| {
        let [code, second, receiver] = zoo.said("methodvalue")[0] else { panic!("three words") };
        assert_eq!(second, receiver, "{build}: the receiver is the closure's second word");
        let captures = debug.captures(address(code).unrelocate(zoo.bias(elf)));
        let [capture] = &captures[..] else { panic!("{build}: {captures:?}") };
        assert_eq!((capture.offset, capture.by_reference), (8, false), "{build}");
        assert_eq!(capture.ty, type_named(debug, "*main.Animal"), "{build}");
    });
}

#[test]
fn headers_of_maps_and_channels_go_by_the_name_in_the_source() {
    each_build(|build, _, _, debug| {
        for (name, role) in
            [("map[string]*main.Animal", Role::MapHeader), ("chan *main.Animal", Role::ChanHeader)]
        {
            let same = debug.types.iter().filter(|(_, ty)| &*ty.name == name);
            let roles: Vec<Role> = same.map(|(_, ty)| ty.role).collect();
            assert!(roles.contains(&role) && roles.contains(&Role::Plain), "{build}: {name} is {roles:?}");
        }
    });
}

#[test]
fn symbols_and_bytes_of_the_file_are_those_of_the_process() {
    each_build(|build, zoo, elf, _| {
        let bias = zoo.bias(elf);
        for line in zoo.said("global") {
            let [name, at, size] = line else { panic!("{line:?}") };
            let symbol = elf.symbols().find(|symbol| symbol.name == name).unwrap();
            assert_eq!(
                (symbol.addr.relocate(bias), symbol.size),
                (address(at), number(size)),
                "{build}: {name}"
            );
        }
        let code = address(&zoo.said("closure")[0][0]);
        let mut loaded = [0; 64];
        zoo.memory.read_exact(code, &mut loaded).unwrap();
        assert_eq!(elf.read(code.unrelocate(bias), 64), Some(&loaded[..]), "{build}");
    });
}
