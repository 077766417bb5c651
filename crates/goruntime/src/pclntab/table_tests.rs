//! A table written here byte by byte, from the comments of `runtime/symtab.go` and `cmd/link/internal/ld/pcln.go`,
//! and the same table with bytes changed at random.

use leakscope_model::LinkAddr;
use proptest::prelude::*;

use super::*;
use crate::elf::Segment;

const TABLE: u64 = 0x50_0000;
const GOFUNC: u64 = 0x51_0000;
const RODATA: u64 = 0x52_0000;
const TEXT: u64 = 0x40_1000;

fn words(of: &[u32]) -> Vec<u8> {
    of.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// `main.outer` at 0x00..0x40 with `main.inner` inlined at 0x10..0x20, `runtime.systemstack_switch` at 0x40..0x48,
/// and the wrapper `main.(*T).Close` at 0x48..0x50.
fn pclntab() -> Vec<u8> {
    let names = b"main.outer\0main.inner[go.shape.int]\0runtime.systemstack_switch\0main.(*T).Close\0";
    let files = b"/src/a.go\0/src/b.go\0";
    // Each table: deltas of value (zigzag) and of code; the value starts at -1. Offset 0 means no table.
    let pctab: [&[u8]; 6] = [
        &[0],                                     // nothing
        &[0x02, 0x04, 0x30, 0x3c, 0],             // 1: depth 0 for 4 bytes, 24 for 60
        &[0x02, 0x10, 0x02, 0x10, 0x01, 0x20, 0], // 6: file 0, file 1, file 0
        &[0x16, 0x10, 0x5a, 0x10, 0x57, 0x20, 0], // 13: line 10, 55, 11
        &[0x00, 0x10, 0x02, 0x10, 0x01, 0x20, 0], // 20: inline index -1, 0, -1
        &[0x00, 0x14, 0x04, 0x2c, 0],             // 27: stack map -1 for 20 bytes, then 1
    ];
    let func = |offset: u32, name: u32, id: u8, tables: [u32; 3], pcdata: &[u32], funcdata: &[u32]| {
        let [pcsp, pcfile, pcln] = tables;
        let mut record = words(&[offset, name, 16, 0, pcsp, pcfile, pcln, pcdata.len() as u32, 0, 7]);
        record.extend([id, 0, 0, funcdata.len() as u8]);
        record.extend(words(pcdata));
        record.extend(words(funcdata));
        record
    };
    let outer = func(0, 0, 0, [1, 6, 13], &[0, 27, 20], &[0x20, 0x40, 0x60, 0x00]);
    let switch = func(0x40, 36, 21, [0, 0, 0], &[], &[]);
    let wrapper = func(0x48, 63, 22, [0, 0, 0], &[], &[]);
    let first = 3 * 8 + 4;
    let starts = [first, first + outer.len() as u32, first + (outer.len() + switch.len()) as u32];
    let mut records = words(&[0, starts[0], 0x40, starts[1], 0x48, starts[2], 0x50]);
    records.extend([outer, switch, wrapper].concat());

    let cutab = words(&[0, 10]);
    let parts = [names.to_vec(), cutab, files.to_vec(), pctab.concat(), records];
    let mut table = words(&[0xffff_fff1]);
    table.extend([0, 0, 1, 8]);
    let mut header = vec![3u64, 2, 0];
    let mut offset = 72;
    for part in &parts {
        header.push(offset);
        offset += part.len() as u64;
    }
    table.extend(header.iter().flat_map(|word| word.to_le_bytes()));
    parts.iter().for_each(|part| table.extend(part));
    table
}

/// Behind `gofunc`: the inline tree, the maps of arguments and locals, the list of stack objects.
fn function_data() -> Vec<u8> {
    let mut data = words(&[0, 11, 0x05, 50]); // funcID, nameOff, parentPc, startLine
    data.resize(0x20, 0);
    data.extend(words(&[2, 2]));
    data.extend([0b01, 0b11]);
    data.resize(0x40, 0);
    data.extend(words(&[2, 3]));
    data.extend([0b000, 0b101]);
    data.resize(0x60, 0);
    data.extend(1u64.to_le_bytes());
    data.extend(words(&[(-24i32).cast_unsigned(), 24, 16, 8])); // off, size, ptrBytes, gcdataoff
    data
}

fn segment(addr: u64, data: &[u8]) -> Segment<'_> {
    let size = data.len() as u64;
    Segment { addr: LinkAddr::new(addr), size, data, file_offset: 0, write: false, execute: false }
}

