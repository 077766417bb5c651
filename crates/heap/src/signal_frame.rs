//! Where a thread was when a signal interrupted it: the kernel writes its registers on the signal stack before the
//! handler runs there.
//!
//! Authority: `struct ucontext` and `struct sigcontext` of the kernel for each processor, as in
//! `runtime/defs_linux_amd64.go` and `runtime/defs_linux_arm64.go`; `runtime/signal_unix.go` (`signalstack`).

use leakscope_goruntime::Arch;
use leakscope_model::Addr;
use leakscope_target::{TargetMemory, ThreadRegisters};

use crate::fields::word_at;

/// The largest signal stack that is believed, in bytes; Go's have 32 KB.
const LARGEST: u64 = 1 << 20;

/// Offsets in `ucontext`, in bytes.
const UC_LINK: usize = 8;
const UC_STACK_BASE: usize = 16;
const UC_STACK_SIZE: usize = 32;

/// Where a processor's `ucontext` has the registers, in bytes from its start.
struct SavedRegisters {
    first: usize,
    count: usize,
    fp: usize,
    sp: usize,
    pc: usize,
}

impl SavedRegisters {
    fn of(arch: Arch) -> SavedRegisters {
        match arch {
            Arch::Amd64 => SavedRegisters { first: 40, count: 15, fp: 120, sp: 160, pc: 168 },
            Arch::Arm64 => SavedRegisters { first: 184, count: 31, fp: 416, sp: 432, pc: 440 },
        }
    }
}

/// The registers of thread `now` before the signal that it handles; `None` where it does not stand on the signal
/// stack from `low` up to `high`.
pub(crate) fn interrupted(
    memory: &dyn TargetMemory,
    arch: Arch,
    (low, high): (u64, u64),
    now: &ThreadRegisters,
) -> Option<ThreadRegisters> {
    if !(low <= now.sp && now.sp < high && high - low <= LARGEST) {
        return None;
    }
    let mut used = vec![0; usize::try_from(high - now.sp).ok()?];
    memory.read_exact(Addr::new(now.sp), &mut used).ok()?;
    // The one that interrupted the thread lies highest; a signal within the handler comes below it.
    let places = (0..used.len()).step_by(8).rev();
    let context = places.filter_map(|at| used.get(at..)).find(|context| {
        word_at(context, UC_STACK_BASE) == low
            && word_at(context, UC_STACK_SIZE) == high - low
            && word_at(context, UC_LINK) == 0
    })?;
    let saved = SavedRegisters::of(arch);
    context.get(..saved.pc + 8)?;
    Some(ThreadRegisters {
        tid: now.tid,
        pc: word_at(context, saved.pc),
        sp: word_at(context, saved.sp),
        fp: word_at(context, saved.fp),
        general: (0..saved.count).map(|index| word_at(context, saved.first + 8 * index)).collect(),
        kernel: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use leakscope_target::Image;
    use proptest::prelude::*;

    const LOW: u64 = 0x5000;

    /// A signal stack of 4 KB with a frame whose `ucontext` lies at 0xc00.
    fn image(words: &[(usize, u64)]) -> Image {
        let mut bytes = vec![0; 0x1000];
        let stack = [(16, LOW), (32, 0x1000)];
        for &(offset, word) in stack.iter().chain(words) {
            bytes[0xc00 + offset..0xc00 + offset + 8].copy_from_slice(&word.to_le_bytes());
        }
        Image::new(Addr::new(LOW), bytes)
    }

    fn at(sp: u64) -> ThreadRegisters {
        ThreadRegisters { tid: 7, sp, ..ThreadRegisters::default() }
    }

    #[test]
    fn registers_stand_where_each_processor_has_them() {
        let image = image(&[(40, 8), (160, 0xbeef), (168, 0x4010), (184, 1), (432, 0xf00d), (440, 0x1230)]);
        let before = |arch| interrupted(&image, arch, (LOW, LOW + 0x1000), &at(LOW + 0x800)).unwrap();
        let amd64 = before(Arch::Amd64);
        assert_eq!((amd64.pc, amd64.sp, amd64.general[0], amd64.general.len()), (0x4010, 0xbeef, 8, 15));
        let arm64 = before(Arch::Arm64);
        assert_eq!((arm64.pc, arm64.sp, arm64.general[0], arm64.general.len()), (0x1230, 0xf00d, 1, 31));
    }

    #[test]
    fn a_thread_elsewhere_handles_no_signal() {
        let stack = (LOW, LOW + 0x1000);
        assert_eq!(interrupted(&image(&[]), Arch::Amd64, stack, &at(LOW + 0x1000)), None);
        assert_eq!(interrupted(&image(&[]), Arch::Amd64, stack, &at(LOW + 0xd00)), None, "below its frame");
        assert_eq!(interrupted(&image(&[]), Arch::Amd64, (0, u64::MAX), &at(LOW)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..900), low in 0u64..2000, size in 0u64..2000) {
            let image = Image::new(Addr::new(LOW), bytes);
            let low = LOW + low;
            for arch in [Arch::Amd64, Arch::Arm64] {
                let _ = interrupted(&image, arch, (low, low + size), &at(low + size / 2));
            }
        }
    }
}
