//! The sizes in which Go allocates small objects.

/// Bytes of each size class (`internal/runtime/gc/sizeclasses.go`, before Go 1.25 `runtime/sizeclasses.go`); class 0
/// is that of large objects.
const SIZES: [u64; 68] = [
    0, 8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384,
    416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072,
    3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728, 10240, 10880, 12288, 13568,
    14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768,
];

/// The number of the size class whose slots have this size; 0 for those of large objects.
pub fn size_class(slot_size: u64) -> u32 {
    let place = SIZES.binary_search(&slot_size).unwrap_or(0);
    u32::try_from(place).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_by_their_size() {
        let classes = [8, 16, 512, 32_768, 40_960, 17].map(size_class);
        assert_eq!(classes, [1, 2, 26, 67, 0, 0]);
    }
}
