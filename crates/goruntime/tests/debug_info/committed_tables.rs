//! The committed tables of layouts, which come from Go's source, against the debug information that the linker
//! wrote into other programs.

use std::collections::BTreeMap;

use leakscope_goruntime::layout::resolve::resolve;
use leakscope_goruntime::{Arch, BuildInfo, DebugInfo, ElfImage, GoVersion, Layout};
use leakscope_target::MappedFile;

use crate::zoo::fixture;

/// Programs with debug information: every release, both processors, and the experiments that move fields.
const PROGRAMS: [&str; 13] = [
    "symbols-go1.21.13",
    "symbols-go1.22.10",
    "symbols-go1.23.9",
    "symbols-go1.24.3",
    "symbols-go1.25.5",
    "symbols-go1.26.6",
    "symbols-go1.27.3",
    "oracle-go1.27.3",
    "symbols-greentea-go1.25.5",
    "symbols-nogreentea-go1.26.6",
    "symbols-noswissmap-go1.24.3",
    "symbols-arm64-go1.21.13",
    "symbols-arm64-go1.26.6",
];

/// The layout of a program's debug information, and that of the table for a build like it.
fn both(program: &str) -> (Layout, Layout) {
    let bytes = MappedFile::open(&fixture(program)).unwrap();
    let elf = ElfImage::parse(&bytes).unwrap();
    let version = GoVersion::parse(&BuildInfo::read(&elf).unwrap().version).unwrap();
    let written = DebugInfo::read(&elf).unwrap().layout().unwrap();
    let arch = if program.contains("arm64") { Arch::Arm64 } else { Arch::Amd64 };
    let table = resolve(&version, arch, &DebugInfo::default()).unwrap();
    assert_eq!((elf.arch, table.caution), (arch, None), "{program}");
    (written, table.layout)
}

/// Of `ours`, what `theirs` says otherwise; and how much it says at all.
fn differences<V: PartialEq + std::fmt::Debug>(
    ours: &BTreeMap<String, V>,
    theirs: &BTreeMap<String, V>,
) -> (usize, Vec<String>) {
    let in_both: Vec<_> =
        ours.iter().filter_map(|(name, our)| Some((name, our, theirs.get(name)?))).collect();
    let different = in_both.iter().filter(|(_, our, their)| our != their);
    (in_both.len(), different.map(|(name, our, their)| format!("{name}: {our:?}, not {their:?}")).collect())
}

#[test]
fn every_slot_size_and_constant_is_that_of_the_linker() {
    for program in PROGRAMS {
        let (written, table) = both(program);
        let (slots, wrong) = differences(&table.slots, &written.slots);
        assert!(wrong.is_empty() && slots > 600, "{program}: {slots} slots compared: {wrong:#?}");
        let (sizes, wrong) = differences(&table.sizes, &written.sizes);
        assert!(wrong.is_empty() && sizes > 80, "{program}: {sizes} sizes compared: {wrong:#?}");
        let (constants, wrong) = differences(&table.constants, &written.constants);
        assert!(wrong.is_empty() && constants > 60, "{program}: {constants} constants compared: {wrong:#?}");
    }
}

/// A structure that both know has the same fields in both: none is missing in the table, none is too much.
#[test]
fn structures_have_the_fields_that_the_linker_knows() {
    for program in PROGRAMS {
        let (written, table) = both(program);
        let known = |path: &str, other: &Layout| {
            let (structure, _) = path.rsplit_once('.').unwrap();
            other.sizes.get(structure).is_some_and(|size| *size > 0)
        };
        let missing =
            written.slots.keys().filter(|path| known(path, &table) && !table.slots.contains_key(*path));
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new(), "{program}");
        let extra =
            table.slots.keys().filter(|path| known(path, &written) && !written.slots.contains_key(*path));
        assert_eq!(extra.collect::<Vec<_>>(), Vec::<&String>::new(), "{program}");
    }
}
