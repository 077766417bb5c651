//! Questions about objects, paths and types, held against what the program says of itself.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests start processes and read files"
)]

#[path = "../../target/tests/support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;
mod support;

use go_process::{GoProcess, fixture};
use serde_json::Value;
use support::debuggers::gcore;
use support::leakscope;

const VERSIONS: [&str; 4] = ["1.22.10", "1.24.3", "1.26.6", "1.27.3"];

/// The program `questions`, and what it says of itself.
struct Questions {
    process: GoProcess,
    truth: Value,
}

impl Questions {
    /// Started with every allocation sampled, or at the rate that is given.
    fn start(build: &str, rate: &str) -> Questions {
        let process = GoProcess::start(build, &[rate]);
        let truth = process.ready.strip_prefix("READY ").expect("READY and JSON");
        let truth = serde_json::from_str(truth).expect("JSON");
        Questions { process, truth }
    }

    fn pid(&self) -> String {
        self.process.pid().to_string()
    }

    fn addr(&self, name: &str) -> &str {
        self.truth["addr"][name].as_str().unwrap_or_else(|| panic!("no address of {name}"))
    }

    fn count(&self, name: &str) -> u64 {
        self.truth["count"][name].as_u64().unwrap_or_else(|| panic!("no count of {name}"))
    }

    /// Asks the process.
    fn ask(&self, words: &[&str]) -> Value {
        ask(&self.pid(), words)
    }
}

/// Asks `target`: the command's first words, the target, the rest.
fn ask(target: &str, words: &[&str]) -> Value {
    let run = leakscope(&line(target, words, "--json"));
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{words:?}");
    run.json()
}

fn line<'a>(target: &'a str, words: &[&'a str], format: &'a str) -> Vec<&'a str> {
    let command = if words[0] == "heap" { 2 } else { 1 };
    let mut line = words[..command].to_vec();
    line.push(target);
    line.extend(&words[command..]);
    line.push(format);
    line
}

/// The answer as text, without what differs from run to run.
fn text(target: &str, words: &[&str]) -> String {
    let run = leakscope(&line(target, words, "--format=text"));
    assert_eq!((run.status, run.err.as_str()), (0, ""), "{words:?}");
    let answer = run.out.split("\ntypes known for").next().unwrap();
    // How full a span is and by which of its lines the runtime allocates is up to the runtime.
    let differs = |line: &&str| line.starts_with("  span ") || line.starts_with("  runtime.mallocgc ");
    let answer: String = answer.lines().filter(|line| !differs(line)).flat_map(|line| [line, "\n"]).collect();
    let mut parts = answer.split("0x");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        out.push_str("0x…");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    out
}

fn rows(answer: &Value) -> &Vec<Value> {
    answer["rows"].as_array().expect("rows")
}

fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    let fields = value["fields"].as_array().unwrap_or_else(|| panic!("no fields in {value}"));
    fields.iter().find(|field| field["name"] == name).unwrap_or_else(|| panic!("no field {name} in {value}"))
}

fn ints(list: &Value) -> Vec<i64> {
    list["elements"]
        .as_array()
        .expect("elements")
        .iter()
        .map(|element| element["value"].as_i64().unwrap())
        .collect()
}

#[test]
fn an_object_shows_every_kind_of_value() {
    for go in VERSIONS {
        let program = Questions::start(&format!("questions-go{go}"), "1");
        let words = ["heap", "object", program.addr("every"), "--depth", "2", "--elements", "5"];
        check_values(&program, &program.ask(&words), go);
    }
}

