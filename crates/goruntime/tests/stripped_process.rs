//! Programs without symbols and debug information: found by their shape and read by our tables, against what the
//! symbols of the same executable say.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests write files, and end where a fixture is not as it should be"
)]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use leakscope_goruntime::layout::resolve::resolve;
use leakscope_goruntime::{
    BuildInfo, DebugInfo, ElfImage, FuncTable, GoVersion, LayoutOrigin, Runtime, variables_by_code,
};
use leakscope_model::Addr;
use support::{Program, RELEASES, bytes_of};

/// What a reader of the heap asks for by name, in every release.
const VARIABLES: [&str; 14] = [
    "firstmoduledata",
    "mheap_",
    "allgs",
    "allp",
    "allm",
    "itabTable",
    "allfin",
    "mbuckets",
    "gcphase",
    "fingStatus",
    "memstats",
    "gcController",
    "sched",
    "work",
];

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
///
/// Another process writes it: a child that another test starts meanwhile would hold it open for writing, and no
/// process can be made of such a file.
fn start(executable: &[u8]) -> Program {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stripped");
    let mut writer = Command::new("sh");
    let mut writer = writer
        .args(["-c", "cat > \"$0\" && chmod +x \"$0\""])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(executable).unwrap();
    assert!(writer.wait().unwrap().success());
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
        let cleanups = runtime.layout.size("cleanupQueue").map(|_| "gcCleanups");
        let wanted: Vec<_> =
            VARIABLES.into_iter().chain(cleanups).map(|name| (name, Some(place(name)))).collect();
        let found = |name| (name, runtime.variables.find(name).map(|variable| variable.at));
        let found: Vec<_> = wanted.iter().map(|(name, _)| found(*name)).collect();
        assert_eq!(found, wanted, "{file}");
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

/// Where there is no process of that processor to be had: by the file alone.
#[test]
fn the_code_of_arm64_shows_the_variables_too() {
    for file in ["symbols-arm64-go1.21.13", "symbols-arm64-go1.26.6", "symbols-go1.27.3"] {
        let bytes = bytes_of(file);
        let image = ElfImage::parse(&bytes).unwrap();
        let version = GoVersion::parse(&BuildInfo::read(&image).unwrap().version).unwrap();
        let layout = resolve(&version, image.arch, &DebugInfo::default()).unwrap().layout;
        let symbol = |name: &str| image.symbols().find(|s| s.name == format!("runtime.{name}")).unwrap().addr;
        let range = symbol("noptrdata")..symbol("enoptrbss");
        let functions = FuncTable::locate(&image).unwrap();
        let found = variables_by_code(image.arch, &functions, &layout, &range);
        let wrong: Vec<_> = found.iter().filter(|(name, at)| symbol(name) != *at).collect();
        assert!(wrong.is_empty(), "{file}: {wrong:?}");
        let missing: Vec<_> =
            VARIABLES.iter().skip(1).filter(|name| !found.iter().any(|(n, _)| n == *name)).collect();
        assert!(missing.is_empty(), "{file}: {missing:?}");
    }
}

/// Build information can be taken out; the runtime still knows its version.
#[test]
fn a_program_without_build_information_tells_its_version() {
    for file in ["symbols-stripped-go1.21.13", "symbols-pie-stripped-go1.26.6", "symbols-stripped-go1.27.3"] {
        let mut bytes = bytes_of(file);
        let magic = b"\xff Go buildinf:";
        let places: Vec<_> = (0..bytes.len() - 16).filter(|at| bytes[*at..].starts_with(magic)).collect();
        places.iter().for_each(|at| bytes[*at..at + 16].fill(0));
        assert!(BuildInfo::read(&ElfImage::parse(&bytes).unwrap()).is_none(), "{file}");
        let program = start(&bytes);
        let runtime = Runtime::identify(&bytes, &program, &program.mappings());
        let runtime = runtime.unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(runtime.version.text, program.facts("version").next().unwrap()[0], "{file}");
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
