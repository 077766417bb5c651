//! Memory and an executable become a heap.

use anyhow::{Context, Result};
use leakscope_goruntime::{Arch, BuildInfo, ElfImage, LayoutOrigin, Runtime};
use leakscope_heap::Heap;
use leakscope_model::{DebugInfoKind, Gap, Target};
use leakscope_target::{BuildIds, Mapping, Residency, TargetMemory, ThreadRegisters};

use super::debug_info::SeparateDebugInfo;
use super::go_image::GoImage;
use super::inspection::{AtHand, Inspection};

/// One moment of a Go program's memory, wherever it comes from.
pub(crate) struct Memory<'m> {
    /// The executable, or the library that is read instead.
    pub(super) image: &'m GoImage,
    /// Its debug information, where that is in a file of its own.
    pub(super) debug: &'m SeparateDebugInfo,
    /// The executable's name, for people.
    pub(crate) name: String,
    /// The process id, where it is known.
    pub(crate) pid: Option<u32>,
    /// The bytes.
    pub(crate) memory: &'m dyn TargetMemory,
    /// What is mapped where.
    pub(crate) mappings: &'m [Mapping],
    /// Registers of each thread.
    pub(crate) threads: &'m [ThreadRegisters],
    /// The process id of a live process.
    pub(crate) live: Option<u32>,
    /// `CLOCK_MONOTONIC` at that moment, in nanoseconds; `None` for a dead process.
    pub(crate) monotonic: Option<u64>,
    /// Which pages are resident, where that was asked for.
    pub(crate) residency: Option<&'m Residency>,
}

/// A heap, whose it is, and what could not be read beside the heap.
#[derive(Debug)]
pub(crate) struct HeapOf {
    /// The heap, analysed.
    pub(crate) heap: Heap,
    /// Whose it is.
    pub(crate) target: Target,
    /// What could not be read of the program.
    pub(crate) gaps: Vec<Gap>,
}

/// Identifies the program, reads its heap, and asks `question` of it while the memory is at hand.
pub(crate) fn heap_of<T>(
    from: &Memory<'_>,
    question: impl FnOnce(&Inspection<'_, '_>) -> Result<T>,
) -> Result<(HeapOf, T)> {
    let own_mappings = from.image.mappings(from.mappings);
    let runtime = Runtime::identify_with(&from.image.bytes, from.debug.bytes(), from.memory, &own_mappings);
    let runtime = runtime.with_context(|| format!("cannot read {} as a Go program", from.name));
    let runtime = runtime.map_err(|error| from.debug.explain(error))?;
    let (memory, mappings, threads) = (from.memory, from.mappings, from.threads);
    let (heap, types) = leakscope_heap::read_with_types(memory, mappings, threads, &runtime, from.monotonic)
        .with_context(|| format!("cannot read the heap of {}", from.name))?;
    let target = target(from, &runtime);
    let at_hand = AtHand {
        memory,
        mappings,
        threads,
        runtime: &runtime,
        types: &types,
        live: from.live,
        residency: from.residency,
    };
    let answer = question(&Inspection::new(&heap, &target, Some(at_hand)))?;
    let mut gaps: Vec<Gap> = runtime.gaps.iter().map(|gap| gap.gap("runtime")).collect();
    gaps.extend(from.debug.gaps());
    let texts: Vec<_> = runtime.modules.iter().map(|module| module.text.start).collect();
    gaps.extend(from.image.unread(&texts));
    Ok((HeapOf { heap, target, gaps }, answer))
}

fn target(from: &Memory<'_>, runtime: &Runtime<'_>) -> Target {
    let ids = BuildIds::of_file(&from.image.bytes).unwrap_or_default();
    Target {
        pid: from.pid,
        exe: from.name.clone(),
        go: runtime.version.to_string(),
        arch: arch_word(runtime.arch).to_owned(),
        build_id: ids.gnu.or(ids.go).unwrap_or_default(),
        debug: match runtime.layout_origin {
            LayoutOrigin::Dwarf if from.debug.bytes().is_some() => DebugInfoKind::Separate,
            LayoutOrigin::Dwarf => DebugInfoKind::Dwarf,
            LayoutOrigin::Table { .. } | LayoutOrigin::NearestTable { .. } => DebugInfoKind::Stripped,
        },
    }
}

/// A target whose executable is known and whose memory was not read.
pub(super) fn target_of_file(name: &str, pid: u32, exe: &[u8]) -> Target {
    let image = ElfImage::parse(exe).ok();
    let ids = BuildIds::of_file(exe).unwrap_or_default();
    let go = image.as_ref().and_then(BuildInfo::read).map(|build| build.version).unwrap_or_default();
    let with_types = image.as_ref().is_some_and(|image| image.section(".debug_info").is_some());
    Target {
        pid: Some(pid),
        exe: name.to_owned(),
        go,
        arch: image.map(|image| arch_word(image.arch)).unwrap_or_default().to_owned(),
        build_id: ids.gnu.or(ids.go).unwrap_or_default(),
        debug: if with_types { DebugInfoKind::Dwarf } else { DebugInfoKind::Stripped },
    }
}

fn arch_word(arch: Arch) -> &'static str {
    match arch {
        Arch::Amd64 => "amd64",
        Arch::Arm64 => "arm64",
    }
}
