//! Servers that misbehave, each in its own way, and what we say of them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a test that plays the server")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use leakscope_collect::http::{get, get_profile};
use leakscope_collect::{HttpError, HttpLimits};

/// Answers one request with `answer`, then keeps the connection open for `hold`. Returns the URL.
fn serve(answer: Vec<u8>, hold: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/debug/pprof/heap", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = [0; 4096];
        let _ = connection.read(&mut request);
        let _ = connection.write_all(&answer);
        std::thread::sleep(hold);
    });
    url
}

fn answer(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}").into()
}

fn limits() -> HttpLimits {
    let short = Duration::from_millis(400);
    HttpLimits { connect: short, total: short, bytes: 1 << 20 }
}

const AT_ONCE: Duration = Duration::ZERO;
const LONG: Duration = Duration::from_secs(3);

#[test]
fn a_profile_arrives_whole() {
    let url = serve(answer("200 OK", "application/octet-stream", "bytes"), AT_ONCE);
    assert_eq!(get_profile(&url, &limits()).unwrap(), b"bytes");
}

#[test]
fn silence_ends_in_time() {
    for sent in [&b""[..], b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"] {
        let url = serve(sent.to_vec(), LONG);
        let begun = Instant::now();
        let err = get(&url, &limits()).unwrap_err();
        assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
        assert!(matches!(err, HttpError::Hangs { .. }), "{err:?}");
        let said = err.to_string();
        assert!(said.starts_with(&format!("{url}: no whole answer within 0.4 s")), "{said}");
    }
}

#[test]
fn a_missing_handler_names_the_import() {
    let url = serve(answer("404 Not Found", "text/plain", "404 page not found\n"), AT_ONCE);
    assert_eq!(
        get(&url, &limits()).unwrap_err().to_string(),
        format!(
            "{url}: answered 404: \"404 page not found\"; there is no such handler: \
             import _ \"net/http/pprof\" in the service, and check host, port and path"
        )
    );
}

#[test]
fn a_login_page_is_no_profile() {
    let url = serve(answer("200 OK", "text/html", "\n<!DOCTYPE html><title>Sign in</title>"), AT_ONCE);
    let err = get_profile(&url, &limits()).unwrap_err();
    assert!(err.to_string().contains("answered with a web page, not a profile"), "{err}");
}

#[test]
fn half_a_body_says_how_much_came() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789".to_vec();
    let err = get(&serve(half, AT_ONCE), &limits()).unwrap_err();
    assert!(err.to_string().contains("half an answer: 10 bytes of 1000 came, then "), "{err}");

    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n".to_vec();
    let err = get(&serve(chunked, AT_ONCE), &limits()).unwrap_err();
    assert!(err.to_string().contains("half an answer: 5 bytes came, then "), "{err}");
}

#[test]
fn an_endless_body_is_cut() {
    let mut endless = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    endless.resize(3 << 20, b'x');
    let err = get(&serve(endless, AT_ONCE), &limits()).unwrap_err();
    assert!(err.to_string().contains("the answer has more than 1048576 bytes"), "{err}");
}

#[test]
fn nobody_there_and_no_address() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let err = get(&format!("http://{free}/"), &limits()).unwrap_err();
    assert!(matches!(err, HttpError::NoConnection { .. }), "{err:?}");
    let err = get("http://", &limits()).unwrap_err();
    assert!(matches!(err, HttpError::BadUrl { .. }), "{err:?}");
}

#[test]
fn another_protocol_is_no_http() {
    let err = get(&serve(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03".to_vec(), AT_ONCE), &limits())
        .unwrap_err();
    assert!(matches!(err, HttpError::NotHttp { .. }), "{err:?}");
    let err = get(&serve(Vec::new(), AT_ONCE), &limits()).unwrap_err();
    assert!(matches!(err, HttpError::NotHttp { .. }), "{err:?}");
}
