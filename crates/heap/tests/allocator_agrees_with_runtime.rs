//! The allocator that we read, against what `runtime.ReadMemStats` says in the same process: before the runtime was
//! asked, while the caches of the processors are full, and after.
#![allow(missing_docs, reason = "a test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test's own process: anything unexpected is to end it"
)]

mod oracle;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use leakscope_goruntime::Runtime;
use leakscope_heap::Heap;
use leakscope_heap::allocator::{Allocator, Arena, Central, Figure, MemStatsFigures, Processor, SpanUse};
use leakscope_heap::breakdown::{Owner, break_down};
use leakscope_model::Addr;
use leakscope_target::{LiveProcess, Mode, ReadError, Residency, Snapshot, SnapshotOptions, TargetMemory};
use serde_json::Value;

const VERSIONS: [&str; 7] = ["1.21.13", "1.22.10", "1.23.9", "1.24.3", "1.25.5", "1.26.6", "1.27.3"];

/// The fixture `figures`, which does what it is told and then stands still.
struct Figures {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Figures {
    fn start(version: &str, arguments: &[&str]) -> Figures {
        Figures::start_build(&format!("figures-go{version}"), arguments)
    }

    fn start_build(name: &str, arguments: &[&str]) -> Figures {
        let program = oracle::fixture(name);
        let mut process = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run ./test", program.display()));
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut figures = Figures { process, output };
        figures.hear("READY");
        figures
    }

    fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.starts_with(word), "{line:?} instead of {word}");
        line
    }

    fn tell(&mut self, order: &[u8], word: &str) -> String {
        self.process.stdin.as_mut().unwrap().write_all(order).unwrap();
        self.hear(word)
    }

    fn stats(&mut self) -> Value {
        let line = self.tell(b"s", "STATS ");
        serde_json::from_str(line.trim().strip_prefix("STATS ").unwrap()).unwrap()
    }

    /// What we read of it now.
    fn read(&self) -> Ours {
        let process = LiveProcess::open(self.process.id()).unwrap();
        let executable = process.executable().unwrap();
        let options = SnapshotOptions { mode: Mode::Stop, max_pause: Duration::from_secs(5) };
        let snapshot = Snapshot::take(&process, None, options).unwrap();
        let runtime = Runtime::identify(&executable, &snapshot, snapshot.mappings()).unwrap();
        let mut allocator = Allocator::read(&snapshot, &runtime).unwrap();
        let stats = allocator.mem_stats();
        let (processors, central, arenas) = (allocator.processors(), allocator.central(), allocator.arenas());
        assert_eq!(allocator.gaps, []);
        let listed = central
            .iter()
            .flat_map(|central| [central.partial_swept, central.full_swept])
            .map(|set| (allocator.listed_spans(&set).len() as u64, set.spans))
            .collect();
        let bytes = |used_for| {
            allocator.spans().iter().filter(|span| span.used_for == used_for).map(|span| span.bytes()).sum()
        };
        Ours {
            objects: bytes(SpanUse::Objects),
            stacks: bytes(SpanUse::Stacks),
            span_count: allocator.spans().iter().filter(|span| span.used_for == SpanUse::Objects).count()
                as u64,
            stats,
            processors,
            central,
            arenas,
            listed,
        }
    }
}

