//! Dependencies go one way, as the table of the design says.

mod sources;

use std::process::Command;

use serde_json::Value;

/// Each crate and the crates that it may name; the order is the way of the data.
const LAYERS: &[(&str, &[&str])] = &[
    ("leakscope-model", &[]),
    ("leakscope-target", &["leakscope-model"]),
    ("leakscope-goruntime", &["leakscope-model", "leakscope-target"]),
    ("leakscope-heap", &["leakscope-model", "leakscope-target", "leakscope-goruntime"]),
    ("leakscope-pprof", &["leakscope-model"]),
    ("leakscope-trace", &["leakscope-model"]),
    ("leakscope-report", &["leakscope-model"]),
    ("leakscope-collect", &["leakscope-model", "leakscope-target"]),
    ("leakscope-diagnose", &["leakscope-model", "leakscope-pprof", "leakscope-trace", "leakscope-heap"]),
    (
        "leakscope",
        &[
            "leakscope-model",
            "leakscope-target",
            "leakscope-goruntime",
            "leakscope-heap",
            "leakscope-pprof",
            "leakscope-trace",
            "leakscope-report",
            "leakscope-collect",
            "leakscope-diagnose",
        ],
    ),
    ("xtask", &[]),
];

#[test]
fn the_table_itself_goes_one_way() {
    for (rank, (name, may)) in LAYERS.iter().enumerate() {
        for below in *may {
            let earlier = LAYERS.iter().take(rank).any(|(other, _)| other == below);
            assert!(earlier, "{name} may name {below}, which does not stand above it in the table");
        }
    }
}

#[test]
fn no_crate_names_one_that_it_must_not_know() {
    let edges = edges();
    assert!(edges.len() > 15, "only {} dependencies found", edges.len());
    let forbidden: Vec<String> = edges
        .iter()
        .filter(|(from, to)| !LAYERS.iter().any(|(name, may)| name == from && may.contains(&to.as_str())))
        .map(|(from, to)| format!("{from} -> {to}"))
        .collect();
    assert!(forbidden.is_empty(), "dependencies against the way of the data: {}", forbidden.join(", "));
}

/// Dependencies of the workspace's crates on one another; those of tests are free.
fn edges() -> Vec<(String, String)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(sources::root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("there are packages").clone();
    let mut edges = Vec::new();
    for package in &packages {
        let from = package["name"].as_str().expect("a package has a name");
        assert!(LAYERS.iter().any(|(name, _)| *name == from), "{from} is not in the table of layers");
        for dependency in package["dependencies"].as_array().expect("a package lists dependencies") {
            if dependency["path"].is_string() && dependency["kind"] != "dev" {
                edges.push((from.to_owned(), dependency["name"].as_str().unwrap_or_default().to_owned()));
            }
        }
    }
    edges
}
