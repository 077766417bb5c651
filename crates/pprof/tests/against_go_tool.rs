//! Recorded profiles against what `go tool pprof` says of the same files, and the service of itself.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests end where a recorded file must read")]

use std::collections::BTreeMap;

use leakscope_pprof::{GoroutineCounts, GoroutineDump, HeapEstimate, Profile};

const HEAP: &[u8] = include_bytes!("recorded/heap.pb.gz");
const HEAP_RAW: &str = include_str!("recorded/heap.raw.txt");
const HEAP_TOP: &str = include_str!("recorded/heap.top.txt");
const GOROUTINE: &[u8] = include_bytes!("recorded/goroutine.pb.gz");
const GOROUTINE_RAW: &str = include_str!("recorded/goroutine.raw.txt");
const DEBUG1: &[u8] = include_bytes!("recorded/goroutine-debug1.txt");
const DEBUG2: &[u8] = include_bytes!("recorded/goroutine-debug2.txt");
const TRUTH: &str = include_str!("recorded/truth.json");

/// One sample: its values, its size label, and its stack as `function file:line`, innermost first.
type Row = (Vec<i64>, Option<i64>, Vec<String>);

/// Reads the text of `go tool pprof -raw`: sample types and samples.
fn raw(text: &str) -> (Vec<String>, Vec<Row>) {
    let (head, tables) = text.split_once("\nLocations\n").unwrap();
    let (tables, _) = tables.split_once("\nMappings\n").unwrap();
    let mut locations: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut last = 0;
    for line in tables.lines() {
        // `     1: 0x489884 M=1 runtime.mallocgc runtime/malloc.go:1150:0 s=1067`, then inlined callers.
        let words: Vec<&str> = line.split_whitespace().collect();
        let words = match words[0].strip_suffix(':').and_then(|id| id.parse().ok()) {
            Some(id) => {
                last = id;
                &words[3..]
            }
            None => &words[..],
        };
        let place = words[1].rsplit_once(':').unwrap().0;
        locations.entry(last).or_default().push(format!("{} {place}", words[0]));
    }
    let (_, samples) = head.split_once("\nSamples:\n").unwrap();
    let mut lines = samples.lines();
    let types =
        lines.next().unwrap().split(' ').map(|word| word.split('[').next().unwrap().to_owned()).collect();
    let mut rows: Vec<Row> = Vec::new();
    for line in lines {
        if let Some(size) = line.trim().strip_prefix("bytes:[") {
            rows.last_mut().unwrap().1 = Some(size.trim_end_matches(']').parse().unwrap());
            continue;
        }
        let (values, ids) = line.split_once(": ").unwrap();
        let values = values.split_whitespace().map(|value| value.parse().unwrap()).collect();
        let ids = ids.split_whitespace().map(|id| id.parse::<u64>().unwrap());
        rows.push((values, None, ids.flat_map(|id| locations[&id].clone()).collect()));
    }
    (types, rows)
}

fn ours(profile: &Profile) -> (Vec<String>, Vec<Row>) {
    let types = profile.sample_types.iter().map(|of| format!("{}/{}", of.kind, of.unit)).collect();
    let stack = |sample: &leakscope_pprof::Sample<'_>| {
        sample.stack().map(|frame| format!("{} {}:{}", frame.function, frame.file, frame.line)).collect()
    };
    let row = |sample: leakscope_pprof::Sample<'_>| {
        (sample.values().to_vec(), sample.number("bytes"), stack(&sample))
    };
    (types, profile.samples().map(row).collect())
}

#[test]
fn every_sample_is_that_of_go_tool_raw() {
    for (bytes, text, least) in [(HEAP, HEAP_RAW, 15), (GOROUTINE, GOROUTINE_RAW, 5)] {
        let profile = Profile::decode(bytes).unwrap();
        let (types, mut expected) = raw(text);
        let (our_types, mut rows) = ours(&profile);
        assert_eq!(our_types, types);
        rows.sort();
        expected.sort();
        assert_eq!(rows, expected);
        assert!(least <= rows.len());
    }
    let heap = Profile::decode(HEAP).unwrap();
    assert!(HEAP_RAW.contains(&format!("Period: {}\n", heap.period)));
    assert!(HEAP_RAW.starts_with("PeriodType: space bytes\n"));
    assert_eq!(heap.period_type.as_ref().map(|of| (&*of.kind, &*of.unit)), Some(("space", "bytes")));
    assert!(heap.samples().any(|sample| sample.stack().any(|frame| frame.inlined)));
}

