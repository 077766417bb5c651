//! Type descriptors of any bytes, with a layout like that of Go 1.26: read, and everything asked of the types that
//! come of them, without a panic.
#![no_main]

use std::sync::Arc;

use leakscope_goruntime::{DescribedTypes, Layout, Slot};
use leakscope_model::Addr;
use leakscope_target::Image;
use libfuzzer_sys::fuzz_target;

const BASE: u64 = 0x1_0000;
const SLOTS: [(&str, u64, u64); 26] = [
    ("abi.Type.Size_", 0, 8),
    ("abi.Type.PtrBytes", 8, 8),
    ("abi.Type.TFlag", 20, 1),
    ("abi.Type.Align_", 21, 1),
    ("abi.Type.Kind_", 23, 1),
    ("abi.Type.GCData", 32, 8),
    ("abi.Type.Str", 40, 4),
    ("abi.PtrType.Elem", 48, 8),
    ("abi.SliceType.Elem", 48, 8),
    ("abi.ArrayType.Elem", 48, 8),
    ("abi.ArrayType.Len", 64, 8),
    ("abi.ChanType.Elem", 48, 8),
    ("abi.ChanType.Dir", 56, 8),
    ("abi.FuncType.InCount", 48, 2),
    ("abi.FuncType.OutCount", 50, 2),
    ("abi.MapType.Key", 48, 8),
    ("abi.MapType.Elem", 56, 8),
    ("abi.MapType.Group", 64, 8),
    ("abi.StructType.PkgPath", 48, 8),
    ("abi.StructType.Fields", 56, 24),
    ("abi.StructField.Name", 0, 8),
    ("abi.StructField.Typ", 8, 8),
    ("abi.StructField.Offset", 16, 8),
    ("abi.InterfaceType.Methods", 56, 24),
    ("maps.Map.dirPtr", 16, 8),
    ("maps.table.groups", 16, 16),
];
const SIZES: [(&str, u64); 15] = [
    ("abi.Type", 48),
    ("abi.PtrType", 56),
    ("abi.SliceType", 56),
    ("abi.ArrayType", 72),
    ("abi.ChanType", 64),
    ("abi.FuncType", 56),
    ("abi.MapType", 104),
    ("abi.StructType", 80),
    ("abi.StructField", 24),
    ("abi.InterfaceType", 80),
    ("abi.UncommonType", 16),
    ("maps.Map", 48),
    ("maps.table", 32),
    ("maps.groupsReference", 16),
    ("hchan", 104),
];

fuzz_target!(|bytes: &[u8]| {
    let slot = |(path, offset, width): (&str, u64, u64)| (path.to_owned(), Slot { offset, width });
    let layout = Layout {
        slots: SLOTS.into_iter().map(slot).collect(),
        sizes: SIZES.into_iter().map(|(name, size)| (name.to_owned(), size)).collect(),
        ..Layout::default()
    };
    let memory = Image::new(Addr::new(BASE), bytes.to_vec());
    let wanted = (0..bytes.len() as u64).step_by(8).take(1000).map(|at| Addr::new(BASE + at));
    let read = DescribedTypes::read(&memory, &layout, &[], &Arc::default(), &|_| None, wanted);
    for (id, ty) in read.types().iter().take(1000) {
        assert!(read.types().pointer_words(id).iter().all(|word| word.offset + 8 <= ty.size));
        for offset in [0, 8, ty.size, u64::MAX] {
            let _ = (read.types().pointee_at(id, offset), read.types().label_at(id, offset));
        }
    }
});