fn check_values(program: &Questions, answer: &Value, go: &str) {
    assert_eq!(answer["type"], "main.Every", "{go}");
    let value = &answer["contents"];
    let number = |name: &str| field(value, name)["value"].clone();
    for (name, truth) in
        [("i8", -8), ("i16", -1616), ("i32", -323_232), ("i64", -6_464_646_464i64), ("word", 1_234_567)]
    {
        assert_eq!(number(name), truth, "{name} of {go}");
    }
    for (name, truth) in
        [("u8", 250), ("u16", 65_000), ("u32", 4_000_000_000), ("u64", 18_000_000_000_000_000_000u64)]
    {
        assert_eq!(number(name), truth, "{name} of {go}");
    }
    assert_eq!((number("yes"), number("up")), (true.into(), 0xab_cdef.into()), "{go}");
    assert_eq!((number("f32"), number("f64")), (1.5.into(), (-2.25e-7).into()), "{go}");
    let complex =
        |name: &str| (field(value, name)["real"].as_f64(), field(value, name)["imaginary"].as_f64());
    assert_eq!((complex("c64"), complex("c128")), ((Some(1.0), Some(-2.0)), (Some(0.5), Some(4.0))), "{go}");
    assert_eq!((number("text"), number("empty")), ("grüße, Welt".into(), "".into()), "{go}");
    assert_eq!(
        field(value, "quoted")["hex"],
        "6120227175 6f746522 2c0a00ff 20656e64".replace(' ', ""),
        "{go}"
    );
    assert_eq!(
        (&field(value, "long")["len"], &field(value, "long")["cut"]),
        (&1000.into(), &true.into()),
        "{go}"
    );
    let whole = field(value, "ints");
    assert_eq!(
        (ints(whole), &whole["len"], &whole["cap"]),
        (vec![10, 20, 30, 40, 50], &5.into(), &8.into()),
        "{go}"
    );
    assert_eq!(whole["at"], program.addr("ints"), "{go}");
    assert_eq!(ints(field(value, "array")), [1, -2, 3, -4], "{go}");
    assert_eq!(
        (&field(value, "none")["nil"], &field(value, "bare")["nil"]),
        (&true.into(), &false.into()),
        "{go}"
    );
    assert_eq!(field(&field(value, "structs")["elements"][2], "depth")["value"], 7, "{go}");
    check_references(program, value, go);
    check_containers(program, value, go);
}

fn check_references(program: &Questions, value: &Value, go: &str) {
    let pointer = field(value, "ptr");
    assert_eq!(pointer["to"], program.addr("leafy"), "{go}");
    assert_eq!(field(&pointer["target"], "label")["value"], "leaf", "{go}");
    assert_eq!(
        (&field(value, "null")["nil"], &field(value, "nothing")["nil"]),
        (&true.into(), &true.into()),
        "{go}"
    );
    let any = &field(value, "any")["value"];
    assert_eq!((&any["type"], &any["to"]), (&"*main.leafy".into(), &program.addr("leafy").into()), "{go}");
    let boxed = &field(value, "boxed")["value"];
    assert_eq!((&boxed["type"], &boxed["value"]), (&"int".into(), &4242.into()), "{go}");
    let error = &field(value, "err")["value"];
    assert_eq!(error["type"], "*errors.errorString", "{go}");
    assert_eq!(field(&error["target"], "s")["value"], "it went wrong", "{go}");
    let stringer = &field(value, "stringer")["value"];
    assert_eq!(
        (&stringer["type"], &stringer["value"]),
        (&"time.Duration".into(), &1_000_000_000.into()),
        "{go}"
    );
    let next = field(field(field(value, "in"), "deeper"), "next");
    assert_eq!(next["to"], program.addr("in.next"), "{go}");
    assert_eq!(field(&next["target"], "depth")["value"], 2, "{go}");
    let function = field(value, "fn");
    assert_eq!(function["function"], "main.makeEvery.func1", "{go}");
    // The debug information says where captured variables lie since Go 1.23.
    if go != "1.22.10" {
        let captured = &function["captured"][0];
        assert_eq!((&captured["name"], &captured["value"]), (&"captured".into(), &41.into()), "{go}");
    }
    let when = field(value, "when");
    assert_eq!(when["seconds"], program.count("every.when.unix"), "{go}");
    assert_eq!(when["nanoseconds"], program.count("every.when.nanosecond"), "{go}");
    assert_eq!(field(value, "utc")["value"], "2024-02-29T12:34:56.789Z", "{go}");
    assert_eq!(field(value, "zero")["value"], "0001-01-01T00:00:00Z", "{go}");
    assert_eq!(
        (&field(value, "pair")["type"], &field(value, "span")["value"]),
        (&"main.List[main.leafy]".into(), &90_000_000_000u64.into()),
        "{go}"
    );
}

