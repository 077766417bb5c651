//! A stamp of a folder's contents, so that a fixture is rebuilt when its sources changed and not otherwise.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A hash over the names and bytes of every file under `folder` and over `recipe`, as hex.
///
/// # Errors
/// When a file or folder cannot be read.
pub fn stamp_of(folder: &Path, recipe: &str) -> Result<String> {
    let mut hasher = DefaultHasher::new();
    recipe.hash(&mut hasher);
    for file in files_under(folder)? {
        let bytes = fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
        file.strip_prefix(folder)?.hash(&mut hasher);
        bytes.hash(&mut hasher);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

/// Every file under `folder`, sorted.
fn files_under(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("listing {}", next.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}
