//! One report with everything in it, and a healthy one.
#![allow(dead_code, reason = "each test file that takes these uses some of them")]

use leakscope_model::{
    Addr, Confidence, DebugInfoKind, Evidence, Finding, FindingKind, Fix, Forecast, Gap, HeldBy, LimitSource,
    Memory, PathStep, Report, Site, Source, Target, Via, Window,
};

fn step(name: &str, via: Via, ty: &str, addr: Option<u64>) -> PathStep {
    PathStep { name: name.into(), via, ty: ty.into(), addr: addr.map(Addr::new) }
}

fn evidence(source: Source, says: &str, value: f64, error: f64, how: &str) -> Evidence {
    Evidence { source, says: says.into(), value, error, how: how.into() }
}

fn leak() -> Finding {
    let file = "/src/orders/interceptor.go".to_owned();
    Finding {
        rule: "GO-CTX-001",
        kind: FindingKind::Goroutine,
        title: "Contexts derived from main.server.baseCtx are never cancelled".into(),
        confidence: Confidence::Likely,
        retained_bytes: 17_250_000,
        objects: 6300,
        goroutines: 6300,
        growth_bytes_per_s: 821_000.0,
        growth_objects_per_s: 300.0,
        since: None,
        ty: "context.timerCtx".into(),
        path: vec![
            step("main.server", Via::Global, "*main.orderServer", Some(0xc000_1000)),
            step("baseCtx", Via::Field, "context.cancelCtx", Some(0xc000_2000)),
            step("children", Via::Field, "map[context.canceler]struct {}", Some(0xc000_3000)),
            step("[…]", Via::Key, "context.timerCtx", None),
        ],
        allocated_at: vec![Site { function: "main.audit".into(), file: file.clone(), line: 43, share: 0.97 }],
        held_by: Some(HeldBy {
            goroutine_group: "main.audit.func1 [chan receive]".into(),
            count: 6300,
            wait: "chan receive".into(),
            function: "main.audit.func1".into(),
            file: file.clone(),
            line: 45,
        }),
        fix: Some(Fix {
            file,
            line: 43,
            advice: "Keep the cancel function and call it on every way out.".into(),
        }),
        because: vec![0, 1],
    }
}

/// A report in which every field says something.
pub(crate) fn leaky() -> Report {
    Report {
        target: Target {
            pid: Some(4711),
            exe: "orders".into(),
            go: "go1.26.6".into(),
            arch: "amd64".into(),
            build_id: "aa55".into(),
            debug: DebugInfoKind::Dwarf,
        },
        window: Window {
            from: "2026-11-23T20:00:00.000Z".into(),
            to: "2026-11-23T20:00:20.000Z".into(),
            seconds: 20.0,
            pauses_ms: vec![3.1, 3.4],
            predicted_ms: vec![Some(4.0), None],
            modes: vec!["fork".into(), "fork".into()],
        },
        memory: Memory {
            rss: 190 << 20,
            heap_live: 150 << 20,
            heap_garbage: 6 << 20,
            heap_idle: 4 << 20,
            fragmentation: 3 << 20,
            stacks: 14 << 20,
            gc_metadata: 5 << 20,
            native: 0,
            mapped_files: 8 << 20,
        },
        findings: vec![leak()],
        forecast: Some(Forecast {
            limit_bytes: 512 << 20,
            limit_source: LimitSource::Cgroup,
            seconds_to_limit: 274.0,
            low: 200.0,
            high: 420.0,
        }),
        evidence: vec![
            evidence(
                Source::Heap,
                "6300 context.timerCtx hang in main.server.baseCtx.children.[…]: 300 at the first snapshot, of which 300 stayed",
                6300.0,
                0.0,
                "leakscope heap why 4711 context.timerCtx",
            ),
            evidence(
                Source::Pprof,
                "the process's own dump counts 6302 goroutines there",
                6302.0,
                0.0,
                "curl -s http://h/g",
            ),
            evidence(
                Source::Heap,
                "912,001 live objects in 800 groups",
                912_001.0,
                0.0,
                "leakscope heap types 4711",
            ),
        ],
        gaps: vec![Gap::new("trace", "no trace was taken")],
    }
}

/// Nothing leaks.
pub(crate) fn healthy() -> Report {
    Report { findings: Vec::new(), forecast: None, gaps: Vec::new(), ..leaky() }
}
