//! `heap waste` held against a program that counts what it wastes.
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

use go_process::GoProcess;
use serde_json::Value;
use support::leakscope;

fn rows(answer: &Value) -> &[Value] {
    answer["rows"].as_array().expect("rows")
}

fn row<'a>(answer: &'a Value, kind: &str, place: &str) -> Option<&'a Value> {
    rows(answer).iter().find(|row| row["kind"] == kind && row["place"] == place)
}

#[test]
fn what_the_program_wastes_is_found_where_it_says() {
    for go in ["1.22.10", "1.24.3", "1.26.6"] {
        let process = GoProcess::start(&format!("waste-go{go}"), &[]);
        let said: Value = serde_json::from_str(process.ready.strip_prefix("READY ").unwrap()).unwrap();
        let pid = process.pid().to_string();
        let answer = leakscope(&["heap", "waste", &pid, "--json", "--limit", "100000"]).json();
        for fact in said["waste"].as_array().unwrap() {
            let (kind, place) = (fact["kind"].as_str().unwrap(), fact["place"].as_str().unwrap());
            let found = row(&answer, kind, place).unwrap_or_else(|| panic!("{go}: no {kind} at {place}"));
            assert_eq!(
                (&found["objects"], &found["bytes"]),
                (&fact["objects"], &fact["bytes"]),
                "{go}: {found}"
            );
            assert_eq!(found["exact"], true, "{go}: {found}");
        }
        assert!(row(&answer, "capacity", "main.full.items").is_none(), "a full slice wastes nothing");
        let parts = row(&answer, "held by a part", "main.part.text").expect("parts of large texts");
        assert_eq!(parts["objects"], 50, "{go}: {parts}");
        let maps: Vec<&Value> = rows(&answer).iter().filter(|row| row["kind"] == "emptied map").collect();
        let [emptied] = maps.as_slice() else { panic!("{go}: {maps:?}") };
        assert!(
            ["map[int]int", "map<int,int>", "hash<int,int>"].contains(&emptied["place"].as_str().unwrap()),
            "{emptied}"
        );
        // 20,000 entries of 16 bytes had room.
        assert!(
            emptied["objects"] == 1 && emptied["bytes"].as_u64().unwrap() > 20_000 * 16,
            "{go}: {emptied}"
        );
        let equal = row(&answer, "equal strings", "main.named.name").unwrap();
        assert_eq!(equal["text"], "0123456789012345678901234567890123456789…");
    }
}

#[test]
fn texts_are_shown_only_if_wanted_and_a_capture_has_none() {
    let process = GoProcess::start("waste-go1.26.6", &[]);
    let pid = process.pid().to_string();
    let silent = leakscope(&["heap", "waste", &pid, "--contents", "none", "--json"]);
    assert!(row(&silent.json(), "equal strings", "main.named.name").is_some());
    assert!(!silent.out.contains("0123456789012345"), "{}", silent.out);
    let text = leakscope(&["heap", "waste", &pid]).out;
    assert!(text.contains("slices.Clone") && text.contains("main.view.head"), "{text}");
    leakscope(&["heap", "waste", "demo:grpc"]).could_not(&["a capture holds no lengths and texts"]);
}
