//! What we read of a process, against what its runtime says of itself: the dump of `debug.WriteHeapDump`, the text
//! of `runtime.Stack`, `runtime.MemStats`.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test: anything unexpected is to end it"
)]

mod heapdump;
mod oracle;
mod stack_text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use heapdump::HeapDump;
use leakscope_goruntime::Runtime;
use leakscope_heap::{ObjectId, RootOrigin, Scan};
use leakscope_model::Addr;
use leakscope_target::{
    CoreFile, FileBytes, LiveProcess, MappedFile, Mapping, Mode, Snapshot, SnapshotOptions, TargetMemory,
    ThreadRegisters,
};
use oracle::{Oracle, Said, goroutine_ids};

/// Builds for arm64, whose cores are read: the registers, the frames and the heap's place are that processor's.
const ARM64_CORES: [(&str, (&str, &[&str])); 6] = [
    ("oracle-arm64-go1.22.10", LITTERED),
    ("oracle-arm64-go1.24.3", LITTERED),
    ("oracle-arm64-go1.26.6", LITTERED),
    ("oracle-arm64-go1.27.3", LITTERED),
    ("oracle-arm64-go1.26.6", COLLECTED),
    ("oracle-arm64-pie-go1.26.6", COLLECTED),
];

const COLLECTED: (&str, &[&str]) = ("collected", &[]);
const LITTERED: (&str, &[&str]) =
    ("littered", &["-gc=false", "-goroutines=500", "-sample-rate=1", "-scale=3"]);

/// Builds whose heaps differ: in headers, masks by programs and on demand, and mark bits in spans, which an
/// experiment turns on or off.
const BUILDS: [&str; 11] = [
    "oracle-go1.21.13",
    "oracle-go1.22.10",
    "oracle-go1.23.9",
    "oracle-go1.24.3",
    "oracle-go1.25.5",
    "oracle-greenteagc-go1.25.5",
    "oracle-noswissmap-go1.25.5",
    "oracle-go1.26.6",
    "oracle-nogreenteagc-go1.26.6",
    "oracle-pie-go1.26.6",
    "oracle-go1.27.3",
];

/// Builds that are read without their symbols and debug information: by our tables of layouts alone.
const STRIPPED: [&str; 9] = [
    "oracle-go1.21.13",
    "oracle-go1.22.10",
    "oracle-go1.23.9",
    "oracle-go1.24.3",
    "oracle-greenteagc-go1.25.5",
    "oracle-noswissmap-go1.25.5",
    "oracle-nogreenteagc-go1.26.6",
    "oracle-pie-go1.26.6",
    "oracle-go1.27.3",
];

struct Case {
    name: String,
    said: Said,
    dump: HeapDump,
    scan: Scan,
    /// Pointer words that the runtime has written since the dump: the scheduler does not stand still.
    changed: BTreeSet<u64>,
}

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let cores = || ARM64_CORES.map(|(build, (name, arguments))| core_case(build, name, arguments));
    let cores = std::thread::spawn(cores);
    let both = BUILDS.iter().flat_map(|build| [(build, COLLECTED), (build, LITTERED)]);
    let live = both.map(|(build, (name, arguments))| {
        live_case(format!("{name} {build}"), Oracle::start_build(build, arguments))
    });
    let live = live.chain(STRIPPED.iter().map(|build| {
        live_case(format!("littered, stripped {build}"), Oracle::start_stripped(build, LITTERED.1))
    }));
    live.collect::<Vec<_>>().into_iter().chain(cores.join().unwrap()).collect()
});

fn live_case(name: String, oracle: Oracle) -> Case {
    let process = LiveProcess::open(oracle.pid()).unwrap();
    let executable = process.executable().unwrap();
    let options = SnapshotOptions { mode: Mode::Stop, max_pause: Duration::from_secs(5) };
    let snapshot = Snapshot::take(&process, None, options).unwrap();
    let seen = Seen {
        executable: &executable,
        memory: &snapshot,
        mappings: snapshot.mappings(),
        threads: snapshot.threads(),
    };
    let read = read(&name, &oracle, &seen);
    drop(snapshot); // nobody can wait for the end of a process that is held
    case(name, oracle, read)
}

fn core_case(build: &str, name: &str, arguments: &[&str]) -> Case {
    let mut oracle = Oracle::start_under_qemu(build, arguments);
    let (path, executable) = (oracle.abort(), oracle::fixture(build));
    let executable_bytes = FileBytes::from(MappedFile::open(&executable).unwrap());
    let core = CoreFile::open(&path).unwrap().with_executable(&executable, executable_bytes.clone()).unwrap();
    let seen = Seen {
        executable: &executable_bytes,
        memory: &core,
        mappings: core.mappings(),
        threads: core.threads(),
    };
    let name = format!("{name} {build}");
    let read = read(&name, &oracle, &seen);
    case(name, oracle, read)
}

