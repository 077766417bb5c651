//! Cores written here byte by byte: every corner that real ones reach only by accident.
//!
//! The writer below knows nothing of the code under test: offsets are literal, from `elf(5)`.
#![allow(clippy::unwrap_used, reason = "tests end where a core that must open does not")]

use std::path::Path;

use leakscope_model::Addr;
use leakscope_target::core_file::{MissingBecause, MissingRange};
use leakscope_target::{CoreFile, FileBytes, Machine, TargetError, TargetMemory};
use proptest::prelude::*;

/// One program header and its contents.
struct Part {
    kind: u32,
    flags: u32,
    vaddr: u64,
    memsz: u64,
    contents: Vec<u8>,
}

fn load(flags: u32, vaddr: u64, memsz: u64, contents: &[u8]) -> Part {
    Part { kind: 1, flags, vaddr, memsz, contents: contents.to_vec() }
}

/// An ELF file: header, program headers, then the contents in order.
fn elf(kind: u16, machine: u16, entry: u64, parts: &[Part]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([kind, machine].map(u16::to_le_bytes).concat());
    file.extend(1u32.to_le_bytes());
    file.extend([entry, 64, 0].map(u64::to_le_bytes).concat());
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, parts.len() as u16, 64, 0, 0].map(u16::to_le_bytes).concat());
    let mut offset = 64 + 56 * parts.len() as u64;
    for part in parts {
        let len = part.contents.len() as u64;
        file.extend([part.kind, part.flags].map(u32::to_le_bytes).concat());
        file.extend([offset, part.vaddr, 0, len, part.memsz, 1].map(u64::to_le_bytes).concat());
        offset += len;
    }
    parts.iter().for_each(|part| file.extend(&part.contents));
    file
}

