//! One small heap, built by every release of Go in every way that Go programs are built: what is said of it is what it
//! says of itself, whatever built it, live and in a core.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests start programs and read what they say"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use support::debuggers::gcore;
use support::leakscope;
use support::matrix::Matrix;

/// Every build with debug information.
const BUILDS: [&str; 28] = [
    "matrix-go1.21.13",
    "matrix-go1.22.10",
    "matrix-go1.23.9",
    "matrix-go1.24.3",
    "matrix-go1.25.5",
    "matrix-go1.26.6",
    "matrix-go1.27.3",
    "matrix-full-paths-go1.24.3",
    "matrix-plain-dwarf-go1.23.9",
    "matrix-plain-dwarf-go1.27.3",
    "matrix-nodwarf5-go1.25.5",
    "matrix-nodwarf5-go1.27.3",
    "matrix-noswissmap-go1.24.3",
    "matrix-noswissmap-go1.25.5",
    "matrix-greenteagc-go1.25.5",
    "matrix-nogreenteagc-go1.26.6",
    "matrix-pie-go1.21.13",
    "matrix-pie-go1.24.3",
    "matrix-pie-go1.26.6",
    "matrix-pie-go1.27.3",
    "matrix-cgo-go1.22.10",
    "matrix-cgo-go1.25.5",
    "matrix-cgo-pie-go1.23.9",
    "matrix-cgo-pie-go1.26.6",
    "golibs matrix-lib-go1.21.13",
    "golibs matrix-lib-go1.24.3",
    "golibs matrix-lib-go1.26.6",
    "golibs matrix-lib-go1.27.3",
];

/// Builds whose symbols and debug information are taken away.
const STRIPPED: [&str; 14] = [
    "matrix-stripped-go1.21.13",
    "matrix-stripped-go1.22.10",
    "matrix-stripped-go1.23.9",
    "matrix-stripped-go1.24.3",
    "matrix-stripped-go1.25.5",
    "matrix-stripped-go1.26.6",
    "matrix-stripped-go1.27.3",
    "matrix-pie-go1.21.13",
    "matrix-pie-go1.27.3",
    "matrix-cgo-go1.25.5",
    "matrix-cgo-pie-go1.26.6",
    "matrix-noswissmap-go1.25.5",
    "matrix-nogreenteagc-go1.26.6",
    "golibs matrix-lib-go1.24.3",
];

/// The builds of which a core is read too: each release once, and a library.
const CORES: [&str; 8] = [
    "matrix-go1.21.13",
    "matrix-go1.22.10",
    "matrix-cgo-pie-go1.23.9",
    "matrix-go1.24.3",
    "matrix-cgo-go1.25.5",
    "matrix-pie-go1.26.6",
    "matrix-go1.27.3",
    "golibs matrix-lib-go1.26.6",
];

#[test]
fn a_live_process_is_what_it_says_of_itself() {
    for build in BUILDS {
        let program = Matrix::start(build);
        let pid = program.pid().to_string();
        types_are_counted(build, &program, &[&pid]);
        objects_are_counted(build, &program, &[&pid]);
        paths_are_named(build, &program, &[&pid]);
        goroutines_are_counted(build, &program, &[&pid]);
    }
}

#[test]
fn a_program_without_debug_information_is_the_same_heap() {
    let folder = tempfile::tempdir().expect("a folder");
    for build in STRIPPED {
        let words: Vec<PathBuf> = build.split(' ').map(|name| stripped(name, folder.path())).collect();
        let (executable, libraries) = words.split_first().expect("a name");
        let program = Matrix::run(executable, libraries);
        let pid = program.pid().to_string();
        goroutines_are_counted(build, &program, &[&pid]);
        objects_are_counted(build, &program, &[&pid]);
        let said = ask(&["heap", "types"], &[&pid], &["--limit", "1000"]);
        for (name, count) in program.types() {
            let found = objects_of(&said, name);
            // What only variables on a stack hold may stay unknown, but nothing is taken for another type.
            let told = name != "matrix/shop.Request";
            assert!(found == count || (found < count && !told), "{build}: {found} of {count} {name}");
        }
    }
}

/// A build without symbols and debug information.
fn stripped(name: &str, folder: &Path) -> PathBuf {
    let whole = support::matrix::fixture(name);
    let bare = folder.join(name);
    let made = Command::new("strip").arg("-s").arg("-o").arg(&bare).arg(&whole).output();
    let made = made.expect("binutils: run ./test");
    assert!(made.status.success(), "{made:?}");
    bare
}

