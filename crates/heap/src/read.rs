//! From the memory of a process to its heap: the one place where the reading half is wired together, and both
//! halves to each other.

use leakscope_goruntime::Runtime;
use leakscope_model::Gap;
use leakscope_target::{Mapping, TargetMemory, ThreadRegisters};

use crate::analyse::analyse;
use crate::arena_bitmaps::ArenaBitmaps;
use crate::contents::{ScanInput, scan as scan_contents};
use crate::error::HeapError;
use crate::goroutines::{self, GoroutineInput, Goroutines};
use crate::graph::{Heap, Objects, Scan};
use crate::itabs;
use crate::memstats;
use crate::pointers::PointerBits;
use crate::program::{Program, Ranges};
use crate::queued_calls;
use crate::roots::Roots;
use crate::said_by_code::{self, Answers, Clues, name_variables};
use crate::samples;
use crate::spans::{self, Spans};
use crate::specials::{SpecialKinds, list_all};
use crate::typing::ProgramTypes;
use crate::wait_records::{self, WaitInput};
use crate::waits::Waits;

/// Reads and analyses the heap of one process.
///
/// `threads` are the registers of its threads, for goroutines that run; without them those goroutines show the
/// stack at which the runtime saw them last. `now` is the process's monotonic clock in nanoseconds
/// (`CLOCK_MONOTONIC`) at the moment of the snapshot, from which the time that goroutines wait is told.
///
/// Fails where the list of spans cannot be read; whatever else cannot be read is a gap of the answer.
pub fn read(
    memory: &dyn TargetMemory,
    mappings: &[Mapping],
    threads: &[ThreadRegisters],
    runtime: &Runtime<'_>,
    now: Option<u64>,
) -> Result<Heap, HeapError> {
    read_with_types(memory, mappings, threads, runtime, now).map(|(heap, _)| heap)
}

/// As [`read`], and the types of the heap's shapes ([`crate::Shape::ty`]), with which contents can be read.
///
/// Arguments and errors are those of [`read`].
pub fn read_with_types<'r, 'b>(
    memory: &'r dyn TargetMemory,
    mappings: &[Mapping],
    threads: &[ThreadRegisters],
    runtime: &'r Runtime<'b>,
    now: Option<u64>,
) -> Result<(Heap, ProgramTypes<'r, 'b>), HeapError> {
    let mut types = ProgramTypes::new(runtime, memory);
    let (mut scan, clues) = scan_with_types(memory, mappings, threads, &mut types, now)?;
    types.add_descriptors(scan.headers.iter().map(|&(_, descriptor)| descriptor));
    let words = scan.type_words.iter().map(|&(_, word)| word);
    types.add_type_words(words.chain(scan.roots.iter().filter_map(|root| root.type_word)));
    let Answers { said, closures, names } = said_by_code::ask(&scan, &clues, &types);
    scan.said = said;
    types.set_closures(closures);
    name_variables(&mut scan, &names);
    let heap = analyse(scan, &types, memory);
    Ok((heap, types))
}

/// The reading half alone: objects, the pointers between them, and the pointers into them.
///
/// Arguments and errors are those of [`read`].
pub fn scan(
    memory: &dyn TargetMemory,
    mappings: &[Mapping],
    threads: &[ThreadRegisters],
    runtime: &Runtime<'_>,
    now: Option<u64>,
) -> Result<Scan, HeapError> {
    let mut types = ProgramTypes::new(runtime, memory);
    scan_with_types(memory, mappings, threads, &mut types, now).map(|(scan, _)| scan)
}

/// As [`scan`]; adds to the types those that package variables name.
fn scan_with_types(
    memory: &dyn TargetMemory,
    mappings: &[Mapping],
    threads: &[ThreadRegisters],
    types: &mut ProgramTypes<'_, '_>,
    now: Option<u64>,
) -> Result<(Scan, Clues), HeapError> {
    let runtime = types.runtime();
    let mheap = runtime.variable("mheap_").map_err(HeapError::Runtime)?;
    let Spans { rows, large_types, specials, heap_bytes, mut gaps } =
        spans::read(memory, &runtime.layout, mheap)?;
    let (objects, refused) = Objects::new(rows)?;
    gaps.extend(refused.iter().map(|span| {
        Gap::new("heap", format!("the span at {} overlaps another or contradicts itself", span.base))
    }));
    gaps.extend(runtime.gaps.iter().map(|gap| gap.gap("heap")));
    let program = program(memory, runtime, &mut gaps);
    let bits = PointerBits::of(&runtime.layout);
    let input = ScanInput {
        objects: &objects,
        large_types: &large_types,
        bits,
        arenas: bits.arenas().map(|arenas| ArenaBitmaps::new(memory, arenas, mheap)),
        program: &program,
    };
    let contents = scan_contents(memory, &runtime.layout, &input)?;
    let before = gaps.len();
    gaps.extend(contents.gaps);

    let mut roots = Roots::new(&objects, &program);
    roots.add_globals(memory, types, &mut gaps);
    let specials = list_all(memory, &SpecialKinds::of(&runtime.layout), &specials, objects.len(), &mut gaps);
    roots.add_specials(memory, &runtime.layout, &contents.edges, &specials, &mut gaps);
    queued_calls::add(&mut roots, memory, runtime, &mut gaps);
    let doubt = gaps.get(before).map(|gap| gap.reason.clone());
    let samples = samples::read(memory, runtime, &objects, &specials, &mut gaps);
    drop(specials);
    let input = GoroutineInput { runtime, threads, now };
    let goroutines = goroutines::read(memory, &input, &mut roots, &mut gaps).unwrap_or_else(|err| {
        gaps.push(Gap::new("goroutines", format!("none could be read: {err}")));
        Goroutines::default()
    });
    let graph = WaitInput { objects: &objects, edges: &contents.edges, roots: &roots.roots };
    let waits = Waits { doubt, ..wait_records::read(memory, &runtime.layout, &graph, &goroutines) };
    let _ = mappings;
    let Roots { roots, names, unnamed_words: frame_words, .. } = roots;
    let clues = Clues { frame_words, returns: samples.returns };
    let names = names.names;
    let memstats = memstats::read(memory, runtime, heap_bytes, &mut gaps);
    let scan = Scan {
        edges: contents.edges,
        headers: contents.headers,
        type_words: contents.type_words,
        code_words: contents.code_words,
        said: Vec::new(),
        roots,
        waits,
        goroutines: goroutines.all,
        names,
        samples: samples.objects,
        stacks: samples.stacks,
        memstats,
        gaps,
        objects,
    };
    Ok((scan, clues))
}

/// Code, type data and itabs of all modules.
fn program(memory: &dyn TargetMemory, runtime: &Runtime<'_>, gaps: &mut Vec<Gap>) -> Program {
    let text = runtime.modules.iter().map(|module| (module.text.start.get(), module.text.end.get()));
    let types = runtime.modules.iter().map(|module| (module.types.start.get(), module.types.end.get()));
    let itabs = itabs::read(memory, runtime).unwrap_or_else(|err| {
        gaps.push(Gap::new("types", format!("the types of interfaces with methods: {err}")));
        Vec::new()
    });
    Program::new(Ranges::new(text), Ranges::new(types), itabs)
}