/// A process as its memory shows it.
struct Seen<'s> {
    executable: &'s [u8],
    memory: &'s dyn TargetMemory,
    mappings: &'s [Mapping],
    threads: &'s [ThreadRegisters],
}

/// What the runtime says of it, and what we read.
type Read = (HeapDump, Scan, BTreeSet<u64>);

fn read(name: &str, oracle: &Oracle, seen: &Seen<'_>) -> Read {
    let dump = HeapDump::read(&oracle.dump_file());
    let runtime = Runtime::identify(seen.executable, seen.memory, seen.mappings).unwrap();
    let scan = leakscope_heap::scan(seen.memory, seen.mappings, seen.threads, &runtime, None).unwrap();
    let changed = changed_words(seen.memory, &dump);
    assert!(changed.len() < 20, "{} words changed since the dump of {name}", changed.len());
    (dump, scan, changed)
}

/// Ends the process: its files are large, and what they say is known.
fn case(name: String, oracle: Oracle, (dump, scan, changed): Read) -> Case {
    Case { name, said: oracle.end(), dump, scan, changed }
}

fn changed_words(memory: &dyn TargetMemory, dump: &HeapDump) -> BTreeSet<u64> {
    let mut changed = BTreeSet::new();
    for object in &dump.objects {
        let mut now = vec![0; object.size as usize];
        memory.read_exact(Addr::new(object.addr), &mut now).unwrap();
        for &offset in &object.pointers {
            let word = offset as usize..offset as usize + 8;
            if now[word.clone()] != dump.content(object)[word] {
                changed.insert(object.addr + u64::from(offset));
            }
        }
    }
    changed
}

#[test]
fn every_object_and_pointer_is_that_of_the_heap_dump() {
    for case in &*CASES {
        assert_eq!(case.scan.gaps, [], "{}", case.name);
        same_objects(case);
        same_pointers(case);
    }
}

fn same_objects(case: &Case) {
    let objects = &case.scan.objects;
    let ours: Vec<(u64, u64)> = objects
        .iter()
        .map(|object| (object.addr.get() - objects.span_of(object.id).unwrap().header, object.size))
        .collect();
    let theirs: Vec<(u64, u64)> = case.dump.objects.iter().map(|object| (object.addr, object.size)).collect();
    let only_ours = ours.iter().filter(|object| theirs.binary_search(object).is_err()).count();
    let only_theirs = theirs.iter().filter(|object| ours.binary_search(object).is_err()).count();
    assert_eq!((only_ours, only_theirs), (0, 0), "{}: objects of {}", case.name, theirs.len());
    assert_eq!(u64::from(objects.len()), case.said.ready.of("heap_objects"), "{}", case.name);
    let bytes: u64 = ours.iter().map(|&(_, size)| size).sum();
    assert_eq!(bytes, case.said.ready.of("heap_alloc"), "{}", case.name);
}

fn same_pointers(case: &Case) {
    let (scan, dump) = (&case.scan, &case.dump);
    let interior: BTreeMap<u32, u64> = scan.edges.interior().iter().copied().collect();
    let mut pointers = 0;
    for (object, record) in scan.objects.iter().zip(&dump.objects) {
        let header = object.addr.get() - record.addr;
        let expected: Vec<(u64, u64)> = record
            .pointers
            .iter()
            .zip(dump.targets(record))
            .filter(|&(&offset, target)| {
                dump.object_at(target).is_some() && !case.changed.contains(&(record.addr + u64::from(offset)))
            })
            .map(|(&offset, target)| (u64::from(offset) - header, target))
            .collect();
        let found: Vec<(u64, u64)> = scan
            .edges
            .of(object.id)
            .map(|edge| {
                let target = scan.objects.addr(edge.target).get();
                let inside = interior.get(&edge.index).copied().unwrap_or(0);
                (u64::from(edge.word) * 8, target + inside)
            })
            .filter(|(offset, _)| !case.changed.contains(&(object.addr.get() + offset)))
            .collect();
        assert_eq!(found, expected, "{}: pointers of {:#x}", case.name, record.addr);
        pointers += expected.len();
    }
    assert_eq!(interior.len(), scan.edges.interior().len(), "{}: one offset an edge", case.name);
    assert!(pointers > 50_000, "{}: only {pointers} pointers", case.name);
}