#[test]
fn a_core_is_what_its_process_said_of_itself() {
    for build in CORES {
        let program = Matrix::start(build);
        let folder = tempfile::tempdir().expect("a folder");
        let core = gcore(program.pid(), folder.path());
        let target = [path(&core), "--exe", path(program.executable())];
        types_are_counted(build, &program, &target);
        goroutines_are_counted(build, &program, &target);
    }
}

/// Each named type has exactly as many objects as the program made, and nearly all bytes have a type.
fn types_are_counted(build: &str, program: &Matrix, target: &[&str]) {
    let said = ask(&["heap", "types"], target, &["--limit", "1000"]);
    for (name, count) in program.types() {
        assert_eq!(objects_of(&said, name), count, "{build}: objects of {name}");
    }
    let coverage = &said["coverage"];
    let [typed, reachable] = ["typed_bytes", "reachable_bytes"].map(|part| coverage[part].as_f64().unwrap());
    assert!(typed / reachable > 0.98, "{build}: {typed} bytes of {reachable} have a type");
    assert_eq!(said["gaps"].as_array().map(Vec::len), Some(0), "{build}: {}", said["gaps"]);
}

fn objects_of(said: &Value, ty: &str) -> u64 {
    let rows = rows(said).iter().filter(|row| row["type"] == ty);
    rows.map(|row| row["objects"].as_u64().unwrap()).sum()
}

/// All objects, but for those few that the program made to tell how many they are.
fn objects_are_counted(build: &str, program: &Matrix, target: &[&str]) {
    let said = ask(&["heap", "summary"], target, &[]);
    let (found, told) = (said["objects"].as_u64().unwrap(), program.count("heap_objects"));
    assert!(found.abs_diff(told) < 100, "{build}: {found} objects; the runtime counted {told}");
}

/// Each kind of way on which the program holds its objects.
fn paths_are_named(build: &str, program: &Matrix, target: &[&str]) {
    for (ty, root, ways) in [
        ("matrix/shop.Note", "matrix/shop.store.Orders", &["[…]", "Lines", "[…].Note"][..]),
        ("matrix/shop.Square", "matrix/shop.store.Shapes", &["[…]"]),
        ("matrix/shop.Label", "matrix/shop.store.Labels", &["Value"]),
        ("matrix/shop.Job", "matrix/shop.store.Jobs", &["buf", "[…]"]),
    ] {
        let said = ask(&["heap", "why"], &[target, &[ty]].concat(), &["--limit", "100"]);
        let paths = said["paths"].as_array().unwrap();
        let on_this_way = paths.iter().filter(|path| {
            let names: Vec<&str> =
                path["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
            names.first() == Some(&root) && ways.iter().all(|way| names.iter().any(|name| name == way))
        });
        let found: u64 = on_this_way.map(|path| path["objects"].as_u64().unwrap()).sum();
        // The notes of the one order that jobs hold as well hang on a way of their own.
        let count = program.count(ty);
        assert!(count - 1 <= found && found <= count, "{build}: {found} of {count} {ty} on {paths:#?}");
    }
    let said = ask(&["heap", "why"], &[target, &["matrix/shop.Request"]].concat(), &["--limit", "100"]);
    let paths = said["paths"].as_array().unwrap();
    let locals = paths.iter().filter(|path| path["steps"][0]["name"] == "matrix/shop.wait: request");
    let found: u64 = locals.map(|path| path["objects"].as_u64().unwrap()).sum();
    assert_eq!(found, program.count("matrix/shop.Request"), "{build}: {paths:#?}");
}

fn goroutines_are_counted(build: &str, program: &Matrix, target: &[&str]) {
    let said = ask(&["goroutines"], target, &["--group", "stack"]);
    let group = rows(&said).iter().find(|row| row["function"] == "matrix/shop.wait");
    let group = group.unwrap_or_else(|| panic!("{build}: {said:#?}"));
    assert_eq!(group["count"].as_u64(), Some(program.count("waiting")), "{build}");
    assert_eq!(group["wait"], "chan receive", "{build}");
    assert_eq!(group["created_by"]["function"], "matrix/shop.Open", "{build}");
}

/// The answer to a question, as JSON.
fn ask(question: &[&str], target: &[&str], options: &[&str]) -> Value {
    let run = leakscope(&[question, target, options, &["--json"]].concat());
    assert_eq!(run.status, 0, "{question:?} {target:?}: {run:?}");
    run.json()
}

fn rows(said: &Value) -> &[Value] {
    said["rows"].as_array().expect("rows")
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
