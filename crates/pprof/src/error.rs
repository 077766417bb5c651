//! Why bytes are not the profile that they should be. The caller adds which file or URL they came from.

/// What is wrong with a profile, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PprofError {
    /// Not a byte.
    #[error("empty: no profile was written; ask for it again")]
    Empty,
    /// A web page instead of a profile.
    #[error("a web page{}, not a profile: the address must end in /debug/pprof/heap or the like, and no proxy or login may answer in its place", title_in_brackets(.title))]
    Html {
        /// The page's title; empty if it has none.
        title: String,
    },
    /// A sentence instead of a profile: mostly the text of an HTTP error.
    #[error(
        "text, not a profile: {first_line:?}; check the address and that net/http/pprof is registered there"
    )]
    Text {
        /// Its first line, cut to 120 characters.
        first_line: String,
    },
    /// A file of leakscope's world, but of another kind.
    #[error("{found}, not {wanted}: {remedy}")]
    OtherKind {
        /// What it is.
        found: &'static str,
        /// What was asked for.
        wanted: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The compressed stream ends early or is damaged.
    #[error("half a profile: the gzip stream {what} at byte {offset} of {len}; ask for it again")]
    Gzip {
        /// `ends` or `is damaged`.
        what: &'static str,
        /// How many compressed bytes had been read.
        offset: u64,
        /// How many there are.
        len: u64,
    },
    /// More than the caller allows, compressed or not.
    #[error(
        "more than {limit} bytes unpacked: not a profile of a Go program, or a bigger one than can be read"
    )]
    TooBig {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The protobuf encoding breaks off or is not that of a profile.
    #[error("half a profile or none: field {field} at byte {offset} of {len} cannot be read: {reason}")]
    Malformed {
        /// The number of the field in `message Profile`; 0 if not even that could be read.
        field: u32,
        /// Where it starts in the unpacked bytes.
        offset: u64,
        /// How many unpacked bytes there are.
        len: u64,
        /// Why.
        reason: String,
    },
    /// Something refers to what is not there.
    #[error("half a profile or a damaged one: {what} {id}, which is not there")]
    Dangling {
        /// What refers to what: `sample 3 refers to location`.
        what: String,
        /// The number that it names.
        id: u64,
    },
}

fn title_in_brackets(title: &str) -> String {
    match title {
        "" => String::new(),
        title => format!(" ({title:?})"),
    }
}
