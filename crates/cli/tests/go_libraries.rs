//! Go in a program of another language: linked in, or loaded as a library, one or several.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests start programs and read what they say"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::debuggers::gcore;
use support::matrix::{Matrix, fixture};
use support::{Run, leakscope};

/// Go that a C program is linked with is a part of its executable.
#[test]
fn an_archive_is_read_in_the_program_that_it_was_linked_into() {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, host) = (folder.path().join("host.c"), folder.path().join("host"));
    let text = "#include <unistd.h>\nvoid MatrixOpen(void);\n\
                int main(void) { char byte; MatrixOpen(); return read(0, &byte, 1) < 0; }\n";
    fs::write(&source, text).expect("it is ours");
    let archive = fixture("matrix-archive-go1.26.6");
    let linked = Command::new("cc").arg("-o").args([&host, &source, &archive]).arg("-lpthread").output();
    let linked = linked.expect("a C compiler: run ./test");
    assert!(linked.status.success(), "{linked:?}");
    let program = Matrix::run(&host, &[]);
    truth_is_told(&leakscope(&types(&program.pid().to_string(), &[])), &program);
}

#[test]
fn of_several_go_runtimes_the_user_names_one() {
    let (old, new) = ("matrix-lib-go1.24.3", "matrix-lib-go1.26.6");
    let program = Matrix::start(&format!("golibs {old} {new}"));
    let pid = program.pid().to_string();
    let said = ["heap", "types", &pid];
    leakscope(&said).could_not(&["it holds 2 Go runtimes", old, new, "--library"]);
    leakscope(&[&said[..], &["--library", "libc"]].concat()).could_not(&[
        "no Go library called libc",
        old,
        new,
    ]);
    for (library, other) in [(old, new), (new, old)] {
        let run = leakscope(&types(&pid, &["--library", library]));
        truth_is_told(&run, &program);
        let gaps = run.json()["gaps"].to_string();
        assert!(gaps.contains("another Go runtime") && gaps.contains(other), "{library}: {gaps}");
    }
}

/// A library is read from its file, which need not be there any more, or be the same, when a core is read.
#[test]
fn the_library_of_a_core_is_the_right_one_or_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name).join("libshop.so");
    for (name, build) in [("loaded", "matrix-lib-go1.26.6"), ("other", "matrix-lib-go1.24.3")] {
        fs::create_dir(folder.path().join(name)).expect("it is ours");
        fs::copy(fixture(build), place(name)).expect("it is built");
    }
    let program = Matrix::run(&fixture("golibs"), &[place("loaded")]);
    let core = gcore(program.pid(), folder.path());
    let core = path(&core);
    truth_is_told(&leakscope(&types(core, &[])), &program);
    fs::create_dir(folder.path().join("kept")).expect("it is ours");
    fs::rename(place("loaded"), place("kept")).expect("it is ours");
    leakscope(&types(core, &[])).could_not(&["these could not be read", path(&place("loaded")), "--library"]);
    truth_is_told(&leakscope(&types(core, &["--library", path(&place("kept"))])), &program);
    leakscope(&types(core, &["--library", path(&place("other"))]))
        .could_not(&["the core and its library do not go together", "taken of another build"]);
}

#[test]
fn a_library_has_a_debug_file_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let (library, debug) = (folder.path().join("libshop.so"), folder.path().join("libshop.debug"));
    let whole = fixture("matrix-lib-go1.27.3");
    for (options, from, to) in [
        (vec!["--only-keep-debug".to_owned()], &whole, &debug),
        (
            vec!["--strip-all".to_owned(), format!("--add-gnu-debuglink={}", debug.display())],
            &whole,
            &library,
        ),
    ] {
        let made = Command::new("objcopy").args(options).args([from, to]).output();
        assert!(made.expect("binutils: run ./test").status.success());
    }
    let program = Matrix::run(&fixture("golibs"), &[library]);
    truth_is_told(&leakscope(&types(&program.pid().to_string(), &[])), &program);
}

fn types<'w>(target: &'w str, options: &[&'w str]) -> Vec<&'w str> {
    [&["heap", "types", target, "--limit", "1000", "--json"], options].concat()
}

/// Every named type has as many objects as the program made.
fn truth_is_told(run: &Run, program: &Matrix) {
    let said = run.json();
    let rows = said["rows"].as_array().expect("rows");
    for (name, count) in program.types() {
        let found: u64 = rows
            .iter()
            .filter(|row| row["type"] == name.as_str())
            .map(|row| row["objects"].as_u64().expect("a number"))
            .sum();
        assert_eq!(found, count, "objects of {name}: {said:#}");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}