fn note(owner: &str, kind: u32, desc: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    let owner_len = if owner.is_empty() { 0 } else { owner.len() as u32 + 1 };
    note.extend([owner_len, desc.len() as u32, kind].map(u32::to_le_bytes).concat());
    note.extend(owner.as_bytes());
    note.resize(12 + owner_len as usize, 0);
    note.resize(note.len().next_multiple_of(4), 0);
    note.extend(desc);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

fn notes(of: &[Vec<u8>]) -> Part {
    Part { kind: 4, flags: 0, vaddr: 0, memsz: 0, contents: of.concat() }
}

fn words(of: &[u64]) -> Vec<u8> {
    of.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn open(bytes: Vec<u8>) -> CoreFile {
    CoreFile::from_bytes(Path::new("svc.core"), bytes.into()).unwrap()
}

fn refusal(bytes: &[u8]) -> String {
    CoreFile::from_bytes(Path::new("svc.core"), bytes.to_vec().into()).unwrap_err().to_string()
}

fn read(core: &CoreFile, addr: u64, len: usize) -> Option<Vec<u8>> {
    let mut buf = vec![0xee; len];
    core.read_exact(Addr::new(addr), &mut buf).ok().map(|()| buf)
}

fn range(start: u64, end: u64, because: MissingBecause) -> MissingRange {
    MissingRange { start: Addr::new(start), end: Addr::new(end), because }
}

const R: u32 = 4;
const RW: u32 = 6;
const RX: u32 = 5;

#[test]
fn a_read_crosses_segments_and_stops_at_a_hole() {
    let core = open(elf(
        4,
        62,
        0,
        &[load(RW, 0x3000, 4, b"wxyz"), load(RW, 0x2000, 0x1000, &[7; 0x1000]), load(RW, 0x3004, 8, b"abcd")],
    ));
    assert_eq!(read(&core, 0x2ffe, 8).unwrap(), b"\x07\x07wxyzab");
    assert_eq!(core.borrow(Addr::new(0x3001), 3).unwrap(), b"xyz");
    assert_eq!(core.borrow(Addr::new(0x3001), 4), None, "two segments lie apart in the file");
    assert_eq!(read(&core, 0x3004, 5), None, "the fifth byte is not in the file");
    assert_eq!(read(&core, 0x1fff, 2), None);
    assert_eq!(read(&core, u64::MAX, 2), None);
    assert_eq!(core.missing(), [range(0x3008, 0x300c, MissingBecause::NotDumped)]);
}

#[test]
fn registers_of_both_processors() {
    let mut desc = vec![0; 112];
    desc[32..36].copy_from_slice(&4242u32.to_le_bytes());
    let numbered = |count: u64| words(&(0..count).map(|index| 0x1000 + index).collect::<Vec<_>>());
    // struct user_regs_struct: rbp is word 4, rip 16, rsp 19; struct user_pt_regs: x29, sp 31, pc 32.
    for (machine, count, pc, sp, fp, general) in
        [(62, 27, 0x1010, 0x1013, 0x1004, 15), (183, 34, 0x1020, 0x101f, 0x101d, 31)]
    {
        let status = [desc.clone(), numbered(count)].concat();
        let core =
            open(elf(4, machine, 0, &[notes(&[note("CORE", 1, &status), note("LINUX", 1, b"other")])]));
        let [thread] = core.threads() else { panic!("one thread: {:?}", core.threads()) };
        assert_eq!((thread.tid, thread.pc, thread.sp, thread.fp), (4242, pc, sp, fp));
        assert_eq!(thread.general.len(), general);
    }
}

#[test]
fn delves_own_notes() {
    let header = b"linux/arm64\nVersion: 1.27.2\nTarget Pid: 977\nEntry Point: 0x7b2e0\n";
    let mut thread = words(&[978, 0x11, 0x22, 0x33, 0x44]);
    thread.push(1);
    thread.extend(words(&[0x4000]));
    thread.extend(2u32.to_le_bytes());
    for (name, value) in [("X0", words(&[0x55])), ("V0", vec![9; 16])] {
        thread.extend((name.len() as u16).to_le_bytes());
        thread.extend(name.as_bytes());
        thread.extend((value.len() as u16).to_le_bytes());
        thread.extend(value);
    }
    let parts = [notes(&[note("Delve Header", 0x444c_5645, header), note("", 0x444c_5654, &thread)])];
    let core = open(elf(4, 183, 0, &parts));
    assert_eq!(core.machine(), Machine::Arm64);
    assert_eq!(core.process().unwrap().pid, 977);
    let [thread] = core.threads() else { panic!("one thread: {:?}", core.threads()) };
    assert_eq!((thread.tid, thread.pc, thread.sp, thread.fp), (978, 0x11, 0x22, 0x33));
    assert_eq!(thread.general, [0x55]);
}

/// A core as the kernel writes it: the first page of text, none of the read-only data, all that was written.
fn kernel_core() -> Vec<u8> {
    let mut files = words(&[2, 0x1000, 0x40_0000, 0x40_2000, 0, 0x40_2000, 0x40_3000, 2]);
    files.extend(b"/srv/app\0/srv/app\0");
    let auxv = words(&[9, 0x40_1010, 33, 0x7000, 0, 0]);
    let segments = [
        notes(&[note("CORE", 6, &auxv), note("CORE", 0x4649_4c45, &files)]),
        load(RX, 0x40_0000, 0x2000, &[0xaa; 0x1000]),
        load(R, 0x40_2000, 0x1000, b""),
        load(RW, 0x40_3000, 0x10, &[0xbb; 0x10]),
        load(RX, 0x7000, 0x10, &[0xcc; 0x10]),
    ];
    elf(4, 62, 0, &segments)
}

/// The executable of [`kernel_core`]; its data segment differs from what the process made of it.
fn app() -> Vec<u8> {
    let text = [vec![0xaa; 0x1000], vec![0x90; 0x1000]].concat();
    let data = load(RW, 0x40_3000, 0x20, &[0; 0x20]);
    let segments = [load(RX, 0x40_0000, 0x2000, &text), load(R, 0x40_2000, 0x1000, &[0x11; 0x1000]), data];
    elf(2, 62, 0x40_1010, &segments)
}

#[test]
fn the_executable_stands_in_for_pages_that_no_kernel_dumps() {
    let core = open(kernel_core());
    assert_eq!(core.executable_hint().unwrap(), Path::new("/srv/app"));
    assert_eq!(read(&core, 0x40_1000, 1), None, "not zeros");
    let missing: Vec<u64> = core.missing().iter().map(MissingRange::len).collect();
    assert_eq!(missing, [0x1000, 0x1000]);
    let named: Vec<(&str, u64)> = core.mappings().iter().map(|m| (m.path.as_str(), m.offset)).collect();
    assert_eq!(named, [("[vdso]", 0), ("/srv/app", 0), ("/srv/app", 0x2000), ("", 0)]);

    let core = core.with_executable(Path::new("/srv/app"), app().into()).unwrap();
    assert_eq!(read(&core, 0x40_0ffe, 4).unwrap(), [0xaa, 0xaa, 0x90, 0x90]);
    assert_eq!(core.borrow(Addr::new(0x40_0ffe), 4).unwrap(), [0xaa, 0xaa, 0x90, 0x90]);
    assert_eq!(read(&core, 0x40_2000, 2).unwrap(), [0x11, 0x11]);
    assert_eq!(read(&core, 0x40_3000, 1).unwrap(), [0xbb]);
    assert_eq!(read(&core, 0x40_3010, 1), None, "what may have been written is never taken from the file");
    assert_eq!(core.missing(), []);
    assert_eq!(core.gaps()[0].reason, "svc.core: no build ID to compare with the executable's");
}

#[test]
fn libraries_are_no_gap() {
    let mut files = words(&[2, 0x1000, 0x40_0000, 0x40_2000, 0, 0x50_0000, 0x50_1000, 0]);
    files.extend(b"/srv/app\0/lib/ld.so\0");
    let auxv = words(&[9, 0x40_1010, 0, 0]);
    let notes = notes(&[note("CORE", 6, &auxv), note("CORE", 0x4649_4c45, &files)]);
    let core =
        open(elf(4, 62, 0, &[notes, load(RX, 0x40_0000, 0x2000, b""), load(RX, 0x50_0000, 0x1000, b"")]));
    let said = "svc.core: 12288 bytes in 2 ranges from 0x400000 on are missing: ";
    assert!(core.gaps()[0].reason.starts_with(said), "{:?}", core.gaps());
    let core = core.with_executable(Path::new("/srv/app"), app().into()).unwrap();
    assert_eq!(core.missing(), [range(0x50_0000, 0x50_1000, MissingBecause::NotDumped)]);
    assert_eq!(core.gaps().len(), 1, "only the build ID could not be compared");
}

#[test]
fn another_build_is_refused() {
    let other = elf(2, 62, 0x40_1020, &[load(RX, 0x40_0000, 0x2000, &[0; 0x2000])]);
    let err = open(kernel_core()).with_executable(Path::new("/srv/app.new"), other.into()).unwrap_err();
    assert!(matches!(err, TargetError::OtherBuild { .. }));
    assert_eq!(
        err.to_string(),
        "svc.core: taken of another build than /srv/app.new: the core has entry point 0x401010, \
         the executable entry point 0x401020; name the right one"
    );
    let arm = elf(2, 183, 0x40_1010, &[load(RX, 0x40_0000, 0x2000, &[0; 0x2000])]);
    let err = open(kernel_core()).with_executable(Path::new("app"), arm.into()).unwrap_err();
    assert!(err.to_string().contains("app: it is of Arm64, the core of Amd64"), "{err}");
}

#[test]
fn what_is_no_core_says_what_it_is() {
    assert_eq!(
        refusal(b"hello"),
        "svc.core: no ELF magic, so this is not a core at offset 0x0; \
         name a file written by the kernel, gcore or `dlv`'s dump"
    );
    assert_eq!(
        refusal(b""),
        "svc.core: the file is empty at offset 0x0; dump the process again and check that the disk is not full"
    );
    assert!(refusal(b"\x28\xb5\x2f\xfd").contains("unpack it with `zstd -d`"));
    assert!(
        refusal(&elf(2, 62, 0, &[load(R, 0, 1, b"x")])).contains("an executable or a library, not a core")
    );
    assert!(
        refusal(&elf(4, 243, 0, &[load(R, 0, 1, b"x")]))
            .contains("it is of a riscv64 processor at offset 0x12")
    );
    assert!(refusal(&elf(4, 62, 0, &[])[..40]).contains("the ELF header is cut off: the file has 40 bytes"));
}

#[test]
fn a_dump_without_headers_says_so() {
    let unfinished = elf(4, 62, 0, &[]);
    assert!(
        refusal(&unfinished)
            .contains("the file was never finished: its program headers are missing at offset 0x40; dump")
    );
    let cut = &elf(4, 62, 0, &[load(RW, 0x1000, 8, &[1; 8])])[..80];
    let said = refusal(cut);
    assert!(
        said.contains(
            "the file is cut off: it ends at 0x50, before its 1 program headers at offset 0x40; dump"
        )
    );
}

#[test]
fn a_core_cut_off_opens_and_lists_what_is_missing() {
    let whole =
        elf(4, 62, 0, &[load(RW, 0x1000, 0x1000, &[1; 0x1000]), load(RW, 0x2000, 0x1000, &[2; 0x1000])]);
    let core = open(whole[..whole.len() - 0x1800].to_vec());
    assert_eq!(read(&core, 0x1000, 0x800).unwrap(), [1; 0x800]);
    assert_eq!(read(&core, 0x1800, 1), None);
    let cut = MissingBecause::CutOff;
    assert_eq!(core.missing(), [range(0x1800, 0x2000, cut), range(0x2000, 0x3000, cut)]);
    assert_eq!(
        core.gaps()[0].reason,
        "svc.core: 6144 bytes in 2 ranges from 0x1800 on are missing: \
         the file is cut off; dump the process again onto a disk with room"
    );
}

/// Nothing that a core's bytes say may make us panic, wherever we ask.
fn exercise(bytes: Vec<u8>) {
    let Ok(core) = CoreFile::from_bytes(Path::new("x"), bytes.into()) else { return };
    let _ = (core.gaps(), core.executable_hint(), core.build_ids(), core.process(), core.threads());
    for mapping in core.mappings().to_vec() {
        for addr in [mapping.start, mapping.end, Addr::new(mapping.end.get().wrapping_sub(3))] {
            assert_eq!(read(&core, addr.get(), 0), Some(Vec::new()));
            let read = read(&core, addr.get(), 6);
            let borrowed = core.borrow(addr, 6).map(<[u8]>::to_vec);
            assert!(borrowed.is_none() || borrowed == read);
        }
    }
    if let Ok(core) = core.with_executable(Path::new("x"), FileBytes::from(app())) {
        let _ = (core.gaps(), core.mappings().len());
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        exercise(bytes);
    }

    #[test]
    fn no_damage_panics(
        damage in prop::collection::vec((0usize..0x400, any::<u8>()), 1..12),
        cut in 0usize..0x1000,
    ) {
        let mut bytes = kernel_core();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut);
        exercise(bytes);
    }

    #[test]
    fn wild_program_headers_do_not_panic(
        rows in prop::collection::vec((0u32..6, 0u32..8, any::<u64>(), any::<u64>(), 0usize..64), 0..8),
    ) {
        let part = |(kind, flags, vaddr, memsz, len)| Part { kind, flags, vaddr, memsz, contents: vec![3; len] };
        exercise(elf(4, 62, 0, &rows.into_iter().map(part).collect::<Vec<_>>()));
    }
}
