//! The handlers of net/http/pprof below one address.

use std::time::Duration;

use crate::error::HttpError;
use crate::http::{HttpLimits, get, get_profile};

/// An address below which net/http/pprof answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PprofEndpoint {
    /// Ends in `/debug/pprof/` or wherever the service has put it.
    base: String,
}

impl PprofEndpoint {
    /// The endpoint that `url` means: `http://host:port`, `http://host:port/debug/pprof` or the address of one of
    /// its profiles. Another path is taken as it is: services register the handlers where they like.
    pub fn of_url(url: &str) -> PprofEndpoint {
        let url = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
        let after_scheme = url.find("://").map_or(0, |at| at + 3);
        let (origin, path) = match url.get(after_scheme..).and_then(|rest| rest.find('/')) {
            Some(slash) => url.split_at(after_scheme + slash),
            None => (url, ""),
        };
        let path = match path.find("/pprof") {
            Some(at) => path.get(..at + "/pprof".len()).unwrap_or(path),
            None if path.is_empty() => "/debug/pprof",
            None => path,
        };
        PprofEndpoint { base: format!("{origin}{path}/") }
    }

    /// The address, ending in a slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The address of `profile`, such as `heap?gc=1`.
    pub fn address_of(&self, profile: &str) -> String {
        format!("{}{profile}", self.base)
    }

    /// The heap profile right after a collection (`heap?gc=1`): what it counts is live.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn heap(&self, limits: &HttpLimits) -> Result<Vec<u8>, HttpError> {
        get_profile(&self.address_of("heap?gc=1"), limits)
    }

    /// Every goroutine with its stack and wait, as text (`goroutine?debug=2`). The service stands still meanwhile.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn goroutines(&self, limits: &HttpLimits) -> Result<Vec<u8>, HttpError> {
        get_profile(&self.address_of("goroutine?debug=2"), limits)
    }

    /// The execution trace of the next `length`.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn trace(&self, length: Duration, limits: &HttpLimits) -> Result<Vec<u8>, HttpError> {
        let seconds = length.as_secs_f64();
        get_profile(&self.address_of(&format!("trace?seconds={seconds}")), &limits.and(length))
    }

    /// The command line of the process that answers, its words separated by NUL.
    ///
    /// # Errors
    /// See [`HttpError`].
    pub fn command_line(&self, limits: &HttpLimits) -> Result<Vec<u8>, HttpError> {
        get(&self.address_of("cmdline"), limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_name_an_endpoint() {
        for (url, base) in [
            ("http://h:6060", "http://h:6060/debug/pprof/"),
            ("http://h:6060/", "http://h:6060/debug/pprof/"),
            ("http://h:6060/debug/pprof", "http://h:6060/debug/pprof/"),
            ("http://h:6060/debug/pprof/heap?gc=1", "http://h:6060/debug/pprof/"),
            ("https://h/admin/pprof/goroutine", "https://h/admin/pprof/"),
            ("http://h:6060/internal", "http://h:6060/internal/"),
        ] {
            assert_eq!(PprofEndpoint::of_url(url).base(), base, "{url}");
        }
    }
}
