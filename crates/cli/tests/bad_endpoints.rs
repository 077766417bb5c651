//! Endpoints that do not answer as net/http/pprof does: a message where nothing else is there, a gap beside a heap.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "the tests play the endpoint"
)]

#[path = "../../target/tests/support/go_process.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod go_process;
mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use go_process::GoProcess;
use support::leakscope;

/// Answers every request with the same bytes, then closes; answers nothing at all where there are none.
fn endpoint(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else { continue };
            std::thread::spawn(move || {
                // A request of ours is short and comes in one piece.
                let _ = connection.read(&mut [0; 4096]);
                if answer.is_empty() {
                    std::thread::sleep(Duration::from_secs(60));
                }
                let _ = connection.write_all(answer.as_bytes());
            });
        }
    });
    format!("http://{address}")
}

const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n404 page not found\n";
const WEB_PAGE: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 28\r\n\r\n<html><body>hello</body>....";
const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\ngoroutine 1 [running]:\nmain.ma";

fn diagnose(url: &str) -> support::Run {
    leakscope(&["diagnose", url, "--for", "0s", "--pprof-timeout", "2s"])
}

#[test]
fn alone_it_is_an_error_that_names_the_address() {
    let url = endpoint(NOT_FOUND);
    diagnose(&url).could_not(&[&url, "404"]);
    let url = endpoint(WEB_PAGE);
    diagnose(&url).could_not(&[&url, "web page"]);
    let url = endpoint(HALF);
    diagnose(&url).could_not(&[&url]);
    diagnose("http://127.0.0.1:1").could_not(&["http://127.0.0.1:1"]);
}

#[test]
fn one_that_hangs_is_given_up() {
    let url = endpoint("");
    let begun = Instant::now();
    diagnose(&url).could_not(&[&url]);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn beside_a_process_it_is_a_gap() {
    let service = GoProcess::start("quiet-go1.26.6", &[]);
    let pid = service.pid().to_string();
    let url = endpoint(NOT_FOUND);
    let run = leakscope(&["diagnose", &pid, "--for", "0s", "--pprof", &url, "--json"]);
    assert_eq!(run.status, 0, "{run:?}");
    let report = run.json();
    let gaps = report["gaps"].as_array().expect("gaps");
    let told = gaps
        .iter()
        .any(|gap| gap["part"] == "pprof" && gap["reason"].as_str().is_some_and(|why| why.contains("404")));
    assert!(told, "{gaps:#?}");
}
