//! Modules and type descriptors in memory written here word by word, and in memory of any bytes.

use leakscope_model::Addr;
use leakscope_target::Image;
use proptest::prelude::*;

use crate::layout::{Layout, Slot};
use crate::moduledata::ModuleData;
use crate::type_descriptor::TypeDescriptor;

const BASE: u64 = 0x60_0000;

/// A layout of our own: fields in an order that no release has, so that nothing but the layout can tell.
fn layout() -> Layout {
    let mut layout = Layout::default();
    let words = [
        "next",
        "etext",
        "text",
        "pcHeader",
        "minpc",
        "maxpc",
        "noptrdata",
        "enoptrdata",
        "data",
        "edata",
        "bss",
        "ebss",
        "noptrbss",
        "enoptrbss",
        "types",
        "etypes",
        "rodata",
        "gofunc",
        "gcdata",
        "gcbss",
    ];
    let mut offset = 0;
    let mut field = |path: String, width: u64| {
        layout.slots.insert(path, Slot { offset, width });
        offset += width;
    };
    words.iter().for_each(|name| field(format!("moduledata.{name}"), 8));
    field("moduledata.textsectmap".to_owned(), 24);
    field("moduledata.gcdatamask".to_owned(), 16);
    field("moduledata.gcbssmask".to_owned(), 16);
    layout.sizes.insert("moduledata".to_owned(), offset);
    for (path, offset, width) in [
        ("bitvector.n", 0, 4),
        ("bitvector.bytedata", 8, 8),
        ("abi.Type.Size_", 0, 8),
        ("abi.Type.PtrBytes", 8, 8),
        ("abi.Type.TFlag", 20, 1),
        ("abi.Type.Kind_", 23, 1),
        ("abi.Type.GCData", 32, 8),
        ("abi.Type.Str", 40, 4),
        ("abi.PtrType.Elem", 48, 8),
        ("abi.SliceType.Elem", 48, 8),
    ] {
        layout.slots.insert(path.to_owned(), Slot { offset, width });
    }
    for (name, size) in [("bitvector", 16), ("abi.Type", 48), ("abi.PtrType", 56), ("abi.SliceType", 56)] {
        layout.sizes.insert(name.to_owned(), size);
    }
    layout
}

/// Writes `word` as the field `path` of the structure at `at`.
fn set(memory: &mut [u8], at: usize, path: &str, word: u64) {
    let slot = layout().slot(path).unwrap();
    let start = at + slot.offset as usize;
    memory[start..start + slot.width as usize].copy_from_slice(&word.to_le_bytes()[..slot.width as usize]);
}

/// A module at 0 whose data runs from 0x400 to 0x440 and has the mask 1001_0001 at 0x380, and whose types start at
/// 0x500: `shop.Order` there, and a pointer to it at 0x600.
fn memory() -> Vec<u8> {
    let mut memory = vec![0; 0x800];
    for (path, word) in
        [("data", 0x400), ("edata", 0x440), ("types", 0x500), ("etypes", 0x800), ("text", 0x40)]
    {
        set(&mut memory, 0, &format!("moduledata.{path}"), BASE + word);
    }
    let mask = layout().slot("moduledata.gcdatamask").unwrap().offset as usize;
    set(&mut memory, mask, "bitvector.n", 8);
    set(&mut memory, mask, "bitvector.bytedata", BASE + 0x380);
    memory[0x380] = 0b1001_0001;
    set(&mut memory, 0x500, "abi.Type.Size_", 32);
    set(&mut memory, 0x500, "abi.Type.TFlag", 1 | 2 | 4);
    set(&mut memory, 0x500, "abi.Type.Kind_", 2);
    set(&mut memory, 0x500, "abi.Type.Str", 0x200);
    memory[0x530..0x534].copy_from_slice(&0x220u32.to_le_bytes()); // UncommonType.PkgPath
    memory[0x700..0x70d].copy_from_slice(b"\x01\x0b*shop.Order");
    memory[0x720..0x731].copy_from_slice(b"\x00\x0fexample.io/shop");
    set(&mut memory, 0x600, "abi.Type.Kind_", 22);
    set(&mut memory, 0x600, "abi.PtrType.Elem", BASE + 0x500);
    memory
}

fn read(memory: Vec<u8>) -> (Image, Option<Vec<ModuleData>>) {
    let image = Image::new(Addr::new(BASE), memory);
    let modules = ModuleData::read_all(&image, &layout(), Addr::new(BASE)).ok();
    (image, modules.map(|(modules, _)| modules))
}

#[test]
fn a_modules_ranges_and_mask_come_from_the_slots() {
    let (_, modules) = read(memory());
    let module = &modules.unwrap()[0];
    assert_eq!(module.data.range, Addr::new(BASE + 0x400)..Addr::new(BASE + 0x440));
    assert_eq!(module.data.pointers.pointers().collect::<Vec<_>>(), [0, 4, 7]);
    assert!(module.holds(Addr::new(BASE + 0x438)) && !module.holds(Addr::new(BASE + 0x440)));
}

#[test]
fn a_mask_that_the_runtime_has_not_made_yet_is_made_from_its_program() {
    let mut memory = memory();
    let mask = layout().slot("moduledata.gcdatamask").unwrap().offset as usize;
    set(&mut memory, mask, "bitvector.n", 0);
    set(&mut memory, 0, "moduledata.gcdata", BASE + 0x390);
    memory[0x390..0x395].copy_from_slice(&[2, 0b01, 0x82, 3, 0]); // 01, three times more
    let (_, modules) = read(memory);
    assert_eq!(modules.unwrap()[0].data.pointers.pointers().collect::<Vec<_>>(), [0, 2, 4, 6]);
}

#[test]
fn modules_in_a_circle_end() {
    let mut memory = memory();
    set(&mut memory, 0, "moduledata.next", BASE);
    assert_eq!(read(memory).1.unwrap().len(), 1);
}

#[test]
fn a_type_is_named_with_its_path_and_by_what_it_points_at() {
    let (image, modules) = read(memory());
    let modules = modules.unwrap();
    let name = |at| TypeDescriptor::read(&image, &layout(), &modules, Addr::new(BASE + at)).unwrap().name;
    assert_eq!(name(0x500), "example.io/shop.Order");
    assert_eq!(name(0x600), "*example.io/shop.Order");
}

#[test]
fn a_type_that_points_at_itself_has_a_name_that_ends() {
    let mut memory = memory();
    set(&mut memory, 0x600, "abi.PtrType.Elem", BASE + 0x600);
    let (image, modules) = read(memory);
    let name =
        TypeDescriptor::read(&image, &layout(), &modules.unwrap(), Addr::new(BASE + 0x600)).unwrap().name;
    assert_eq!(name, "*…");
}

proptest! {
    #[test]
    fn no_memory_panics(patches: Vec<(u16, u8)>, at: u16) {
        let mut memory = memory();
        for (at, byte) in patches {
            let at = usize::from(at) % memory.len();
            memory[at] = byte;
        }
        let (image, modules) = read(memory);
        let modules = modules.unwrap_or_default();
        for at in [0x500, 0x600, u64::from(at)] {
            let _ = TypeDescriptor::read(&image, &layout(), &modules, Addr::new(BASE + at));
        }
    }
}
