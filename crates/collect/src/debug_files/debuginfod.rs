//! Servers that hand out debug files by build ID (debuginfod, <https://sourceware.org/elfutils/Debuginfod.html>).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Check, DebugFile, FoundBy, Search, Tried, open};
use crate::error::HttpError;
use crate::http::{self, HttpLimits};

/// The largest file that is taken from a server, in bytes.
const LARGEST: u64 = 2 << 30;

/// Servers to ask, and where their answers are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Debuginfod {
    servers: Vec<String>,
    cache: PathBuf,
    limits: HttpLimits,
}

impl Debuginfod {
    /// The servers that `urls` names (as `DEBUGINFOD_URLS` does: separated by blanks, words like `ima:enforcing`
    /// between them); files are kept under `cache`.
    ///
    /// A server may take `total` time for one file.
    pub fn new(urls: &str, cache: &Path, total: Duration) -> Debuginfod {
        let urls = urls.split_whitespace().filter(|word| word.contains("://"));
        let servers = urls.map(|url| url.trim_end_matches('/').to_owned()).collect();
        let connect = Duration::from_secs(5).min(total);
        Debuginfod { servers, cache: cache.to_owned(), limits: HttpLimits { connect, total, bytes: LARGEST } }
    }

    /// Looks into the cache, then asks each server.
    pub(super) fn search(&self, id: &str, belongs: Check<'_>, search: &mut Search) {
        // The ID becomes a path and a part of a URL: only what it can be gets there.
        if id.len() < 2 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return;
        }
        let kept = self.cache.join(id).join("debuginfo");
        match open(&kept, FoundBy::BuildId, None, belongs) {
            Ok(file) => {
                search.found = Some(DebugFile { place: kept.display().to_string(), file });
                return;
            }
            Err(outcome) => search.tried.push(Tried { place: kept.display().to_string(), outcome }),
        }
        for server in &self.servers {
            let url = format!("{server}/buildid/{id}/debuginfo");
            let outcome = match self.fetch(&url, &kept, belongs) {
                Ok(file) => {
                    search.found = Some(DebugFile { place: url, file });
                    return;
                }
                Err(outcome) => outcome,
            };
            search.tried.push(Tried { place: url, outcome });
        }
    }

    fn fetch(
        &self,
        url: &str,
        kept: &Path,
        belongs: Check<'_>,
    ) -> Result<leakscope_target::MappedFile, String> {
        let bytes = http::get(url, &self.limits).map_err(|error| outcome(&error))?;
        belongs(&bytes, FoundBy::BuildId)?;
        keep(kept, &bytes).map_err(|error| format!("cannot be kept at {}: {error}", kept.display()))?;
        open(kept, FoundBy::BuildId, None, belongs)
    }
}

/// Puts the file into its place in one step, so that another run never sees half of it.
fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let scratch = path.with_extension(format!("partial-{}", std::process::id()));
    let written = fs::write(&scratch, bytes).and_then(|()| fs::rename(&scratch, path));
    if written.is_err() {
        let _ = fs::remove_file(&scratch);
    }
    written
}

/// What a server's failure means here.
fn outcome(error: &HttpError) -> String {
    match error {
        HttpError::Status { status: 404, .. } => "it does not have the file".to_owned(),
        HttpError::Status { status, says, .. } => format!("it answered {status}: {says}"),
        HttpError::NoConnection { reason, .. } => format!("cannot connect: {reason}"),
        HttpError::Hangs { seconds, got, .. } => {
            format!("no whole answer within {seconds} s ({got} bytes came)")
        }
        HttpError::NotHttp { reason, .. } => format!("what answers there does not speak HTTP: {reason}"),
        HttpError::BadUrl { reason, .. } => format!("not an address: {reason}"),
        HttpError::TooBig { limit, .. } => format!("the file has more than {limit} bytes"),
        HttpError::HalfBody { got, reason, .. } => format!("{got} bytes came, then {reason}"),
        HttpError::Html { .. } => "it answered with a web page".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_address_are_not_asked() {
        let found = Debuginfod::new(
            "ima:enforcing https://a.example/ ima:ignore\nhttp://b",
            Path::new("/"),
            Duration::ZERO,
        );
        assert_eq!(found.servers, ["https://a.example", "http://b"]);
    }

    #[test]
    fn an_id_that_would_leave_the_cache_is_not_looked_for() {
        let servers = Debuginfod::new("http://127.0.0.1:9", Path::new("/tmp"), Duration::from_secs(1));
        for id in ["", "a", "../../etc/passwd", "ab/cd"] {
            let mut search = Search::default();
            servers.search(id, &|_, _| Ok(()), &mut search);
            assert!(search.found.is_none() && search.tried.is_empty(), "{id}");
        }
    }
}
