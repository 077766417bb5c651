//! Every form of header and frame that Go 1.21 to 1.27 print, and texts cut off.
//!
//! The forms are those of runtime/traceback.go (goroutineheader, traceback2) of each version.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests end where a text must read")]

use leakscope_model::Addr;
use leakscope_pprof::{DumpedGoroutine, GoroutineCounts, GoroutineDump};
use proptest::prelude::*;

fn one(header: &str) -> DumpedGoroutine {
    let text = format!("{header}\nmain.f(0x1)\n\t/srv/main.go:12 +0x1d\n\n");
    let mut dump = GoroutineDump::parse(text.as_bytes()).unwrap();
    assert_eq!((dump.entries.len(), dump.gaps.len()), (1, 0), "{header}");
    dump.entries.remove(0)
}

#[test]
fn headers_of_every_version() {
    for (header, status, wait, seconds) in [
        ("goroutine 1 [running]:", "running", None, None),
        ("goroutine 1 [runnable (scan)]:", "runnable", None, None),
        ("goroutine 9 [chan receive]:", "waiting", Some("chan receive"), None),
        (
            "goroutine 9 [chan receive (nil chan), 2 minutes]:",
            "waiting",
            Some("chan receive (nil chan)"),
            Some(120.0),
        ),
        (
            "goroutine 9 [select (no cases), 1440 minutes]:",
            "waiting",
            Some("select (no cases)"),
            Some(86_400.0),
        ),
        (
            "goroutine 9 [IO wait (scan), 3 minutes, locked to thread]:",
            "waiting",
            Some("IO wait"),
            Some(180.0),
        ),
        ("goroutine 9 [syscall, 7 minutes]:", "syscall", None, Some(420.0)),
        (
            "goroutine 9 [sync.Mutex.Lock (leaked), 5 minutes]:",
            "waiting",
            Some("sync.Mutex.Lock"),
            Some(300.0),
        ),
        ("goroutine 9 [sleep (durable), synctest bubble 4]:", "waiting", Some("sleep"), None),
        ("goroutine 9 [chan receive labels:{\"a\": \"b]c\"}]:", "waiting", Some("chan receive"), None),
        (
            "goroutine 9 [chan receive, 1 minutes] {a: b, \"c\\n\": d}:",
            "waiting",
            Some("chan receive"),
            Some(60.0),
        ),
        ("goroutine 9 gp=0x23e4a71ec1e0 m=nil [GC sweep wait]:", "waiting", Some("GC sweep wait"), None),
    ] {
        let goroutine = one(header).goroutine;
        assert_eq!(goroutine.status, status, "{header}");
        assert_eq!(goroutine.wait.as_deref(), wait, "{header}");
        assert_eq!(goroutine.wait_seconds, seconds, "{header}");
    }
    assert!(one("goroutine 9 [IO wait, locked to thread]:").locked);
    assert!(one("goroutine 9 [sync.Mutex.Lock (leaked)]:").leaked);
    assert_eq!(one("goroutine 9 gp=0x23e4 m=0 mp=0x5eece0 [idle]:").g, Some(Addr::new(0x23e4)));
}

#[test]
fn frames_creators_and_what_the_runtime_leaves_out() {
    let text = "panic: boom\n\ngoroutine 34 [chan receive, 5 minutes]:\n\
        main.inner(...)\n\t/srv/a dir/in.go:7\n\
        main.(*T[...]).Do(0xc000010000, {0x1, ...})\n\t/srv/main.go:12 +0x1d\n\
        ...23 frames elided...\n\
        runtime.goexit({})\n\t/usr/local/go/src/runtime/asm_amd64.s:1700 +0x1\n\
        created by main.main.func1 in goroutine 1\n\t/srv/main.go:40 +0x8b\n\
        [originating from goroutine 1]:\n\
        main.main(...)\n\t/srv/main.go:41 +0x20\n\n\
        goroutine 35 [running]:\n\tgoroutine running on other thread; stack unavailable\n\
        created by main.old\n\t/srv/main.go:50 +0x8b\n";
    let dump = GoroutineDump::parse(text.as_bytes()).unwrap();
    assert_eq!(dump.gaps, []);
    let [first, second] = &dump.entries[..] else { panic!("{dump:?}") };
    let frames: Vec<String> = first.goroutine.stack.iter().map(ToString::to_string).collect();
    assert_eq!(
        frames,
        [
            "main.inner /srv/a dir/in.go:7",
            "main.(*T[...]).Do /srv/main.go:12",
            "runtime.goexit /usr/local/go/src/runtime/asm_amd64.s:1700"
        ]
    );
    assert_eq!([true, false, false], [0, 1, 2].map(|index| first.goroutine.stack[index].inlined));
    assert_eq!(first.goroutine.created_by.as_ref().unwrap().to_string(), "main.main.func1 /srv/main.go:40");
    assert_eq!(first.created_by_goroutine, Some(1));
    assert_eq!(&*first.goroutine.start.as_ref().unwrap().function, "main.(*T[...]).Do");
    assert_eq!(first.frames_elided, 23);
    assert_eq!(second.goroutine.stack, []);
    assert_eq!(&*second.goroutine.created_by.as_ref().unwrap().function, "main.old");
    assert_eq!(second.created_by_goroutine, None);
}

