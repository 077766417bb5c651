//! Which words of a stack may hold pointers (`runtime/mgcmark.go`, `scanframeworker` and `scanstack`).

use leakscope_goruntime::StackObject;

use super::unwind::{Calling, PhysicalFrame, StackBytes};
use crate::fields::WORD;

/// Words that are looked at where not even the number of arguments is known (`reflect.makeFuncStub`).
const UNKNOWN_ARGS: u64 = 16;

/// One word of a stack that may hold a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LiveWord {
    /// Where it stands.
    pub(crate) slot: u64,
    /// What it holds.
    pub(crate) value: u64,
    /// Index into the frames.
    pub(crate) frame: usize,
    /// Whether no map says that it is a pointer.
    pub(crate) conservative: bool,
}

/// Hands every live word to `visit`: those of the frames, then those of the stack objects that `extra` and they
/// lead to.
pub(crate) fn live_words(
    stack: StackBytes<'_>,
    frames: &[PhysicalFrame<'_>],
    calling: Calling,
    extra: &[u64],
    mut visit: impl FnMut(LiveWord),
) {
    let mut scan = StackScan { stack, pending: Vec::new(), visit: &mut visit };
    scan.pending.extend(extra.iter().filter(|&&word| stack.holds(word)).map(|&word| (word, false)));
    let mut objects = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        if frame.conservative {
            scan.conservative_frame(index, frame);
        } else if !frame.facts.dead {
            scan.mapped_frame(index, frame, calling);
            objects.extend(frame_objects(index, frame));
        }
    }
    scan.objects(&mut objects);
}

/// A stack object where it lies.
struct Placed<'f, 'b> {
    start: u64,
    frame: usize,
    object: &'f StackObject<'b>,
    seen: bool,
}

fn frame_objects<'f, 'b>(
    index: usize,
    frame: &'f PhysicalFrame<'b>,
) -> impl Iterator<Item = Placed<'f, 'b>> + 'f {
    frame.facts.objects.iter().filter_map(move |object| {
        let base = if object.offset < 0 { frame.varp } else { frame.argp };
        let start = base.checked_add_signed(i64::from(object.offset))?;
        (start >= frame.sp).then_some(Placed { start, frame: index, object, seen: false })
    })
}

struct StackScan<'s, 'v> {
    stack: StackBytes<'s>,
    /// Words that point into the stack and were not followed yet, and whether they may be no pointers.
    pending: Vec<(u64, bool)>,
    visit: &'v mut dyn FnMut(LiveWord),
}

impl StackScan<'_, '_> {
    fn word(&mut self, slot: u64, frame: usize, conservative: bool) {
        let Some(value) = self.stack.word(slot).filter(|&value| value != 0) else { return };
        if self.stack.holds(value) {
            self.pending.push((value, conservative));
        } else {
            (self.visit)(LiveWord { slot, value, frame, conservative });
        }
    }

    fn range(&mut self, start: u64, end: u64, frame: usize) {
        let mut slot = start;
        while slot < end.min(self.stack.end()) {
            self.word(slot, frame, true);
            slot += WORD;
        }
    }

    /// Every word of the frame, the space for outgoing arguments included, and its arguments.
    fn conservative_frame(&mut self, index: usize, frame: &PhysicalFrame<'_>) {
        self.range(frame.sp, frame.varp, index);
        self.unmapped_args(index, frame);
    }

    fn unmapped_args(&mut self, index: usize, frame: &PhysicalFrame<'_>) {
        let bytes = frame.facts.func.args_size.map_or(UNKNOWN_ARGS * WORD, u64::from);
        self.range(frame.argp, frame.argp.saturating_add(bytes), index);
    }

    fn mapped_frame(&mut self, index: usize, frame: &PhysicalFrame<'_>, calling: Calling) {
        match &frame.facts.locals {
            Some((live, words)) => {
                let lowest = frame.varp.saturating_sub(u64::from(*words) * WORD);
                live.iter().for_each(|&word| self.word(lowest + u64::from(word) * WORD, index, false));
            }
            None if frame.varp.saturating_sub(frame.sp) > calling.no_locals => {
                self.range(frame.sp, frame.varp, index);
            }
            None => {}
        }
        match &frame.facts.args {
            Some(live) => {
                live.iter().for_each(|&word| self.word(frame.argp + u64::from(word) * WORD, index, false));
            }
            None => self.unmapped_args(index, frame),
        }
    }

    /// Follows pointers into the stack: objects that they lead to are live.
    fn objects(&mut self, objects: &mut [Placed<'_, '_>]) {
        objects.sort_by_key(|placed| placed.start);
        while let Some((pointer, conservative)) = self.pending.pop() {
            let behind = objects.partition_point(|placed| placed.start <= pointer);
            let Some(placed) = behind.checked_sub(1).and_then(|index| objects.get_mut(index)) else {
                continue;
            };
            if placed.seen || pointer - placed.start >= u64::from(placed.object.size) {
                continue;
            }
            placed.seen = true;
            for word in placed.object.pointers.pointers() {
                self.word(placed.start.saturating_add(word as u64 * WORD), placed.frame, conservative);
            }
        }
    }
}