/// Keys and elements of a map, as text, in order.
fn entries(map: &Value) -> Vec<(String, String)> {
    let side = |value: &Value| match &value["value"] {
        Value::Null => value["fields"].to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let list = map["entries"].as_array().expect("entries");
    let mut entries: Vec<_> = list.iter().map(|entry| (side(&entry["key"]), side(&entry["value"]))).collect();
    entries.sort();
    entries
}

fn check_containers(program: &Questions, value: &Value, go: &str) {
    let pairs = |list: &[(&str, &str)]| -> Vec<(String, String)> {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let small = field(value, "small");
    assert_eq!(
        (entries(small), &small["len"]),
        (pairs(&[("a", "1"), ("b", "2"), ("c", "3")]), &3.into()),
        "{go}"
    );
    assert_eq!(entries(field(value, "numbers")), pairs(&[("-5", "0.5"), ("6", "1.25")]), "{go}");
    assert_eq!(field(value, "set")["entries"][0]["key"]["value"], "in", "{go}");
    let point = &field(value, "structKey")["entries"][0];
    assert_eq!(
        (&field(&point["key"], "x")["value"], &field(&point["key"], "y")["value"]),
        (&3.into(), &(-4).into()),
        "{go}"
    );
    assert_eq!(point["value"]["value"], "a point", "{go}");
    let (hollow, absent) = (field(value, "hollow"), field(value, "absent"));
    assert_eq!(
        (&hollow["len"], &hollow["nil"], &absent["nil"]),
        (&0.into(), &false.into(), &true.into()),
        "{go}"
    );
    let large = field(value, "large");
    assert_eq!(large["len"], 1000, "{go}");
    let found = large["entries"].as_array().unwrap();
    assert_eq!(found.len(), 5, "{go}");
    for entry in found {
        let key = entry["key"]["value"].as_str().unwrap().strip_prefix("key ").expect("its key").to_owned();
        let leaf = &entry["value"]["target"];
        assert_eq!(field(leaf, "label")["value"], format!("value {key}"), "{go}");
        assert_eq!(field(leaf, "id")["value"].to_string(), key, "{go}");
    }
    let queue = field(value, "queue");
    assert_eq!((ints(queue), &queue["len"], &queue["cap"]), (vec![5, 6], &2.into(), &4.into()), "{go}");
    let _ = program;
}

#[test]
fn every_entry_of_a_large_map_is_shown_if_asked_for() {
    for go in ["1.22.10", "1.26.6"] {
        let program = Questions::start(&format!("questions-go{go}"), "1");
        let answer = program.ask(&["heap", "object", program.addr("every"), "--elements", "2000"]);
        let found = entries(field(&answer["contents"], "large"));
        let mut keys: Vec<String> = found.into_iter().map(|(key, _)| key).collect();
        keys.dedup();
        assert_eq!(keys.len(), 1000, "{go}");
        // One entry in a map with room for thousands: a global, so its header is found by its reference.
        let emptied = program.ask(&["heap", "find", "-type", "map[int]*main.leafy"]);
        let header = rows(&emptied)[0]["addr"].as_str().unwrap().to_owned();
        let answer = program.ask(&["heap", "object", &header]);
        assert_eq!(
            (&answer["contents"]["len"], answer["contents"]["entries"].as_array().unwrap().len()),
            (&1.into(), 1),
            "{go}"
        );
        assert_eq!(answer["contents"]["entries"][0]["key"]["value"], 9, "{go}");
    }
}

#[test]
fn an_address_inside_an_object_finds_it_and_names_the_field() {
    let program = Questions::start("questions-go1.26.6", "1");
    let answer = program.ask(&["heap", "object", program.addr("every.f64")]);
    assert_eq!((&answer["addr"], &answer["field"]), (&program.addr("every").into(), &"f64".into()));
    let answer = program.ask(&["heap", "object", program.addr("ints[3]")]);
    assert_eq!((&answer["addr"], &answer["offset"]), (&program.addr("ints").into(), &24.into()));
    assert_eq!((&answer["type"], &answer["field"]), (&"[]int".into(), &"[3]".into()));
    let stack = answer["allocated_at"].as_array().expect("every allocation is sampled");
    assert!(stack.iter().any(|frame| frame["function"] == "main.makeEvery"), "{stack:?}");
    leakscope(&["heap", "object", &program.pid(), "0x10"]).could_not(&["0x10 lies in no allocated object"]);
    let code = leakscope(&["heap", "object", &program.pid(), "0x401000"]);
    code.could_not(&["questions-go1.26.6"]);
}

#[test]
fn a_stripped_program_shows_its_values_too() {
    let program = Questions::start("questions-stripped-go1.26.6", "1");
    let answer = program.ask(&["heap", "object", program.addr("every"), "--depth", "2"]);
    assert_eq!(answer["type"], "main.Every", "{answer:#}");
    let value = &answer["contents"];
    assert_eq!(field(value, "i64")["value"], -6_464_646_464i64);
    assert_eq!(field(value, "text")["value"], "grüße, Welt");
    let small = field(value, "small");
    assert_eq!((&small["len"], entries(small).len()), (&3.into(), 3), "{small:#}");
}

#[test]
fn the_most_different_ways_and_the_merged_ones() {
    let program = Questions::start("questions-go1.26.6", "1");
    let pid = program.pid();
    let answer = program.ask(&["heap", "why", program.addr("token"), "--paths", "9"]);
    let names: Vec<String> = answer["paths"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| {
            let steps = path["steps"].as_array().unwrap();
            assert_eq!(steps.last().unwrap()["addr"], program.addr("token"));
            steps.iter().map(|step| step["name"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_eq!(names[..3], ["main.byPointer", "main.byHolder inside deep", "main.byMap […]"]);
    assert_eq!(names[3..], ["main.byChain next next held"]);
    let answer = program.ask(&["heap", "why", "main.cart"]);
    let tree = answer["tree"].as_array().unwrap();
    assert_eq!((tree.len(), &tree[0]["objects"]), (1, &program.count("main.cart").into()), "{answer:#}");
    assert_eq!(answer["paths"][0]["objects"], program.count("main.cart"));
    insta::assert_snapshot!(
        "why-an-object",
        text(&pid, &["heap", "why", program.addr("token"), "--paths", "4"])
    );
    insta::assert_snapshot!("why-a-type", text(&pid, &["heap", "why", "main.c*t"]));
    insta::assert_snapshot!("object", text(&pid, &["heap", "object", program.addr("tree.right")]));
    insta::assert_snapshot!("dominators", text(&pid, &["heap", "dominators", "--at", program.addr("tree")]));
    insta::assert_snapshot!("referrers", text(&pid, &["heap", "referrers", program.addr("token")]));
}

#[test]
fn patterns_find_types_and_sizes_find_objects() {
    let program = Questions::start("questions-go1.24.3", "1");
    for (pattern, truth) in [
        ("*main.cart", 500),
        ("cart", 500),
        ("main.?art", 500),
        ("/^main\\.(cart|session)$/", 1000),
        ("List[*]", 0),
    ] {
        let run = leakscope(&["heap", "find", &program.pid(), "-type", pattern, "--limit", "5000", "--json"]);
        let found = if run.status == 0 { rows(&run.json()).len() } else { 0 };
        assert_eq!(found, truth, "{pattern}: {}", run.err);
    }
    let large = program.ask(&["heap", "list", "-min", "300KiB"]);
    let types: Vec<&str> = rows(&large).iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["[]*main.sampledSmall"], "{large:#}");
}

#[test]
fn referrers_of_a_type_are_grouped_and_roots_are_among_them() {
    for go in VERSIONS {
        let program = Questions::start(&format!("questions-go{go}"), "1");
        let answer = program.ask(&["heap", "referrers", "main.order"]);
        let held: Vec<(&str, &str, u64)> = rows(&answer)
            .iter()
            .map(|row| {
                (
                    row["type"].as_str().unwrap(),
                    row["name"].as_str().unwrap(),
                    row["objects"].as_u64().unwrap(),
                )
            })
            .collect();
        let orders = program.count("main.order");
        let truth = [("container/list.Element", "Value", orders), ("map[int64]*main.order", "[…]", orders)];
        assert!(truth.iter().all(|row| held.contains(row)), "{held:?} of {go}");
        let answer = program.ask(&["heap", "referrers", program.addr("token")]);
        let names: Vec<&str> = rows(&answer).iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(names[0], "main.byPointer", "{go}");
        assert!(["deep", "held", "[…]"].iter().all(|name| names.contains(name)), "{names:?} of {go}");
    }
}

#[test]
fn roots_of_every_kind_keep_what_the_program_says() {
    for build in ["questions-go1.24.3", "questions-go1.27.3", "questions-cgo-go1.26.6"] {
        let program = Questions::start(build, "1");
        let of_kind = |kind: &str| {
            let answer = program.ask(&["heap", "roots", "--kind", kind, "--limit", "1000"]);
            rows(&answer).iter().map(|row| row["retained_bytes"].as_u64().unwrap()).sum::<u64>()
        };
        // 20 timers hold 40 words each.
        assert!(of_kind("timer") >= program.count("main.keptByTimer") * 320, "{build}");
        assert!(of_kind("cleanup") >= 480, "{build}");
        assert!(of_kind("goroutine") >= program.count("main.own") * 560 + 720, "{build}");
        let globals = program.ask(&["heap", "roots", "--kind", "global"]);
        let large = &rows(&globals)[0];
        assert_eq!(
            (&large["name"], &large["retained_objects"]),
            (&"main.largeOnes".into(), &2001.into()),
            "{build}"
        );
        if build.contains("cgo") {
            assert!(of_kind("cgo-handle") >= 400, "{build}");
        }
    }
}

#[test]
fn goroutines_keep_what_they_hold_alone_and_groups_what_they_share() {
    for go in VERSIONS {
        let program = Questions::start(&format!("questions-go{go}"), "1");
        let answer = program.ask(&["goroutines", "--group", "variable"]);
        let variable = |name: &str| {
            let row = rows(&answer).iter().find(|row| row["variable"] == name);
            row.unwrap_or_else(|| panic!("no variable {name} in {go}"))
        };
        let (buffer, with) = (variable("buffer"), variable("with"));
        assert_eq!(
            (&buffer["count"], &buffer["objects"]),
            (&program.count("workers").into(), &program.count("main.own").into()),
            "{go}"
        );
        assert_eq!(
            (&with["count"], &with["objects"], &with["retained_bytes"]),
            (&program.count("sharers").into(), &1.into(), &768.into()),
            "{go}"
        );
        assert_eq!((&buffer["function"], &buffer["type"]), (&"main.work".into(), &"main.own".into()), "{go}");
        let holding = program.ask(&["goroutines", "--holds", program.addr("shared")]);
        assert_eq!(rows(&holding).len() as u64, program.count("sharers"), "{go}");
        let hold = &rows(&holding)[0]["holds"][0];
        assert_eq!((&hold["variable"], &hold["direct"]), (&"with".into(), &true.into()), "{go}");
        let alone = program.ask(&["goroutines", "--holds", program.addr("alone")]);
        assert_eq!(
            (rows(&alone).len(), &rows(&alone)[0]["function"]),
            (1, &"main.lonely".into()),
            "{go}: {alone:#}"
        );
        let sorted = program.ask(&["goroutines", "--sort", "retained", "--limit", "1"]);
        assert!(
            rows(&sorted)[0]["retained_bytes"].as_u64() >= rows(&alone)[0]["retained_bytes"].as_u64(),
            "{go}"
        );
    }
}

#[test]
fn places_of_allocation_are_exact_at_full_rate_and_within_their_error_else() {
    let place = |program: &Questions, name: &str| {
        let answer = program.ask(&["heap", "types", "--by", "alloc-stack", "--limit", "10000"]);
        let found =
            rows(&answer).iter().find(|row| row["group"].as_str().unwrap().starts_with(name)).cloned();
        found.unwrap_or_else(|| panic!("no place {name}"))
    };
    let exact = Questions::start("questions-go1.26.6", "1");
    for (name, fact) in [("main.newSmall:", "main.sampledSmall"), ("main.newLarge:", "main.sampledLarge")] {
        let row = place(&exact, name);
        let truth = exact.count(fact);
        assert_eq!(
            (&row["objects"], &row["samples"], &row["error_objects"]),
            (&truth.into(), &truth.into(), &0.0.into())
        );
        assert_eq!(row["retained_bytes"], Value::Null);
    }
    for rate in ["8192", "65536"] {
        let sampled = Questions::start("questions-go1.26.6", rate);
        for (name, fact) in [("main.newSmall:", "main.sampledSmall"), ("main.newLarge:", "main.sampledLarge")]
        {
            let row = place(&sampled, name);
            let (objects, error) = (row["objects"].as_f64().unwrap(), row["error_objects"].as_f64().unwrap());
            let truth = sampled.count(fact) as f64;
            // Seven standard deviations: wrong once in 10^11 runs.
            assert!(
                (objects - truth).abs() < 7.0 * error && error < truth,
                "{name} at {rate}: {objects} ± {error}, truly {truth}"
            );
            assert!(row["samples"].as_u64().unwrap() < sampled.count(fact));
        }
    }
}

#[test]
fn groups_of_types_add_up() {
    let program = Questions::start("questions-go1.26.6", "1");
    for by in ["package", "size-class", "root", "goroutine"] {
        let answer = program.ask(&["heap", "types", "--by", by, "--limit", "100000"]);
        let bytes: u64 = rows(&answer).iter().map(|row| row["bytes"].as_u64().unwrap()).sum();
        assert_eq!(bytes, answer["coverage"]["reachable_bytes"].as_u64().unwrap(), "{by}");
    }
    let packages = program.ask(&["heap", "types", "--by", "package"]);
    assert_eq!(rows(&packages)[0]["group"], "main");
}

#[test]
fn a_core_tells_the_same_and_a_capture_all_but_contents() {
    let program = Questions::start("questions-go1.26.6", "1");
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("q.leakscope");
    let capture = capture.to_str().unwrap();
    let made = leakscope(&["capture", &program.pid(), "-o", capture, "--for", "0s"]);
    assert_eq!(made.status, 0, "{made:?}");
    let core = gcore(program.process.pid(), folder.path());
    let exe = fixture("questions-go1.26.6");
    let (core, exe) = (core.to_str().unwrap(), exe.to_str().unwrap());
    let words = ["heap", "object", program.addr("every"), "--exe", exe];
    let answer = ask(core, &words);
    assert_eq!(field(&answer["contents"], "text")["value"], "grüße, Welt");
    let answer = ask(capture, &["heap", "object", program.addr("every")]);
    assert_eq!(
        (&answer["type"], &answer["contents"], &answer["age"]),
        (&"main.Every".into(), &Value::Null, &Value::Null)
    );
    assert!(answer["gaps"].to_string().contains("no contents"), "{}", answer["gaps"]);
    let questions: [&[&str]; 6] = [
        &["heap", "why", program.addr("token")],
        &["heap", "referrers", "main.order"],
        &["heap", "dominators", "--limit", "3", "--depth", "1"],
        &["heap", "types", "--by", "root", "--limit", "5"],
        &["heap", "roots", "--kind", "timer"],
        &["goroutines", "--group", "variable", "--limit", "5"],
    ];
    for words in questions {
        let (live, saved) = (program.ask(words), ask(capture, words));
        for part in ["rows", "paths"] {
            assert_eq!(live[part], saved[part], "{words:?}");
        }
    }
}

#[test]
fn the_recording_tells_the_age_of_an_object() {
    let found = ask("demo:grpc", &["heap", "find", "-type", "context.timerCtx", "--limit", "100000"]);
    let (mut old, mut young) = (0, 0);
    for row in rows(&found).iter().step_by(rows(&found).len() / 20 + 1) {
        let answer = ask("demo:grpc", &["heap", "object", row["addr"].as_str().unwrap()]);
        old += u32::from(answer["age"]["at_least_seconds"].is_f64());
        young += u32::from(answer["age"]["at_most_seconds"].is_f64());
    }
    assert!(old + young >= 10 && young > 0, "{old} and {young}");
}