/// Flat and cumulative bytes of every function.
#[test]
fn sums_by_function_are_those_of_go_tool_top() {
    let profile = Profile::decode(HEAP).unwrap();
    let column = profile.column("inuse_space").unwrap();
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for sample in profile.samples() {
        let mut functions: Vec<&str> = sample.stack().map(|frame| &*frame.function).collect();
        sums.entry(functions[0].to_owned()).or_default().0 += sample.values()[column];
        functions.sort_unstable();
        functions.dedup();
        functions
            .into_iter()
            .for_each(|name| sums.entry(name.to_owned()).or_default().1 += sample.values()[column]);
    }
    let mut compared = 0;
    for line in HEAP_TOP.lines().skip_while(|line| !line.trim_start().starts_with("flat ")).skip(1) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let bytes = |word: &str| word.trim_end_matches('B').parse::<i64>().unwrap();
        assert_eq!(sums.get(words[5]), Some(&(bytes(words[0]), bytes(words[3]))), "{line}");
        compared += 1;
    }
    assert!(compared >= 20, "{compared} functions");
    let total = profile.total(column);
    assert!(HEAP_TOP.contains(&format!("of {total}B total")), "{total}");
}

/// The service counted its own live heap; the estimate must hold it within its interval.
#[test]
fn the_interval_holds_what_the_service_counted() {
    let heap = HeapEstimate::of(&Profile::decode(HEAP).unwrap()).unwrap();
    assert_eq!(heap.rate, 524_288);
    let (samples, objects, bytes) = heap.sum(|_| true);
    let truth = |name: &str| {
        let (_, rest) = TRUTH.split_once(&format!("\"{name}\":")).unwrap();
        rest.split([',', '}']).next().unwrap().parse::<f64>().unwrap()
    };
    let live = truth("heap_bytes");
    assert!(bytes.low <= live && live <= bytes.high, "{live} is not in {bytes:?} of {samples} samples");
    assert!(objects.low <= truth("heap_objects") && truth("heap_objects") <= objects.high, "{objects:?}");
    assert!(samples > 10 && bytes.high < 2.0 * bytes.value, "{samples} samples: {bytes:?}");
    assert_eq!(HeapEstimate::of(&Profile::decode(GOROUTINE).unwrap()), None);
}

#[test]
fn goroutine_texts_agree_with_each_other_and_with_the_service() {
    let profile = Profile::decode(GOROUTINE).unwrap();
    let counts = GoroutineCounts::parse(DEBUG1).unwrap();
    let dump = GoroutineDump::parse(DEBUG2).unwrap();
    assert_eq!((counts.gaps.len(), dump.gaps.len()), (0, 0));
    let (_, truth) = TRUTH.split_once("\"leaked_goroutines\":").unwrap();
    let leaked: usize = truth.split(',').next().unwrap().parse().unwrap();

    assert_eq!(counts.total as i64, profile.total(0));
    assert_eq!(counts.total as usize, dump.entries.len());
    assert_eq!(counts.groups[0].count as usize, leaked);
    assert_eq!(
        counts.groups[0].stack[0].to_string(),
        "main.audit.func1 example.com/orders/interceptor.go:45"
    );

    let of_leak = dump.entries.iter().filter(|entry| {
        let goroutine = &entry.goroutine;
        goroutine.stack[0].to_string() == "main.audit.func1 example.com/orders/interceptor.go:45"
            && goroutine.created_by.as_ref().is_some_and(|frame| &*frame.function == "main.audit")
            && goroutine.start.as_ref() == goroutine.stack.first()
            && goroutine.status == "waiting"
            && goroutine.wait.as_deref() == Some("chan receive")
            && goroutine.wait_seconds == Some(60.0)
            && !goroutine.system
            && entry.created_by_goroutine.is_some()
    });
    assert_eq!(of_leak.count(), leaked);
    let ids: std::collections::BTreeSet<u64> = dump.entries.iter().map(|entry| entry.goroutine.id).collect();
    assert_eq!(ids.len(), dump.entries.len());
}
