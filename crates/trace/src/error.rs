//! Why bytes are no trace, or where a trace breaks off.

/// What is wrong with a trace, at which byte, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// Not a trace at all.
    #[error(
        "not an execution trace: it starts with {start:?} in place of \"go 1.NN trace\"; take one from /debug/pprof/trace or by runtime/trace"
    )]
    NotATrace {
        /// Its first bytes as text, cut to 40 characters.
        start: String,
    },
    /// A trace of a version that nobody has told us of.
    #[error("a trace of the format version 1.{minor}; this leakscope reads 1.22 to 1.26: use a newer one")]
    UnknownVersion {
        /// The number in the header.
        minor: u16,
    },
    /// A trace of the format before Go 1.22.
    #[error(
        "a trace of the format 1.{minor}, which Go wrote up to 1.21; only 1.22 and later are read: use `go tool trace`"
    )]
    OldFormat {
        /// The number in the header.
        minor: u16,
    },
    /// The bytes end in the middle of something.
    #[error("the trace is cut off at byte {offset}, {doing}; take it again, and let it end by itself")]
    CutOff {
        /// Where what is incomplete starts.
        offset: u64,
        /// While reading what.
        doing: &'static str,
    },
    /// Something that no trace has.
    #[error("the trace is damaged at byte {offset}: {what}; take it again")]
    Malformed {
        /// Where.
        offset: u64,
        /// What stands there.
        what: String,
    },
}
