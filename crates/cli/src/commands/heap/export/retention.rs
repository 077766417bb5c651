//! The heap as a pprof profile: stacks are ways from roots.

use std::io::Write;

use anyhow::{Context, Result};
use leakscope_heap::{Group, Heap, groups};
use leakscope_model::{PathStep, Target, Via};
use leakscope_pprof::ProfileBuilder;

/// Writes one sample for all objects that hang on a root in one way.
pub(super) fn write(heap: &Heap, target: &Target, out: &mut dyn Write) -> Result<()> {
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(0);
    let mut builder = ProfileBuilder::new(&[("inuse_objects", "count"), ("inuse_space", "bytes")], now);
    builder.comment(
        "retention profile of leakscope: a stack is the way from a root to the objects, not a call stack",
    );
    builder.comment(&format!("{} {}", target.exe, target.build_id));
    for group in groups::single(heap) {
        let stack = stack(&group);
        let values =
            [group.after.objects, group.after.bytes].map(|value| i64::try_from(value).unwrap_or(i64::MAX));
        let root = stack.last().cloned().unwrap_or_default();
        builder.add(stack.iter().map(String::as_str), &values, &[("type", &group.ty), ("root", &root)]);
    }
    let packed = builder.finish().context("packing the profile")?;
    out.write_all(&packed).context("writing the profile")
}

/// Innermost first; inner pieces of a container stand above it.
fn stack(group: &Group) -> Vec<String> {
    let mut stack: Vec<String> = group.path.iter().map(frame).collect();
    if group.inside && group.path.last().is_some_and(|last| last.ty != group.ty) {
        stack.push(group.ty.clone());
    }
    stack.reverse();
    stack
}

/// `main.svc main.Service`, `.orders map<string,*main.Order>`, `[…] main.Order`.
fn frame(step: &PathStep) -> String {
    let dot = if step.via == Via::Field && !step.name.starts_with(['.', '[']) { "." } else { "" };
    format!("{dot}{} {}", step.name, step.ty).trim_end().to_owned()
}