#[test]
fn goroutines_are_those_of_the_traceback() {
    for case in &*CASES {
        let expected = stack_text::parse(&case.said.stacks);
        let ours: Vec<_> = case.scan.goroutines.iter().filter(|goroutine| !goroutine.system).collect();
        let ids: Vec<u64> = ours.iter().map(|goroutine| goroutine.id).collect();
        assert_eq!(ids, goroutine_ids(&case.said.stacks), "{}", case.name);
        for goroutine in ours.into_iter().filter(|goroutine| goroutine.id != 1) {
            let theirs = &expected[&goroutine.id];
            let state = goroutine.wait.clone().unwrap_or_else(|| goroutine.status.clone());
            assert_eq!(state, theirs.state, "{}: goroutine {}", case.name, goroutine.id);
            let shown = goroutine.stack.iter().filter(|frame| !frame.is_runtime());
            let frames: Vec<String> =
                shown.map(|frame| format!("{} {}:{}", frame.function, frame.file, frame.line)).collect();
            assert_eq!(frames, theirs.frames, "{}: goroutine {}", case.name, goroutine.id);
            let created = goroutine.created_by.as_ref().unwrap();
            let created = format!("{} {}:{}", created.function, created.file, created.line);
            assert_eq!(created, theirs.created_by, "{}: goroutine {}", case.name, goroutine.id);
        }
    }
}

#[test]
fn live_words_of_stacks_are_those_of_the_heap_dump() {
    for case in &*CASES {
        let mut slots: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
        for root in &case.scan.roots {
            if let RootOrigin::Frame { goroutine, .. } = root.origin {
                let id = case.scan.goroutines[goroutine as usize].id;
                assert!(!root.conservative || id == 1, "{}: goroutine {id} at {}", case.name, root.slot);
                slots.entry(id).or_default().insert(root.slot.get());
            }
        }
        let mut checked = 0;
        for goroutine in case.dump.goroutines.iter().filter(|goroutine| goroutine.id != 1) {
            for frame in &goroutine.frames {
                for (offset, target) in frame.memory.pointers.iter().zip(case.dump.targets(&frame.memory)) {
                    if case.dump.object_at(target).is_some() {
                        let slot = frame.memory.addr + u64::from(*offset);
                        let known = slots.get(&goroutine.id).is_some_and(|slots| slots.contains(&slot));
                        assert!(known, "{}: {slot:#x} in {}", case.name, frame.function);
                        checked += 1;
                    }
                }
            }
        }
        assert!(checked > 200, "{}: only {checked} words", case.name);
    }
}

#[test]
fn samples_are_those_of_the_heap_dump() {
    for case in &*CASES {
        let (scan, dump) = (&case.scan, &case.dump);
        let sites: BTreeMap<u64, &heapdump::Site> =
            dump.sites.iter().map(|site| (site.bucket, site)).collect();
        let theirs: BTreeMap<u64, u64> =
            dump.samples.iter().map(|&(addr, bucket)| (dump.object_at(addr).unwrap().addr, bucket)).collect();
        assert_eq!(scan.samples.len(), theirs.len(), "{}", case.name);
        for &(object, stack) in &scan.samples {
            let header = scan.objects.span_of(object).unwrap().header;
            let slot = scan.objects.addr(object).get() - header;
            let site = sites[&theirs[&slot]];
            // The dump tells the line behind the innermost call (`dumpmemprof_callback` backs up from `i > 0`).
            let ours = scan.stacks[stack as usize].iter().skip(1);
            let lines: Vec<String> = ours.map(|frame| format!("{}:{}", frame.file, frame.line)).collect();
            let expected: Vec<String> =
                site.stack.iter().skip(1).map(|(_, file, line)| format!("{file}:{line}")).collect();
            assert_eq!(lines, expected, "{}: sample {slot:#x}", case.name);
        }
    }
}

#[test]
fn figures_are_those_of_memstats() {
    for case in &*CASES {
        let (figures, ready) = (&case.scan.memstats, &case.said.ready);
        assert_eq!(figures.heap_in_use, ready.of("heap_inuse"), "{}", case.name);
        assert_eq!(figures.stacks_in_use, ready.of("stack_inuse"), "{}", case.name);
        assert_eq!(figures.collections, ready.of("num_gc"), "{}", case.name);
        let heap = figures.heap_in_use + figures.heap_idle + figures.heap_released;
        assert_eq!(heap, ready.of("heap_sys"), "{}", case.name);
        assert_eq!(figures.gc_phase, 0, "{}", case.name);
        assert_eq!(figures.memory_limit, u64::MAX, "{}", case.name);
        assert!(figures.gc_metadata > 100_000, "{}: {}", case.name, figures.gc_metadata);
    }
}

/// After a collection and with none since, the collector has reached every object but those allocated afterwards.
#[test]
fn what_the_collector_kept_is_reached_from_our_roots() {
    for case in CASES.iter().filter(|case| case.name.starts_with("collected")) {
        let mut reached = vec![false; case.scan.objects.len() as usize];
        let mut pending: Vec<ObjectId> = case.scan.roots.iter().map(|root| root.target).collect();
        while let Some(object) = pending.pop() {
            if !std::mem::replace(&mut reached[object.0 as usize], true) {
                pending.extend(case.scan.edges.targets(object));
            }
        }
        let missed: Vec<_> =
            case.scan.objects.iter().filter(|object| !reached[object.id.0 as usize]).collect();
        assert!(missed.len() < 40, "{}: {} objects, first {:?}", case.name, missed.len(), missed.first());
    }
}
