//! The size classes of Go's allocator: how large the slots of a small object's span are.

/// Bytes of a slot, by class; class 0 stands for large objects. The same in every release since Go 1.17
/// (`runtime/sizeclasses.go`, since Go 1.25 `internal/runtime/gc/sizeclasses.go`).
const SLOT_BYTES: [u64; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384,
    416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072,
    3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568,
    14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
];

/// How many classes there are, that of large objects among them.
pub const CLASSES: usize = SLOT_BYTES.len();

/// Bytes of a slot of class `class`; 0 for the class of large objects and for one that there is not.
pub fn slot_bytes(class: usize) -> u64 {
    SLOT_BYTES.get(class).copied().unwrap_or(0)
}

/// The class whose slots have `bytes`: 0, that of large objects, where none has.
pub fn class_of(bytes: u64) -> u8 {
    let found = SLOT_BYTES.binary_search(&bytes).ok();
    found.and_then(|class| u8::try_from(class).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_and_its_slot_lead_to_each_other() {
        assert!((1..CLASSES).all(|class| usize::from(class_of(slot_bytes(class))) == class));
        assert_eq!((class_of(40_960), class_of(33), slot_bytes(68)), (0, 0, 0));
    }
}
