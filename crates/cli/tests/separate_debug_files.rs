//! Debug information in a file of its own, as distributions and build pipelines part it from the program: found where
//! such files lie, taken only if it belongs, and never fetched unasked.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "the tests start programs, write files and play the server"
)]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use support::debuggers::gcore;
use support::matrix::{Matrix, fixture};
use support::{Run, command};
use tempfile::TempDir;

/// A program without debug information, and the file that it was parted from.
struct Parted {
    folder: TempDir,
    program: PathBuf,
    debug: PathBuf,
}

impl Parted {
    /// Parts a build; the program links to its file where `link` is given.
    fn of(build: &str, link: Link) -> Parted {
        let folder = tempfile::tempdir().expect("a folder");
        let (home, away) = (folder.path().join("srv/app"), folder.path().join("away"));
        [&home, &away].iter().for_each(|folder| fs::create_dir_all(folder).expect("it is ours"));
        let (whole, program, debug) = (fixture(build), home.join("matrix"), away.join("matrix.debug"));
        objcopy(&["--only-keep-debug"], &whole, &debug);
        objcopy(&["--strip-all"], &whole, &program);
        if link == Link::Yes {
            objcopy(&[&format!("--add-gnu-debuglink={}", debug.display())], &program, &program);
        }
        Parted { folder, program, debug }
    }

    fn start(&self) -> Matrix {
        Matrix::run(&self.program, &[])
    }

