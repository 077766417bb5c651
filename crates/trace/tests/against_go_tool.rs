//! Recorded traces of every format against what `go tool trace -d=wire` counts in them; and traces cut off.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests end where a recorded trace must read"
)]

use std::collections::BTreeMap;

use leakscope_trace::{BatchKind, Family, Trace, TraceError, TraceVersion};
use proptest::prelude::*;

macro_rules! recorded {
    ($name:literal, $minor:literal) => {
        (
            $name,
            $minor,
            include_bytes!(concat!("recorded/", $name, ".trace")) as &[u8],
            include_str!(concat!("recorded/", $name, ".wire-counts.txt")),
        )
    };
}

/// Name, format, trace, and the counts of the Go tool.
const RECORDED: [(&str, u16, &[u8], &str); 7] = [
    recorded!("go1.22.10", 22),
    recorded!("go1.24.3", 23),
    recorded!("go1.24.3-generations", 23),
    recorded!("go1.25.5", 25),
    recorded!("go1.26.6", 26),
    recorded!("go1.26.6-generations", 26),
    recorded!("go1.26.6-allocfree", 26),
];
const V1: &[u8] = include_bytes!("recorded/go1.21.13-begin.trace");

fn recorded(name: &str) -> &'static [u8] {
    RECORDED.iter().find(|row| row.0 == name).unwrap().2
}

#[test]
fn every_event_is_counted_as_the_go_tool_counts_it() {
    for (name, minor, bytes, counts) in RECORDED {
        let trace = Trace::open(bytes).unwrap();
        assert_eq!(trace.version.minor, minor, "{name}");
        assert_eq!(trace.gaps, [], "{name}");
        let expected: BTreeMap<&str, u64> = counts
            .lines()
            .map(|line| line.split_once(' ').unwrap())
            .map(|(n, c)| (n, c.parse().unwrap()))
            .collect();
        let (ours, gaps) = trace.event_counts();
        assert_eq!(ours, expected, "{name}");
        assert_eq!(gaps, [], "{name}");
        assert!(20 < expected.len(), "{name}");
    }
}

#[test]
fn generations_are_whole_and_hold_their_tables() {
    for (name, least) in [("go1.24.3-generations", 3), ("go1.26.6-generations", 3), ("go1.26.6", 1)] {
        let trace = Trace::open(recorded(name)).unwrap();
        assert!(least <= trace.generations.len(), "{name}");
        for (index, generation) in trace.generations.iter().enumerate() {
            assert_eq!(generation.number, index as u64 + 1, "{name}");
            assert!(generation.complete, "{name}");
            let of = |kind| generation.batches.iter().filter(|batch| batch.kind == kind).count();
            assert!(1 <= of(BatchKind::Strings) && of(BatchKind::Sync) == 1, "{name} {index}");
            let of_nobody = generation
                .batches
                .iter()
                .filter(|batch| batch.kind == BatchKind::Events && batch.thread.is_none());
            let mut events = of_nobody.flat_map(|batch| batch.events()).map(Result::unwrap);
            assert!(events.all(|event| event.spec.name == "GoStatusStack"), "{name} {index}");
        }
    }
}

#[test]
fn arguments_by_name() {
    let trace = Trace::open(recorded("go1.26.6")).unwrap();
    let events =
        || trace.generations.iter().flat_map(|g| &g.batches).flat_map(|b| b.events()).map(Result::unwrap);
    // 64 ns a unit: runtime/traceruntime.go, traceClockUnitsPerSecond on Linux.
    let frequency = events().find(|event| event.spec.name == "Frequency").unwrap();
    assert_eq!(frequency.argument("freq"), Some(15_625_000));
    let strings: Vec<&[u8]> =
        events().filter(|event| event.spec.name == "String").map(|event| event.data).collect();
    for written in ["chan receive", "main.main.func1", "GC mark termination", "task", "work"] {
        assert!(strings.contains(&written.as_bytes()), "{written}");
    }
    assert!(events().filter(|event| event.spec.name == "Stack").all(|event| 0 < event.frames));
}

#[test]
fn other_formats_and_other_files_are_named() {
    assert_eq!(TraceVersion::of(V1).unwrap().family(), Family::V1);
    assert_eq!(Trace::open(V1).unwrap_err(), TraceError::OldFormat { minor: 21 });
    assert_eq!(
        Trace::open(b"go 1.99 trace\0\0\0").unwrap_err().to_string(),
        "a trace of the format version 1.99; this leakscope reads 1.22 to 1.26: use a newer one"
    );
    for other in [&b""[..], b"go 1.26 tra", b"go 1.2x trace\0\0\0", b"404 page not found\n", b"\x1f\x8b\x08"]
    {
        assert!(matches!(Trace::open(other), Err(TraceError::NotATrace { .. })), "{other:?}");
    }
    let empty = Trace::open(b"go 1.26 trace\0\0\0").unwrap();
    assert_eq!(empty.gaps[0].reason, "the trace is empty: it ends behind its header");
}

#[test]
fn a_cut_trace_keeps_its_whole_generations() {
    for name in ["go1.24.3-generations", "go1.26.6-generations"] {
        let bytes = recorded(name);
        let whole = Trace::open(bytes).unwrap();
        let second = whole.generations[1].batches.last().unwrap();
        let cut = second.offset as usize + 5;
        let part = Trace::open(&bytes[..cut]).unwrap();
        assert_eq!(part.generations.len(), 2, "{name}");
        assert_eq!(part.generations[0], whole.generations[0], "{name}");
        assert!(!part.generations[1].complete, "{name}");
        let offset = second.offset;
        assert!(
            part.gaps[0].reason.starts_with(&format!("the trace is cut off at byte {offset}, ")),
            "{part:?}"
        );
        assert!(
            part.gaps[1].reason.starts_with("generation 2 (about the last second) is incomplete"),
            "{name}"
        );
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>, minor in prop::sample::select(vec![22u16, 23, 25, 26])) {
        let trace = [format!("go 1.{minor} trace\0\0\0").as_bytes(), &bytes].concat();
        let _ = Trace::open(&trace).unwrap().event_counts();
        let _ = Trace::open(&bytes);
    }

    /// Whatever is damaged or cut, generations before it stay as they are.
    #[test]
    fn no_damage_panics(at in 16usize..5000, byte: u8, cut in 0usize..5000, which in 0usize..7) {
        let mut bytes = RECORDED[which].2.to_vec();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut);
        let trace = Trace::open(&bytes).unwrap();
        let (counts, _) = trace.event_counts();
        let batches: usize = trace.generations.iter().map(|generation| generation.batches.len()).sum();
        let counted = counts.get("EventBatch").unwrap_or(&0) + counts.get("ExperimentalBatch").unwrap_or(&0);
        prop_assert_eq!(counted, batches as u64);
    }
}
