//! Where toolchains, built fixtures and tools are kept: outside the tree, shared by every checkout.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};

/// The cache folder: `$LEAKSCOPE_CACHE`, or `~/.cache/leakscope`. It need not exist yet.
///
/// # Errors
/// When neither `LEAKSCOPE_CACHE` nor `HOME` is set.
pub fn cache_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("LEAKSCOPE_CACHE").filter(|dir| !dir.is_empty()) {
        return Ok(PathBuf::from(dir));
    }
    let home =
        env::var_os("HOME").context("neither LEAKSCOPE_CACHE nor HOME is set: no place for the cache")?;
    Ok(PathBuf::from(home).join(".cache/leakscope"))
}

/// Where built fixtures lie: `$LEAKSCOPE_FIXTURES`, or `fixtures` in the cache.
///
/// # Errors
/// As [`cache_dir`].
pub fn fixtures_dir() -> Result<PathBuf> {
    match env::var_os("LEAKSCOPE_FIXTURES").filter(|dir| !dir.is_empty()) {
        Some(dir) => Ok(PathBuf::from(dir)),
        None => Ok(cache_dir()?.join("fixtures")),
    }
}

/// The root of this repository, by the place of xtask's own manifest.
pub fn repository_root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