impl Drop for Figures {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Ours {
    stats: MemStatsFigures,
    processors: Vec<Processor>,
    central: Vec<Central>,
    arenas: Vec<Arena>,
    /// Of each list of swept spans: the spans that were found, and how many it says.
    listed: Vec<(u64, u64)>,
    objects: u64,
    stacks: u64,
    span_count: u64,
}

impl Ours {
    fn of(&self, name: &str) -> u64 {
        self.stats.figure(name).unwrap().value.unwrap()
    }
}

/// What of our figures differs from what the program said then. `before` is what it said earlier without anything
/// done to it since but our reading: what it changes by itself lies between.
fn differences(ours: &Ours, before: Option<&Value>, after: &Value) -> Vec<String> {
    let mut off: Vec<String> =
        ours.stats.figures.iter().filter_map(|figure| off(figure, before, after)).collect();
    let (fraction, theirs) = (ours.stats.gc_cpu_fraction.unwrap(), after["GCCPUFraction"].as_f64().unwrap());
    // The reader of JSON may be off by the last bit.
    if (fraction - theirs).abs() > theirs * 1e-14 {
        off.push(format!("GCCPUFraction is {fraction}, not {theirs}"));
    }
    let classes = ours.stats.by_size.as_ref().unwrap().iter();
    let classes: Vec<[u64; 3]> = classes.map(|class| [class.size, class.mallocs, class.frees]).collect();
    let theirs: Vec<[u64; 3]> = serde_json::from_value(after["BySize"].clone()).unwrap();
    assert_eq!(classes.len(), theirs.len());
    off.extend(
        classes.iter().zip(&theirs).filter(|(a, b)| a != b).map(|(a, b)| format!("BySize {a:?}, not {b:?}")),
    );
    off
}

/// The runtime works on its own: it returns memory, makes a thread. An attempt in which it did not must agree.
fn agrees(what: &str, mut attempt: impl FnMut() -> Vec<String>) {
    let mut last = Vec::new();
    for _ in 0..6 {
        last = attempt();
        if last.is_empty() {
            return;
        }
    }
    panic!("{what}: {last:#?}");
}

/// Says how far a figure is from what the program said.
fn off(figure: &Figure, before: Option<&Value>, after: &Value) -> Option<String> {
    let Figure { name, value, lower, higher } = *figure;
    let number = |said: &Value| said[name].as_u64().unwrap();
    let (now, value) = (number(after), value.unwrap());
    let then = before.map_or(now, number);
    let (low, high) = (now.min(then), now.max(then));
    let fits = value.saturating_sub(lower) <= high && value.saturating_add(higher) >= low;
    (!fits).then(|| format!("{name} is {value} (-{lower} +{higher}), not {low}..{high}"))
}

#[test]
fn figures_are_those_of_read_mem_stats_with_full_caches_and_with_empty_ones() {
    for version in VERSIONS {
        let mut program = Figures::start(version, &[]);
        agrees(&format!("{version}, caches full"), || {
            let start = program.stats();
            program.tell(b"a", "ALLOCATED");
            let full = program.read();
            let cached: usize = full.processors.iter().map(|processor| processor.spans.len()).sum();
            assert!(cached > 10, "{version}: {cached} spans in caches");
            let said = program.stats();
            let mallocs = |said: &Value| said["Mallocs"].as_u64().unwrap();
            assert!(mallocs(&said) > mallocs(&start) + 3000, "{version}");
            differences(&full, None, &said)
        });
        agrees(&format!("{version}, caches empty"), || {
            let said = program.stats();
            let empty = program.read();
            differences(&empty, Some(&said), &program.stats())
        });
        agrees(&format!("{version}, collected"), || {
            program.tell(b"g", "COLLECTED");
            let said = program.stats();
            differences(&program.read(), Some(&said), &program.stats())
        });
    }
}

/// Variables by the functions that use them, layouts by table.
#[test]
fn figures_of_a_program_without_names_are_the_same() {
    for version in ["1.21.13", "1.24.3", "1.26.6", "1.27.3"] {
        let mut program = Figures::start_build(&format!("figures-stripped-go{version}"), &[]);
        agrees(&format!("{version}, stripped"), || {
            program.tell(b"a", "ALLOCATED");
            let full = program.read();
            differences(&full, None, &program.stats())
        });
    }
}

#[test]
fn the_next_goal_is_that_of_the_percentage_or_of_the_memory_limit() {
    for (version, arguments) in [
        ("1.21.13", ["-gc=50", "-limit=0"]),
        ("1.24.3", ["-gc=100", "-limit=8000000"]),
        ("1.26.6", ["-gc=-1", "-limit=16000000"]),
        ("1.27.3", ["-gc=100", "-limit=1000000"]),
    ] {
        let mut program = Figures::start(version, &arguments);
        agrees(&format!("{version} {arguments:?}"), || {
            let before = program.stats();
            differences(&program.read(), Some(&before), &program.stats())
        });
    }
}

#[test]
fn spans_caches_and_arenas_add_up_to_the_figures() {
    for version in VERSIONS {
        let mut program = Figures::start(version, &[]);
        program.tell(b"a", "ALLOCATED");
        program.stats();
        let ours = program.read();
        assert_eq!(ours.objects, ours.of("HeapInuse"), "{version}");
        // Spans of which only free stacks in caches are left would go back to the heap.
        let freed = ours.stacks - ours.of("StackInuse");
        assert!(freed.is_multiple_of(32 << 10), "{version}: {freed}");
        assert!(ours.listed.iter().all(|(found, said)| found == said), "{version}: {:?}", ours.listed);
        // After the caches were emptied, every span of small objects is in a list of its class.
        let in_lists: u64 = ours
            .central
            .iter()
            .map(|class| {
                class.partial_swept.spans
                    + class.partial_unswept.spans
                    + class.full_swept.spans
                    + class.full_unswept.spans
            })
            .sum();
        assert!(in_lists >= ours.span_count, "{version}: {in_lists} of {} spans", ours.span_count);
        let pages = |of: fn(&Arena) -> u64| ours.arenas.iter().map(of).sum::<u64>() * 8192;
        assert_eq!(pages(|arena| arena.object_pages), ours.objects, "{version}");
        assert_eq!(pages(|arena| arena.stack_pages), ours.stacks, "{version}");
        let kept: u64 =
            ours.processors.iter().filter_map(|p| p.pages).map(|p| u64::from(p.free.count_ones())).sum();
        // Beside what processors keep, Go 1.26 leaves out pages at the start, so that the heap begins somewhere.
        let left_out = pages(|arena| arena.kept_pages) - kept * 8192;
        let randomised = matches!(version, "1.26.6" | "1.27.3");
        assert!(left_out == 0 || randomised && left_out < 512 * 8192, "{version}: {left_out}");
        let idle = pages(|arena| arena.free_pages) + pages(|arena| arena.kept_pages);
        assert_eq!(idle, ours.of("HeapIdle") - freed, "{version}");
        let caches = ours.processors.iter().filter_map(|p| p.pages);
        let in_caches: u64 = caches.map(|p| u64::from((p.free & p.returned).count_ones())).sum();
        let returned = pages(|arena| arena.returned_pages) + in_caches * 8192 + left_out;
        assert_eq!(returned, ours.of("HeapReleased"), "{version}");
        assert_eq!(ours.processors.len(), 4, "{version}");
    }
}

/// Memory in which some words are others: which ones, a seed says.
struct Damaged<'m> {
    memory: &'m dyn TargetMemory,
    seed: u64,
    /// One word of so many is damaged.
    of: u64,
}

