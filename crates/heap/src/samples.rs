//! Sampled objects and where they were allocated: the records of the memory profile (`runtime/mprof.go`), found
//! from the objects.

use hashbrown::HashMap;
use leakscope_goruntime::{Layout, Runtime, Slot};
use leakscope_model::{Addr, Frame, Gap};
use leakscope_target::TargetMemory;

use crate::error::HeapError;
use crate::fields::{SliceHead, read_slot, read_words};
use crate::graph::{ObjectId, Objects};
use crate::specials::SpanSpecial;

/// The deepest stack that a profile keeps (`runtime.maxProfStackDepth`).
const MAX_DEPTH: u64 = 1024;

/// Sampled objects with their stacks.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// `(object, index into stacks)`, in order of object.
    pub(crate) objects: Vec<(ObjectId, u32)>,
    /// Innermost frame first.
    pub(crate) stacks: Vec<Vec<Frame>>,
    /// The program counters of each stack, innermost first: where its calls return to.
    pub(crate) returns: Vec<Vec<Addr>>,
}

/// Reads the stack of every sampled object in `specials`.
pub(crate) fn read(
    memory: &dyn TargetMemory,
    runtime: &Runtime<'_>,
    objects: &Objects,
    specials: &[SpanSpecial],
    gaps: &mut Vec<Gap>,
) -> Samples {
    let mut samples = Samples::default();
    let Some(layout) = ProfileLayout::of(&runtime.layout) else { return samples };
    let mut buckets: HashMap<Addr, Option<u32>> = HashMap::new();
    for special in specials.iter().filter(|special| special.kind == Some("profile")) {
        let Some((object, _)) = objects.find(special.inside) else { continue };
        let bucket = read_slot(memory, special.at, layout.bucket, "specialprofile.b").map(Addr::new);
        let stack = bucket.and_then(|bucket| match buckets.get(&bucket) {
            Some(&known) => Ok(known),
            None => {
                let read = stack_of(memory, runtime, &layout, bucket);
                let index = u32::try_from(samples.stacks.len()).ok().filter(|_| read.is_ok());
                buckets.insert(bucket, index);
                let (pcs, frames) = read?;
                samples.returns.push(pcs);
                samples.stacks.push(frames);
                Ok(index)
            }
        });
        match stack {
            Ok(stack) => samples.objects.extend(stack.map(|stack| (object, stack))),
            Err(err) => gaps.push(Gap::new("heap", format!("allocation stack of a sample: {err}"))),
        }
    }
    samples.objects.sort_unstable();
    samples
}

struct ProfileLayout {
    bucket: Slot,
    depth: Slot,
    /// The program counters follow the bucket (`bucket.stk`).
    bucket_bytes: u64,
}

impl ProfileLayout {
    fn of(layout: &Layout) -> Option<ProfileLayout> {
        Some(ProfileLayout {
            bucket: Slot { width: 8, ..layout.slot("specialprofile.b")? },
            depth: layout.slot("bucket.nstk")?,
            bucket_bytes: layout.size("bucket")?,
        })
    }
}

/// The profile notes a program counter for each logical frame, inlined ones too (`tracebackPCs`), so each stands
/// for its innermost frame only.
fn stack_of(
    memory: &dyn TargetMemory,
    runtime: &Runtime<'_>,
    layout: &ProfileLayout,
    bucket: Addr,
) -> Result<(Vec<Addr>, Vec<Frame>), HeapError> {
    let len = read_slot(memory, bucket, layout.depth, "bucket.nstk")?;
    if len > MAX_DEPTH {
        return Err(HeapError::Torn { what: "bucket", at: bucket, why: format!("a stack of {len} frames") });
    }
    let data = Addr::new(bucket.get().wrapping_add(layout.bucket_bytes));
    let pcs = read_words(memory, SliceHead { data, len }, "bucket.stk")?;
    let pcs: Vec<Addr> = pcs.into_iter().map(Addr::new).collect();
    let frames = pcs.iter().filter_map(|pc| runtime.frames_returning_to(*pc).into_iter().next()).collect();
    Ok((pcs, frames))
}