#[test]
fn a_crash_cut_twice_keeps_what_it_has_and_says_what_is_missing() {
    let dump = GoroutineDump::parse(include_bytes!("recorded/crash.txt")).unwrap();
    let ids: Vec<u64> = dump.entries.iter().map(|entry| entry.goroutine.id).collect();
    assert_eq!(ids, [0, 1, 2, 3, 19, 20, 21]);
    let reasons: Vec<&str> = dump.gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "goroutine 3: no file and line behind runtime.gcenable",
            "the dump is cut off at byte 5361, in goroutine 21; ask for it again"
        ]
    );
    let system: Vec<bool> = dump.entries.iter().map(|entry| entry.goroutine.system).collect();
    assert_eq!(system, [false, false, true, false, false, false, false], "3 has lost its creator");
    let leaf = dump.entries[4].goroutine.stack.iter().find(|frame| !frame.is_runtime()).unwrap();
    assert_eq!(leaf.to_string(), "main.handleLocal /srv/leak.go:27");
}

#[test]
fn what_is_no_dump_says_what_it_is() {
    let said = |bytes: &[u8]| GoroutineDump::parse(bytes).unwrap_err().to_string();
    assert_eq!(said(b""), "empty: no profile was written; ask for it again");
    assert_eq!(
        said(b"<!DOCTYPE html>\n<html><head><title>Sign in</title>"),
        "a web page (\"Sign in\"), not a profile: the address must end in /debug/pprof/heap or the like, \
         and no proxy or login may answer in its place"
    );
    assert_eq!(
        said(b"404 page not found\n"),
        "text, not a profile: \"404 page not found\"; \
         check the address and that net/http/pprof is registered there"
    );
    assert_eq!(
        said(&[0x1f, 0x8b, 8, 0]),
        "a compressed profile, not a goroutine dump: ask for it with ?debug=2"
    );
    let err = GoroutineCounts::parse(include_bytes!("recorded/heap-debug1.txt")).unwrap_err().to_string();
    assert!(err.contains("a heap profile as text (debug=1)") || err.contains("goroutine profile"), "{err}");
}

#[test]
fn counts_that_do_not_add_up_are_a_gap() {
    let text = "goroutine profile: total 5\n3 @ 0x43e0ad 0x4077e5\n# labels: {\"k\":\"v\"}\n\
        #\t0x43e0ac\tmain.wait+0x2c\t\t/srv/main.go:12\n#\t0x4077e4\tmain.run+0x4\t/srv/main.go:9\n";
    let counts = GoroutineCounts::parse(text.as_bytes()).unwrap();
    assert_eq!(counts.groups[0].stack[1].to_string(), "main.run /srv/main.go:9");
    assert_eq!(&*counts.groups[0].labels, "{\"k\":\"v\"}");
    assert_eq!(counts.groups[0].addresses, [Addr::new(0x43_e0ad), Addr::new(0x40_77e5)]);
    assert_eq!(
        counts.gaps[0].reason,
        format!("3 of 5 goroutines are in the text, which ends at byte {}", text.len())
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in "(goroutine [0-9]{1,20} (gp=0x[0-9a-f]{0,20} )?\\[[a-z (),0-9]{0,20}\\]:|[ -~]{0,30}|\\PC{0,9}|\n|\t){0,30}") {
        let _ = (GoroutineDump::parse(text.as_bytes()), GoroutineCounts::parse(text.as_bytes()));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = (GoroutineDump::parse(&bytes), GoroutineCounts::parse(&bytes));
    }

    /// However short the dump is cut, what it still holds is read as before.
    #[test]
    fn a_cut_loses_only_what_is_behind_it(cut in 100usize..48_000) {
        let whole = GoroutineDump::parse(include_bytes!("recorded/goroutine-debug2.txt")).unwrap();
        let part = GoroutineDump::parse(&include_bytes!("recorded/goroutine-debug2.txt")[..cut]).unwrap();
        let kept = part.entries.len() - 1;
        prop_assert_eq!(&part.entries[..kept], &whole.entries[..kept]);
    }
}