impl Damaged<'_> {
    fn word(&self, at: u64) -> Option<u64> {
        let mixed = (at ^ self.seed)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed >> 32).is_multiple_of(self.of).then_some(match mixed % 5 {
            0 => 0,
            1 => u64::MAX,
            2 => mixed >> 40,
            3 => at,
            _ => mixed,
        })
    }
}

impl TargetMemory for Damaged<'_> {
    fn read_exact(&self, addr: Addr, buf: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read_exact(addr, buf)?;
        for (word, at) in buf.chunks_mut(8).zip((addr.get()..).step_by(8)) {
            if let Some(other) = self.word(at) {
                let bytes = other.to_le_bytes();
                let len = word.len();
                word.copy_from_slice(&bytes[..len]);
            }
        }
        Ok(())
    }
}

#[test]
fn damaged_memory_ends_nothing_and_leaves_gaps() {
    let mut gaps = 0;
    for version in ["1.21.13", "1.26.6"] {
        let program = Figures::start(version, &[]);
        let process = LiveProcess::open(program.process.id()).unwrap();
        let executable = process.executable().unwrap();
        let options = SnapshotOptions { mode: Mode::Stop, max_pause: Duration::from_secs(5) };
        let snapshot = Snapshot::take(&process, None, options).unwrap();
        let runtime = Runtime::identify(&executable, &snapshot, snapshot.mappings()).unwrap();
        let residency = Residency::of_process(program.process.id()).unwrap();
        for seed in 0..60 {
            let memory = Damaged { memory: &snapshot, seed, of: [4, 40, 400, 4000][seed as usize % 4] };
            let Ok(mut allocator) = Allocator::read(&memory, &runtime) else {
                gaps += 1;
                continue;
            };
            let _ = allocator.mem_stats();
            let sets: Vec<_> = allocator.central().iter().map(|central| central.partial_swept).collect();
            sets.iter().for_each(|set| assert!(allocator.listed_spans(set).len() < 100_000));
            assert!(allocator.arenas().len() < 100_000);
            let owner = Owner { executable: "", threads: snapshot.threads() };
            let found = break_down(&Heap::default(), &mut allocator, &residency, owner);
            let slack = residency.rss() / 50 + (1 << 20);
            assert!(found.explained() < residency.rss() + slack, "{version} {seed}: {found:?}");
            gaps += allocator.gaps.len();
        }
    }
    assert!(gaps > 20, "{gaps}");
}
