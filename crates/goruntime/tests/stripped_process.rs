//! Programs without symbols and debug information: found by their shape and read by our tables, against what the
//! symbols of the same executable say.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests write files, and end where a fixture is not as it should be"
)]

mod support;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use leakscope_goruntime::{ElfImage, LayoutOrigin, Runtime};
use leakscope_model::Addr;
use support::{Program, RELEASES, bytes_of};

/// Programs with symbols.
fn named() -> Vec<String> {
    let plain = RELEASES.iter().map(|go| format!("symbols-go{go}"));
    let moved = ["1.21.13", "1.24.3", "1.26.6", "1.27.3"].map(|go| format!("symbols-pie-go{go}"));
    let others = ["symbols-cgo-pie-go1.26.6", "symbols-greentea-go1.25.5", "symbols-nogreentea-go1.26.6"];
    let others = others.into_iter().chain(["symbols-noswissmap-go1.24.3"]).map(str::to_owned);
    plain.chain(moved).chain(others).collect()
}

/// The executable as `strip` leaves it, and without even the names of its sections.
fn without_sections(mut elf: Vec<u8>) -> Vec<u8> {
    elf[0x28..0x30].fill(0); // e_shoff
    elf[0x3a..0x40].fill(0); // e_shentsize, e_shnum, e_shstrndx
    let image = ElfImage::parse(&elf).unwrap();
    assert!(image.symbols().next().is_none() && image.section(".debug_info").is_none());
    elf
}

/// Starts an executable that is no fixture.
fn start(executable: &[u8]) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stripped");
    std::fs::write(&path, executable).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    Program::start_file(&path)
}

#[test]
fn variables_that_no_name_tells_are_where_the_symbols_say() {
    for file in named() {
        let (bytes, stripped) = (bytes_of(&file), without_sections(bytes_of(&file)));
        let program = start(&stripped);
        let runtime = Runtime::identify(&stripped, &program, &program.mappings());
        let runtime = runtime.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(matches!(runtime.layout_origin, LayoutOrigin::Table { .. }), "{file}");
        assert!(runtime.gaps.is_empty(), "{file}: {:?}", runtime.gaps);
        assert_eq!(runtime.version.text, program.facts("version").next().unwrap()[0], "{file}");
        assert_eq!(runtime.bias, program.bias(&runtime.functions), "{file}");
        let image = ElfImage::parse(&bytes).unwrap();
        let place = |name: &str| {
            let symbol = image.symbols().find(|symbol| symbol.name == format!("runtime.{name}"));
            symbol.unwrap_or_else(|| panic!("{file}: {name}")).addr.relocate(runtime.bias)
        };
        for name in ["mheap_", "allgs"] {
            assert_eq!(runtime.variable(name).unwrap(), place(name), "{file}: {name}");
        }
        let module = &runtime.modules[0];
        assert_eq!((module.at, module.pc_header), (place("firstmoduledata"), place("pclntab")), "{file}");
    }
}

#[test]
fn the_words_for_numbers_are_those_that_lie_in_the_program() {
    for file in named() {
        let (bytes, stripped) = (bytes_of(&file), without_sections(bytes_of(&file)));
        let (with, without) = (start(&bytes), start(&stripped));
        let with = Runtime::identify(&bytes, &with, &with.mappings()).unwrap();
        let without = Runtime::identify(&stripped, &without, &without.mappings()).unwrap();
        assert_eq!((&with.layout_origin, with.names), (&LayoutOrigin::Dwarf, without.names), "{file}");
    }
}

/// As the linker itself leaves out names: `-ldflags="-s -w"`.
#[test]
fn programs_linked_without_names_are_identified() {
    let plain = ["1.21.13", "1.24.3", "1.26.6", "1.27.3"].map(|go| format!("symbols-stripped-go{go}"));
    let moved = ["1.21.13", "1.26.6", "1.27.3"].map(|go| format!("symbols-pie-stripped-go{go}"));
    for file in plain.into_iter().chain(moved) {
        let (program, bytes) = (Program::start(&file), bytes_of(&file));
        let runtime = Runtime::identify(&bytes, &program, &program.mappings());
        let runtime = runtime.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(runtime.version.text, program.facts("version").next().unwrap()[0], "{file}");
        assert_eq!(runtime.bias, program.bias(&runtime.functions), "{file}");
        assert!(runtime.variable("allgs").unwrap() > Addr::new(0), "{file}");
    }
}
