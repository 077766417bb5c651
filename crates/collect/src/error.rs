//! Errors that name the URL or file, and what to do.

use std::path::PathBuf;

/// Why an HTTP request brought no profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The address is not one that we can ask.
    #[error("{url}: not an address: {reason}; write http://host:port")]
    BadUrl {
        /// The address.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody listens there, or the name is not known.
    #[error("{url}: cannot connect: {reason}; is the service up, and is its pprof port this one?")]
    NoConnection {
        /// The address.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The server took the connection and then was silent.
    #[error(
        "{url}: no whole answer within {seconds} s ({got} bytes came); it may be stopped or overloaded, or speak another protocol: try again, or allow more time"
    )]
    Hangs {
        /// The address.
        url: String,
        /// How long we waited.
        seconds: f64,
        /// How many bytes of the body had come.
        got: u64,
    },
    /// An answer other than 200.
    #[error("{url}: answered {status}: {says:?}; {remedy}")]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// The first line of its text.
        says: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A web page where a profile should be.
    #[error(
        "{url}: answered with a web page, not a profile; a login, a proxy or another handler stands there: name the pprof address itself"
    )]
    Html {
        /// The address.
        url: String,
    },
    /// The connection ended before the answer did.
    #[error(
        "{url}: half an answer: {got} bytes{of} came, then {reason}; ask again, and see whether the service restarted"
    )]
    HalfBody {
        /// The address.
        url: String,
        /// How many bytes of the body came.
        got: u64,
        /// ` of N`, if the server had said how many there are.
        of: String,
        /// What ended it.
        reason: String,
    },
    /// More than we take.
    #[error("{url}: the answer has more than {limit} bytes; this is no profile, or raise the limit")]
    TooBig {
        /// The address.
        url: String,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The server does not speak HTTP.
    #[error("{url}: what answers there does not speak HTTP: {reason}; name the port of net/http/pprof")]
    NotHttp {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
}

/// Why a capture file could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The disk is full.
    #[error(
        "{path}: the disk is full: the capture needs up to {needed} bytes; free some, or name a file elsewhere (nothing was left behind)"
    )]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// How many bytes it needs at most.
        needed: u64,
    },
    /// Another failure of the file system.
    #[error("{path}: {doing}")]
    File {
        /// The file.
        path: PathBuf,
        /// While doing what.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The bytes are no capture.
    #[error("not a capture: {0}; name a file written by `leakscope capture`")]
    NotACapture(String),
    /// A capture of a later format.
    #[error("a capture of the format {found}; this leakscope reads {known}: use a newer one")]
    Schema {
        /// What the file says.
        found: String,
        /// What we read.
        known: &'static str,
    },
}
