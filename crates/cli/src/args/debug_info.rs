//! Where debug information may lie that the program does not carry itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use leakscope_collect::Debuginfod;

use super::duration;

/// Where to look for it.
#[derive(Debug, Clone, Args)]
pub(crate) struct DebugInfoArgs {
    /// The file with the program's debug information, where it is not found by itself
    #[arg(long, value_name = "FILE")]
    pub(crate) debug_file: Option<PathBuf>,
    /// A folder of debug files, laid out as /usr/lib/debug, which is looked at anyway; may be given more than once
    #[arg(long = "debug-dir", value_name = "DIR")]
    pub(crate) folders: Vec<PathBuf>,
    /// Ask the servers in DEBUGINFOD_URLS for the debug file; without this nothing is asked over the network
    #[arg(long)]
    debuginfod: bool,
    /// How long a debuginfod server may take for one file
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = duration)]
    debuginfod_timeout: Duration,
}

impl DebugInfoArgs {
    /// The servers to ask, if the user wants that.
    pub(crate) fn servers(&self) -> Result<Option<Debuginfod>> {
        if !self.debuginfod {
            return Ok(None);
        }
        let urls = std::env::var("DEBUGINFOD_URLS").unwrap_or_default();
        if urls.trim().is_empty() {
            bail!("--debuginfod asks the servers in DEBUGINFOD_URLS, which is not set: set it to their URLs");
        }
        Ok(Some(Debuginfod::new(&urls, &cache_folder()?, self.debuginfod_timeout)))
    }
}

/// Where files from servers are kept: `$XDG_CACHE_HOME/leakscope/debuginfod`, by default below `~/.cache`.
fn cache_folder() -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let below_home = || absolute("HOME").map(|home| home.join(".cache"));
    let cache = absolute("XDG_CACHE_HOME").or_else(below_home);
    let cache = cache.ok_or_else(|| anyhow!("neither XDG_CACHE_HOME nor HOME says where to keep files"));
    let cache = cache.context("--debuginfod keeps what it fetches")?;
    Ok(cache.join(Path::new("leakscope/debuginfod")))
}
