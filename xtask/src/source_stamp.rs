//! A stamp of a folder's contents, so that a fixture is rebuilt when its sources changed and not otherwise.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A hash over the names and bytes of every file under `folder` but `*.md`, and over `recipe`, as hex.
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

/// Every file under `folder`, sorted; prose decides nothing and is left out.
fn files_under(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("listing {}", next.display()))? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension() != Some(OsStr::new("md")) {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::stamp_of;
    use std::fs;

    #[test]
    fn a_changed_byte_a_new_name_and_another_recipe_change_the_stamp() {
        let folder = std::env::temp_dir().join(format!("leakscope-stamp-{}", std::process::id()));
        fs::create_dir_all(folder.join("below")).unwrap();
        fs::write(folder.join("below/a.go"), "package a").unwrap();
        let stamps = ["one", "one", "two"].map(|recipe| stamp_of(&folder, recipe).unwrap());
        fs::write(folder.join("below/a.go"), "package b").unwrap();
        let changed = stamp_of(&folder, "one").unwrap();
        fs::rename(folder.join("below/a.go"), folder.join("below/b.go")).unwrap();
        let renamed = stamp_of(&folder, "one").unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(stamps[0], stamps[1]);
        assert!(stamps[0] != stamps[2] && stamps[0] != changed && changed != renamed);
    }
}
