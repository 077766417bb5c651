//! No bytes in a debug section make the reader panic or run for ever.

use leakscope_goruntime::{DebugInfo, ElfImage};
use leakscope_model::LinkAddr;
use leakscope_target::MappedFile;
use proptest::prelude::*;

use crate::synthetic_elf::elf_with;
use crate::zoo::fixture;

const SECTIONS: [&str; 7] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_addr",
    ".debug_loc",
    ".debug_loclists",
    ".debug_ranges",
    ".debug_rnglists",
];

/// Asks everything that can be asked.
fn exercise(file: &[u8], pcs: impl Iterator<Item = u64>) {
    let Ok(elf) = ElfImage::parse(file) else { return };
    let Ok(debug) = DebugInfo::read(&elf) else { return };
    let _ = (debug.layout(), debug.global_at(LinkAddr::new(8)), debug.type_of_runtime(LinkAddr::new(8)));
    for (id, ty) in debug.types.iter().take(4000) {
        let _ = debug.types.pointer_words(id);
        for offset in [0, 8, ty.size / 2, ty.size, u64::MAX] {
            let _ = (debug.types.pointee_at(id, offset), debug.types.label_at(id, offset));
        }
    }
    for pc in pcs {
        let _ = (debug.locals_at(LinkAddr::new(pc)), debug.captures(LinkAddr::new(pc)));
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(info: Vec<u8>, abbrev: Vec<u8>, lists: Vec<u8>) {
        let mut with_header = vec![0xff, 0, 0, 0, 4, 0, 0, 0, 0, 0, 8];
        with_header[0] = u8::try_from(info.len().min(200)).unwrap() + 7;
        with_header.extend(&info);
        for info in [&info, &with_header] {
            let file = elf_with(&SECTIONS.map(|name| {
                (name, match name { ".debug_info" => &info[..], ".debug_abbrev" => &abbrev, _ => &lists })
            }));
            exercise(&file, 0..16);
        }
    }
}

/// The debug sections of a real program, one unpacked copy of each.
fn real_sections(build: &str) -> Vec<(&'static str, Vec<u8>)> {
    let executable = MappedFile::open(&fixture(build)).unwrap();
    let elf = ElfImage::parse(&executable).unwrap();
    let unpacked = SECTIONS.iter().map(|name| (*name, elf.section(name).unwrap_or_default().into_owned()));
    unpacked.collect()
}

#[test]
fn real_sections_with_wrong_bytes_do_not_panic() {
    for build in ["zoo-go1.24.3", "zoo-go1.26.6"] {
        let sections = real_sections(build);
        let patches = prop::collection::vec((0usize..7, any::<prop::sample::Index>(), any::<u8>()), 1..40);
        let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(patches in patches)| {
            let mut sections = sections.clone();
            for (section, at, byte) in patches {
                let bytes = &mut sections[section].1;
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            let borrowed: Vec<(&str, &[u8])> =
                sections.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
            exercise(&elf_with(&borrowed), (0x40_1000..0x4a_0000).step_by(0x1000));
        });
    }
}

#[test]
fn sections_of_a_synthetic_file_read_like_those_of_the_real_one() {
    let sections = real_sections("zoo-go1.26.6");
    let borrowed: Vec<(&str, &[u8])> = sections.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    let file = elf_with(&borrowed);
    let debug = DebugInfo::read(&ElfImage::parse(&file).unwrap()).unwrap();
    assert!(debug.types.by_name("main.Everything").is_some() && debug.global("main.all").is_some());
}

#[test]
fn a_program_without_debug_information_has_none() {
    let file = elf_with(&[(".text", b"\xc3")]);
    let debug = DebugInfo::read(&ElfImage::parse(&file).unwrap()).unwrap();
    assert!(debug.is_empty() && debug.layout().is_none() && debug.globals().is_empty());
}

#[test]
fn a_section_that_does_not_unpack_is_an_error_that_names_it() {
    let file = elf_with(&[(".zdebug_info", b"ZLIB\0\0\0\0\0\0\0\x10not zlib")]);
    let error = DebugInfo::read(&ElfImage::parse(&file).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "section .debug_info at offset 0x0: it does not unpack");
}
