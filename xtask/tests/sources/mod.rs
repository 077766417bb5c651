//! The Rust sources of the crates, for tests that hold rules over them.
#![allow(dead_code, reason = "each test uses its part")]

use std::fs;
use std::path::{Path, PathBuf};

/// One line of code: no comment, and not in a test module.
pub struct Line {
    /// The file, from the root of the repository.
    pub file: String,
    /// The line's number, from 1.
    pub number: usize,
    /// The line without the comment at its end.
    pub code: String,
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_owned()
}

/// Every line of code under `crates/*/src`, in order of files.
pub fn lines() -> Vec<Line> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root().join("crates")).expect("crates/ is there") {
        collect(&entry.expect("crates/ can be listed").path().join("src"), &mut files);
    }
    files.sort();
    assert!(files.len() > 30, "only {} source files found", files.len());
    files.iter().flat_map(|file| lines_of(file)).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a folder of sources can be listed").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            files.push(path);
        }
    }
}

fn lines_of(file: &Path) -> Vec<Line> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let name =
        file.strip_prefix(root()).expect("a source lies in the repository").to_string_lossy().into_owned();
    let numbered = code.lines().enumerate().map(|(index, line)| Line {
        file: name.clone(),
        number: index + 1,
        code: without_comment(line).to_owned(),
    });
    numbered.filter(|line| !line.code.trim().is_empty()).collect()
}

/// `line` up to a comment; `//` in a string, as in an address, is none.
fn without_comment(line: &str) -> &str {
    let starts = line.match_indices("//").map(|(at, _)| at);
    let comment =
        starts.into_iter().find(|&at| line.get(..at).unwrap_or_default().matches('"').count() % 2 == 0);
    line.get(..comment.unwrap_or(line.len())).unwrap_or_default()
}
