//! One HTTP GET that cannot hang, and whose failures say what to do.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::http::Response;
use ureq::{Agent, Body};

use crate::error::HttpError;

/// How long we wait and how much we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// To connect.
    pub connect: Duration,
    /// For all of it, the connection and the body included.
    pub total: Duration,
    /// Most bytes of the body, after decompression by HTTP.
    pub bytes: u64,
}

impl Default for HttpLimits {
    /// 2 s to connect, 30 s for all, 256 MiB.
    fn default() -> HttpLimits {
        HttpLimits { connect: Duration::from_secs(2), total: Duration::from_secs(30), bytes: 256 << 20 }
    }
}

impl HttpLimits {
    /// The same, with `more` time: for profiles that the server takes its time to record.
    pub fn and(self, more: Duration) -> HttpLimits {
        HttpLimits { total: self.total + more, ..self }
    }
}

/// The body of what `url` answers.
///
/// # Errors
/// Every kind of [`HttpError`] but a web page, which only [`get_profile`] refuses.
pub fn get(url: &str, limits: &HttpLimits) -> Result<Vec<u8>, HttpError> {
    let begun = Instant::now();
    let mut response = agent(url, limits).get(url).call().map_err(|err| refused(url, limits, err))?;
    let body = read_body(url, &mut response, limits)?;
    // A server may dribble a byte at a time below every timeout but this one.
    if limits.total < begun.elapsed() {
        return Err(hangs(url, limits, body.len() as u64));
    }
    match response.status().as_u16() {
        200 => Ok(body),
        status => Err(HttpError::Status {
            url: url.to_owned(),
            status,
            says: first_line(&body),
            remedy: remedy_for(status),
        }),
    }
}

/// As [`get`], refusing web pages: no profile begins with `<`.
///
/// # Errors
/// Every kind of [`HttpError`].
pub fn get_profile(url: &str, limits: &HttpLimits) -> Result<Vec<u8>, HttpError> {
    let body = get(url, limits)?;
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match start {
        Some(b'<') => Err(HttpError::Html { url: url.to_owned() }),
        _ => Ok(body),
    }
}

fn agent(url: &str, limits: &HttpLimits) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(limits.connect))
        .timeout_global(Some(limits.total))
        .user_agent(concat!("leakscope/", env!("CARGO_PKG_VERSION")));
    // A proxy cannot reach what listens on our own loopback.
    match is_loopback(url) {
        true => config.proxy(None).build().new_agent(),
        false => config.build().new_agent(),
    }
}

fn is_loopback(url: &str) -> bool {
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own))
}

fn read_body(url: &str, response: &mut Response<Body>, limits: &HttpLimits) -> Result<Vec<u8>, HttpError> {
    let expected = response.body().content_length();
    let mut body = Vec::new();
    let mut reader = response.body_mut().with_config().limit(u64::MAX).reader();
    let outcome = (&mut reader).take(limits.bytes.saturating_add(1)).read_to_end(&mut body);
    let got = body.len() as u64;
    match outcome {
        Ok(_) if got <= limits.bytes => Ok(body),
        Ok(_) => Err(HttpError::TooBig { url: url.to_owned(), limit: limits.bytes }),
        Err(err) if is_timeout(&err) => Err(hangs(url, limits, got)),
        Err(err) => Err(HttpError::HalfBody {
            url: url.to_owned(),
            got,
            of: expected.map_or_else(String::new, |all| format!(" of {all}")),
            reason: err.to_string(),
        }),
    }
}

fn is_timeout(err: &std::io::Error) -> bool {
    let inner = err.get_ref().and_then(|inner| inner.downcast_ref::<ureq::Error>());
    err.kind() == std::io::ErrorKind::TimedOut || matches!(inner, Some(ureq::Error::Timeout(_)))
}

fn hangs(url: &str, limits: &HttpLimits, got: u64) -> HttpError {
    HttpError::Hangs { url: url.to_owned(), seconds: limits.total.as_secs_f64(), got }
}

fn refused(url: &str, limits: &HttpLimits, err: ureq::Error) -> HttpError {
    let url = url.to_owned();
    let reason = err.to_string();
    match err {
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            let reason = format!("nobody took the connection within {} s", limits.connect.as_secs_f64());
            HttpError::NoConnection { url, reason }
        }
        ureq::Error::Timeout(_) => hangs(&url, limits, 0),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => HttpError::BadUrl { url, reason },
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed => HttpError::NoConnection { url, reason },
        ureq::Error::Io(source) => match source.kind() {
            std::io::ErrorKind::TimedOut => hangs(&url, limits, 0),
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset => {
                HttpError::NotHttp { url, reason: "it closed the connection without an answer".to_owned() }
            }
            _ => HttpError::NoConnection { url, reason },
        },
        _ => HttpError::NotHttp { url, reason },
    }
}

fn remedy_for(status: u16) -> &'static str {
    match status {
        401 | 403 => "it wants a login: ask from where it allows pprof, or put the credentials into the URL",
        404 => {
            "there is no such handler: import _ \"net/http/pprof\" in the service, and check host, port and path"
        }
        500..=599 => "the service or a proxy before it fails: see its log",
        _ => "check the address",
    }
}

fn first_line(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(body.get(..512).unwrap_or(body)).into_owned();
    let line = start.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().take(120).collect()
}
