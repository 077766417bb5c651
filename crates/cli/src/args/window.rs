//! How a target may be opened and looked at.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use leakscope_collect::HttpLimits;
use leakscope_target::{Mode, SnapshotOptions};

use super::{DebugInfoArgs, duration};

/// Options of every command that opens a target.
#[derive(Debug, Clone, Args)]
pub(crate) struct Access {
    /// The executable of a core file, where it does not lie where the core says
    #[arg(long, value_name = "FILE")]
    pub(crate) exe: Option<PathBuf>,
    /// The Go library to read, by path or file name, where the process has loaded more than one, or is Go itself
    #[arg(long, value_name = "FILE")]
    pub(crate) library: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) debug: DebugInfoArgs,
    /// How a live process is read: by a copy-on-write child, by stopping it, or without stopping it
    #[arg(long, value_enum, default_value_t = SnapshotMode::Auto, value_name = "MODE")]
    snapshot: SnapshotMode,
    /// The longest time that the process may stand still
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = duration)]
    max_pause: Duration,
}

/// The process's own profiles.
#[derive(Debug, Clone, Args)]
pub(crate) struct EndpointArgs {
    /// Where the process serves net/http/pprof; found by itself through its listening sockets if not given
    #[arg(long, value_name = "URL")]
    pub(crate) pprof: Option<String>,
    /// How long the endpoint may take for one profile
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pprof_timeout: Duration,
}

impl EndpointArgs {
    /// The same for the library.
    pub(crate) fn limits(&self) -> HttpLimits {
        let usual = HttpLimits::default();
        HttpLimits { total: self.pprof_timeout, connect: usual.connect.min(self.pprof_timeout), ..usual }
    }
}

/// A way to take a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SnapshotMode {
    /// The best way that is safe here
    Auto,
    /// A copy-on-write child of the process
    Fork,
    /// Stop it while it is read
    Stop,
    /// Read while it runs: never stands still, and torn where it writes
    Live,
}

impl Access {
    /// The same for the library.
    pub(crate) fn snapshot_options(&self) -> SnapshotOptions {
        let mode = match self.snapshot {
            SnapshotMode::Auto => Mode::Auto,
            SnapshotMode::Fork => Mode::Fork,
            SnapshotMode::Stop => Mode::Stop,
            SnapshotMode::Live => Mode::Live,
        };
        SnapshotOptions { mode, max_pause: self.max_pause }
    }
}
