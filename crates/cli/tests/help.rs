//! What every command says of itself.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the tests start the program"
)]

mod support;

use support::leakscope;

#[test]
fn help_of_every_command() {
    let commands: &[&[&str]] = &[
        &[],
        &["demo"],
        &["diagnose"],
        &["capture"],
        &["heap"],
        &["heap", "summary"],
        &["heap", "types"],
        &["heap", "find"],
        &["heap", "list"],
        &["heap", "object"],
        &["heap", "why"],
        &["heap", "referrers"],
        &["heap", "roots"],
        &["heap", "dominators"],
        &["heap", "leaked"],
        &["heap", "breakdown"],
        &["heap", "memstats"],
        &["heap", "spans"],
        &["heap", "arenas"],
        &["heap", "caches"],
        &["heap", "diff"],
        &["heap", "export"],
        &["heap", "waste"],
        &["goroutines"],
        &["explain"],
        &["completions"],
        &["man"],
    ];
    for &command in commands {
        let run = leakscope(&[command, &["--help"]].concat());
        assert_eq!((run.status, run.err.as_str()), (0, ""), "{command:?}");
        let name = if command.is_empty() { "leakscope".to_owned() } else { command.join("-") };
        insta::assert_snapshot!(format!("help-{name}"), run.out);
    }
}

#[test]
fn explanations_of_every_rule() {
    let run = leakscope(&["explain"]);
    assert_eq!(run.status, 0);
    insta::assert_snapshot!("explain", run.out);
    leakscope(&["explain", "GO-XYZ-999"]).could_not(&["no rule is called GO-XYZ-999", "GO-CTX-001"]);
}

#[test]
fn completions_and_the_manual_name_every_command() {
    let manual = leakscope(&["man"]);
    let script = leakscope(&["completions", "bash"]);
    for command in ["demo", "diagnose", "capture", "heap", "goroutines", "explain"] {
        assert!(manual.out.contains(command) && script.out.contains(command), "{command}");
    }
    assert!(!manual.out.contains("__watchdog") && !script.out.contains("__watchdog"));
}

#[test]
fn a_mistake_on_the_command_line_is_status_2() {
    leakscope(&["diagnose"]).could_not(&["<TARGET>"]);
    leakscope(&["diagnose", "1", "--for", "3y"]).could_not(&["`y` is no unit of time"]);
    leakscope(&["heap", "why", "1", "0xzz"]).could_not(&["0xzz is no address in hex"]);
}
