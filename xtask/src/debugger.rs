//! dlv, the Go debugger: tests compare goroutines and stacks with what it says, and take cores with it.

use anyhow::{Context, Result, ensure};
use std::process::Command;

use crate::cache_dir::cache_dir;
use crate::go_toolchain::{FOR_TOOLS, Toolchain};
use crate::subprocess::{run, stdout_of};

/// The version that the tests were written against.
const VERSION: &str = "1.27.2";

/// Builds dlv into `bin` of the cache, unless this very version is there.
///
/// # Errors
/// When the toolchain or the module proxy cannot be reached, or the build yields another version.
pub fn install() -> Result<()> {
    let bin = cache_dir()?.join("bin");
    let dlv = bin.join("dlv");
    let is_there = || stdout_of(Command::new(&dlv).arg("version")).is_ok_and(|text| text.contains(VERSION));
    if !is_there() {
        let module = format!("github.com/go-delve/delve/cmd/dlv@v{VERSION}");
        run(Toolchain::of(FOR_TOOLS)?.go()?.env("GOBIN", &bin).args(["install", &module]))
            .context("building dlv; it is fetched from the Go module proxy")?;
        ensure!(is_there(), "{} is not dlv {VERSION}", dlv.display());
    }
    println!("{}", dlv.display());
    Ok(())
}