    /// A path below the folder, whose own folder is there.
    fn place(&self, path: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).expect("it is ours");
        path
    }

    /// Puts the debug file there.
    fn install(&self, path: &str) -> PathBuf {
        let place = self.place(path);
        fs::copy(&self.debug, &place).expect("it is ours");
        place
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Link {
    Yes,
    No,
}

#[test]
fn a_link_is_followed_to_every_usual_place() {
    let parted = Parted::of("matrix-go1.26.6", Link::Yes);
    let program = parted.start();
    asked(&program, &[])
        .lacks_debug_information(&["srv/app/matrix.debug (not there)", ".debug/matrix.debug (not there)"]);
    let folder = parted.program.parent().unwrap().strip_prefix("/").unwrap().to_owned();
    let below = Path::new("other").join(folder).join("matrix.debug");
    for (place, options) in [
        ("srv/app/matrix.debug", &[][..]),
        ("srv/app/.debug/matrix.debug", &[]),
        (below.to_str().unwrap(), &["--debug-dir", "other"]),
        ("flat/matrix.debug", &["--debug-dir", "nowhere", "--debug-dir", "flat"]),
    ] {
        let installed = parted.install(place);
        let options: Vec<String> = options.iter().map(|word| below_folder(&parted, word)).collect();
        asked(&program, &options).holds_the_truth_of(&program);
        fs::remove_file(installed).expect("it is ours");
    }
}

/// Options are options; all other words are folders of the test.
fn below_folder(parted: &Parted, word: &str) -> String {
    match word.starts_with("--") {
        true => word.to_owned(),
        false => parted.folder.path().join(word).display().to_string(),
    }
}

#[test]
fn a_file_is_found_by_the_build_id_of_gnu_and_of_go() {
    // Go's linker writes no GNU build ID before Go 1.24: there the ID is Go's own, in hex.
    for build in ["matrix-go1.26.6", "matrix-cgo-go1.22.10", "matrix-go1.22.10"] {
        let parted = Parted::of(build, Link::No);
        let program = parted.start();
        let id = build_id(&parted.program);
        parted.install(&format!("debug/.build-id/{}/{}.debug", &id[..2], &id[2..]));
        asked(&program, &["--debug-dir".to_owned(), below_folder(&parted, "debug")])
            .holds_the_truth_of(&program);
    }
}

#[test]
fn a_core_finds_the_file_beside_its_executable() {
    let parted = Parted::of("matrix-cgo-pie-go1.23.9", Link::Yes);
    let program = parted.start();
    let core = gcore(program.pid(), parted.place("core/x").parent().unwrap());
    let target = |options: &[&str]| {
        let core = core.to_str().unwrap();
        leakscope(&[&["heap", "types", core, "--limit", "1000", "--json"], options].concat())
    };
    target(&[]).lacks_debug_information(&["matrix.debug (not there)"]);
    parted.install("srv/app/matrix.debug");
    target(&[]).holds_the_truth_of(&program);
}

#[test]
fn what_does_not_belong_is_passed_over_and_said() {
    let parted = Parted::of("matrix-go1.26.6", Link::Yes);
    let other = Parted::of("matrix-go1.27.3", Link::Yes);
    let program = parted.start();
    fs::copy(&other.debug, parted.place("srv/app/matrix.debug")).expect("it is ours");
    asked(&program, &[]).lacks_debug_information(&["another file: its checksum is"]);
    parted.install("srv/app/.debug/matrix.debug");
    let said = asked(&program, &[]);
    said.holds_the_truth_of(&program);
    let gaps = said.0.json()["gaps"].to_string();
    assert!(gaps.contains("srv/app/matrix.debug: another file: its checksum is"), "{gaps}");
}

#[test]
fn a_file_that_the_user_names_is_the_right_one_or_an_error() {
    let parted = Parted::of("matrix-pie-go1.27.3", Link::No);
    let other = Parted::of("matrix-pie-go1.26.6", Link::No);
    let program = parted.start();
    let named = |path: &Path| asked(&program, &["--debug-file".to_owned(), path.display().to_string()]);
    named(&parted.debug).holds_the_truth_of(&program);
    named(&fixture("matrix-pie-go1.27.3")).holds_the_truth_of(&program);
    named(&other.debug).could_not(&["matrix.debug cannot be used", "of another build: its build ID is"]);
    named(&parted.program).could_not(&["it holds no debug information"]);
    named(&parted.place("missing")).could_not(&["missing cannot be used", "not there"]);
    named(Path::new("/dev/zero")).could_not(&["no regular file"]);
}

#[test]
fn the_report_says_that_debug_information_is_separate() {
    let parted = Parted::of("matrix-go1.26.6", Link::Yes);
    let program = parted.start();
    parted.install("srv/app/matrix.debug");
    let run = leakscope(&["diagnose", &program.pid().to_string(), "--for", "0s", "--json"]).0;
    assert_eq!(run.json()["target"]["debug"], "separate", "{run:?}");
}

#[test]
fn a_container_s_own_files_are_looked_at() {
    let parted = Parted::of("matrix-go1.26.6", Link::Yes);
    parted.install("usr/lib/debug/srv/app/matrix.debug");
    let root = parted.folder.path().to_str().unwrap();
    let enter = fixture_runner(&["unshare", "--map-root-user", "--mount", "--root", root, "/srv/app/matrix"]);
    asked(&enter, &[]).holds_the_truth_of(&enter);
}

/// The heap, run by another program that becomes it.
fn fixture_runner(words: &[&str]) -> Matrix {
    let (program, arguments) = words.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(arguments);
    Matrix::of(command, Path::new(words[words.len() - 1]), 1)
}

#[test]
fn a_server_is_asked_only_on_demand_and_once() {
    let parted = Parted::of("matrix-go1.26.6", Link::No);
    let program = parted.start();
    let server = Server::start(&build_id(&parted.program), fs::read(&parted.debug).expect("it is there"));
    let cache = parted.folder.path().join("cache");
    let ask = |options: &[&str]| {
        let pid = program.pid().to_string();
        let mut command = command(&[&["heap", "types", &pid, "--limit", "1000", "--json"], options].concat());
        command
            .env("DEBUGINFOD_URLS", format!("http://127.0.0.1:9/ {}", server.url))
            .env("XDG_CACHE_HOME", &cache);
        Said(Run::of(command.output().expect("it starts")))
    };
    ask(&[]).lacks_debug_information(&["--debuginfod"]);
    assert_eq!(server.requests(), 0, "nothing is asked unless the user says so");
    ask(&["--debuginfod"]).holds_the_truth_of(&program);
    assert_eq!(server.requests(), 1);
    ask(&["--debuginfod"]).holds_the_truth_of(&program);
    assert_eq!(server.requests(), 1, "the file is kept");
}

#[test]
fn a_server_that_has_another_file_or_none_is_said() {
    let parted = Parted::of("matrix-go1.26.6", Link::No);
    let program = parted.start();
    let id = build_id(&parted.program);
    let pid = program.pid().to_string();
    let ask = |url: &str| {
        let mut command =
            command(&["heap", "types", &pid, "--json", "--debuginfod", "--debuginfod-timeout", "2s"]);
        command.env("DEBUGINFOD_URLS", url).env("XDG_CACHE_HOME", parted.folder.path());
        Said(Run::of(command.output().expect("it starts")))
    };
    let other = Parted::of("matrix-go1.27.3", Link::No);
    let wrong = Server::start(&id, fs::read(&other.debug).expect("it is there"));
    ask(&wrong.url).lacks_debug_information(&["of another build"]);
    let none = Server::start("0123", Vec::new());
    ask(&none.url).lacks_debug_information(&["it does not have the file"]);
    ask("http://127.0.0.1:9").lacks_debug_information(&["cannot connect"]);
    ask(" ").could_not(&["DEBUGINFOD_URLS, which is not set"]);
}

#[test]
fn compressed_debug_sections_are_unpacked() {
    let folder = tempfile::tempdir().expect("a folder");
    for way in ["zlib", "zlib-gnu", "zstd"] {
        let packed = folder.path().join(format!("matrix-{way}"));
        objcopy(
            &[&format!("--compress-debug-sections={way}")],
            &fixture("matrix-plain-dwarf-go1.27.3"),
            &packed,
        );
        let program = Matrix::run(&packed, &[]);
        asked(&program, &[]).holds_the_truth_of(&program);
    }
}

/// What was said to `heap types`.
struct Said(Run);

impl Said {
    /// Every named type has as many objects as the program made.
    fn holds_the_truth_of(&self, program: &Matrix) {
        let said = self.0.json();
        for (name, count) in program.types() {
            let rows = said["rows"].as_array().expect("rows");
            let found: u64 = rows
                .iter()
                .filter(|row| row["type"] == name.as_str())
                .map(|row| row["objects"].as_u64().expect("a number"))
                .sum();
            assert_eq!(found, count, "objects of {name}: {said:#}");
        }
    }

    /// The answer, or the error, says where the file was looked for; no type has a name from debug information.
    fn lacks_debug_information(&self, words: &[&str]) {
        let text = match self.0.status {
            0 => gaps_of(&self.0.json()),
            _ => self.0.err.clone(),
        };
        for word in [&["the program carries no debug information"], words].concat() {
            assert!(text.contains(word), "{word:?} is not in: {text}");
        }
    }

    fn could_not(&self, words: &[&str]) {
        self.0.could_not(words);
    }
}

fn gaps_of(said: &Value) -> String {
    let gaps = said["gaps"].as_array().expect("gaps");
    gaps.iter().map(|gap| gap["reason"].as_str().expect("a reason")).collect::<Vec<_>>().join("\n")
}

fn asked(program: &Matrix, options: &[String]) -> Said {
    let pid = program.pid().to_string();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    leakscope(&[&["heap", "types", &pid, "--limit", "1000", "--json"], &*options].concat())
}

fn leakscope(arguments: &[&str]) -> Said {
    Said(support::leakscope(arguments))
}

fn objcopy(options: &[&str], from: &Path, to: &Path) {
    let made =
        Command::new("objcopy").args(options).arg(from).arg(to).output().expect("binutils: run ./test");
    assert!(made.status.success(), "{made:?}");
}

/// The build ID under which debug files are kept, as other tools tell it.
fn build_id(program: &Path) -> String {
    let said = Command::new("readelf").args(["-nW"]).arg(program).output().expect("binutils: run ./test");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    if let Some((_, id)) = said.split_once("Build ID: ") {
        return id.split_whitespace().next().expect("an ID").to_owned();
    }
    let (_, bytes) = said.split_once("description data: ").expect("Go's build ID");
    bytes.lines().next().expect("a line").split_whitespace().collect()
}

/// A debuginfod server with one file.
struct Server {
    url: String,
    requests: Arc<AtomicUsize>,
}

impl Server {
    fn start(id: &str, file: Vec<u8>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let (counted, path) = (Arc::clone(&requests), format!("GET /buildid/{id}/debuginfo "));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = answer(connection.expect("a connection"), &path, &file);
            }
        });
        Server { url, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn answer(mut connection: TcpStream, path: &str, file: &[u8]) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let len = connection.read(&mut request)?;
    let (status, body) = match request[..len].starts_with(path.as_bytes()) {
        true => ("200 OK", file),
        false => ("404 Not Found", &b"not here"[..]),
    };
    write!(connection, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    connection.write_all(body)
}