fn with_table<R>(table: &[u8], data: &[u8], check: impl FnOnce(&FuncTable<'_>) -> R) -> Option<R> {
    let masks = [0, 0, 0, 0, 0, 0, 0, 0, 0b10];
    let segments = [segment(TABLE, table), segment(GOFUNC, data), segment(RODATA, &masks)];
    let place = TextLayout {
        text: LinkAddr::new(TEXT),
        gofunc: Some(LinkAddr::new(GOFUNC)),
        rodata: Some(LinkAddr::new(RODATA)),
        sections: Vec::new(),
    };
    let header = PcHeader::parse(table).ok()?;
    Some(check(&FuncTable::new(header, place, &segments)))
}

fn with_good<R>(check: impl FnOnce(&FuncTable<'_>) -> R) -> R {
    with_table(&pclntab(), &function_data(), check).unwrap()
}

fn pc(offset: u64) -> LinkAddr {
    LinkAddr::new(TEXT + offset)
}

#[test]
fn functions_are_found_by_the_code_that_they_cover() {
    with_good(|table| {
        let name = |offset| table.find(pc(offset)).map(|func| func.name);
        assert_eq!(name(0), Some("main.outer"));
        assert_eq!(name(0x3f), Some("main.outer"));
        assert_eq!(name(0x40), Some("runtime.systemstack_switch"));
        assert_eq!(name(0x50), None, "behind the last function there is none");
        assert_eq!(table.find(LinkAddr::new(TEXT - 1)), None);
        assert_eq!(table.by_name("main.(*T).Close"), Some(pc(0x48)));
        assert_eq!(table.find(pc(0x10)).unwrap().args_size, Some(16));
    });
}

#[test]
fn an_inlined_call_is_a_frame_of_its_own_with_the_callers_line_behind_it() {
    with_good(|table| {
        let frames = table.frames_at(pc(0x12));
        let told: Vec<_> = frames.iter().map(|frame| (frame.to_string(), frame.inlined)).collect();
        let inner = ("main.inner[...] /src/b.go:55".to_owned(), true);
        assert_eq!(told, [inner, ("main.outer /src/a.go:10".to_owned(), false)]);
        assert_eq!(table.frames_at(pc(0x30)), table.frames_returning_to(pc(0x31)));
        assert_eq!(table.frames_at(pc(0x30))[0].line, 11);
    });
}

#[test]
fn a_wrapper_is_shown_only_where_it_panics() {
    with_good(|table| {
        assert_eq!(table.kind_at(pc(0x48)), FuncKind::Wrapper);
        assert_eq!(table.frames_at(pc(0x48)), []);
        let shown = table.frames_calling(pc(0x48), FuncKind::Sigpanic);
        assert_eq!(&*shown[0].function, "main.(*T).Close");
    });
}

#[test]
fn liveness_is_that_of_the_call_before() {
    with_good(|table| {
        let set = |map: Option<Bitmap<'_>>| map.unwrap().pointers().collect::<Vec<_>>();
        let late = table.stack_maps(pc(0x20)).unwrap();
        assert_eq!((set(late.locals), set(late.args)), (vec![0, 2], vec![0, 1]));
        // At 0x14 the call is at 0x13, where the table says -1: map 0 holds.
        let early = table.stack_maps(pc(0x14)).unwrap();
        assert_eq!((set(early.locals), set(early.args)), (vec![], vec![0]));
        let objects = table.stack_objects(&table.find(pc(0)).unwrap()).unwrap();
        assert_eq!((objects[0].offset, objects[0].size), (-24, 24));
        assert_eq!(set(Some(objects[0].pointers.clone())), [1]);
        assert_eq!([0, 4, 0x3f].map(|offset| table.sp_delta(pc(offset))), [Some(0), Some(24), Some(24)]);
    });
}

/// Asks everything of every function.
fn ask_everything(table: &FuncTable<'_>) {
    for func in table.functions().take(64) {
        let _ = table.stack_objects(&func);
        for offset in 0..64 {
            let pc = LinkAddr::new(func.entry.get().wrapping_add(offset));
            let _ = (table.frames_returning_to(pc), table.stack_maps(pc), table.sp_delta(pc));
            let _ = (table.pcdata(PcData::UnsafePoint, pc), table.line_at(pc), table.kind_at(pc));
        }
    }
    let _ = table.by_name("main.outer");
}

proptest! {
    #[test]
    fn a_broken_table_never_panics(patches: Vec<(u16, u8)>, in_data: Vec<(u8, u8)>) {
        let (mut table, mut data) = (pclntab(), function_data());
        for (at, byte) in patches {
            let at = usize::from(at) % table.len();
            table[at] = byte;
        }
        for (at, byte) in in_data {
            let at = usize::from(at) % data.len();
            data[at] = byte;
        }
        with_table(&table, &data, ask_everything);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        with_table(&bytes, &bytes, ask_everything);
        let mut table = pclntab();
        table.truncate(72);
        table.extend(&bytes);
        with_table(&table, &bytes, ask_everything);
    }
}
