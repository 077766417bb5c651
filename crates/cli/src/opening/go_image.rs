//! Which file of a process is the Go program: its executable, or a library that a program in another language loaded.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use leakscope_goruntime::{ElfImage, FuncTable, RuntimeError};
use leakscope_model::{Addr, Gap};
use leakscope_target::{FileBytes, Mapping};

/// The file of a process that is read as Go.
#[derive(Debug, Clone)]
pub(super) struct GoImage {
    /// Its bytes.
    pub(super) bytes: FileBytes,
    /// Where it lies, as the process would write it.
    pub(super) path: PathBuf,
    /// Whether it is a library, and so lies only where mappings name it.
    pub(super) is_library: bool,
    /// Other files with Go code in the process, and where that is.
    others: Vec<(PathBuf, Range<Addr>)>,
}

/// The files of a process.
pub(super) struct Files<'f> {
    /// The executable, where it could be had.
    pub(super) executable: Option<(FileBytes, PathBuf)>,
    /// What is mapped where.
    pub(super) mappings: &'f [Mapping],
    /// Opens the file behind a mapping.
    pub(super) open: &'f dyn Fn(&Mapping) -> Option<FileBytes>,
}

/// A library with a Go runtime of its own, or a plugin, which has the program's.
struct Library {
    path: PathBuf,
    bytes: FileBytes,
    /// Its code.
    code: Range<Addr>,
}

impl GoImage {
    /// The executable if it is a Go program, else the one Go library; `wanted` names a library, where there are
    /// several or the executable is Go as well.
    pub(super) fn choose(files: &Files<'_>, wanted: Option<&Path>) -> Result<GoImage> {
        let (libraries, unread) = files.go_libraries();
        if let Some(wanted) = wanted {
            return files.named(wanted, libraries);
        }
        let why_not = match &files.executable {
            Some((bytes, path)) => match not_go(bytes) {
                None => {
                    let others = libraries.into_iter().map(|library| (library.path, library.code)).collect();
                    return Ok(GoImage {
                        bytes: bytes.clone(),
                        path: path.clone(),
                        is_library: false,
                        others,
                    });
                }
                Some(why) => anyhow::Error::new(why),
            },
            None => anyhow!("its executable cannot be read"),
        };
        match <[Library; 1]>::try_from(libraries) {
            Ok([library]) => Ok(library.image(Vec::new())),
            Err(none) if none.is_empty() => Err(why_not).context(none_is_go(&unread)),
            Err(several) => Err(why_not).with_context(|| {
                format!(
                    "it holds {} Go runtimes, each with a heap of its own: name one with --library: {}",
                    several.len(),
                    listed(&several)
                )
            }),
        }
    }

    /// The mappings by which it is found: those of a library are its own, so that no other file is taken for it.
    pub(super) fn mappings(&self, all: &[Mapping]) -> Vec<Mapping> {
        let own = |mapping: &&Mapping| !self.is_library || file_of(mapping) == self.path;
        all.iter().filter(own).cloned().collect()
    }

    /// Its name beside that of the executable, for people.
    pub(super) fn name(&self, executable: String) -> String {
        let own = self.path.file_name().unwrap_or_default().to_string_lossy();
        match self.is_library {
            true => format!("{executable} ({own})"),
            false => executable,
        }
    }

    /// Files with a Go runtime that was not read. `texts` are the starts of the Go code of the one that was: a plugin
    /// is part of it.
    pub(super) fn unread(&self, texts: &[Addr]) -> Vec<Gap> {
        let own = |code: &Range<Addr>| texts.iter().any(|text| code.contains(text));
        let others = self.others.iter().filter(|(_, code)| !own(code));
        let gap = |path: &PathBuf| {
            let path = path.display();
            Gap::new(
                "runtime",
                format!(
                    "the process has another Go runtime in {path}, which was not read: --library names it"
                ),
            )
        };
        others.map(|(path, _)| gap(path)).collect()
    }
}

impl Files<'_> {
    /// Mapped files with Go code, beside the executable; and those that could not be read.
    fn go_libraries(&self) -> (Vec<Library>, Vec<PathBuf>) {
        let executable = self.executable.as_ref().map(|(_, path)| path.as_path());
        let (mut libraries, mut unread) = (Vec::new(), Vec::new());
        let mut seen = std::collections::BTreeSet::new();
        for mapping in self.mappings.iter().filter(|mapping| may_be_library(mapping)) {
            let path = file_of(mapping);
            if Some(path.as_path()) == executable || !seen.insert(path.clone()) {
                continue;
            }
            let Some(bytes) = (self.open)(mapping) else {
                unread.push(path);
                continue;
            };
            if not_go(&bytes).is_some() {
                continue;
            }
            let code = self.mappings.iter().find(|other| other.execute && file_of(other) == path);
            let code = code.unwrap_or(mapping);
            let code = code.start..code.end;
            libraries.push(Library { path, bytes, code });
        }
        (libraries, unread)
    }

    fn named(&self, wanted: &Path, libraries: Vec<Library>) -> Result<GoImage> {
        let all = listed(&libraries);
        let (mut meant, others): (Vec<Library>, Vec<Library>) =
            libraries.into_iter().partition(|library| library.path.ends_with(wanted));
        let others: Vec<_> = others.into_iter().map(|library| (library.path, library.code)).collect();
        match (meant.pop(), meant.is_empty()) {
            (Some(library), true) => Ok(library.image(others)),
            (Some(_), false) => bail!("more than one of its files is called {}: {all}", wanted.display()),
            (None, _) if all.is_empty() => {
                bail!("it has loaded no Go library called {}, and no other", wanted.display())
            }
            (None, _) => {
                bail!("it has loaded no Go library called {}; Go libraries are: {all}", wanted.display())
            }
        }
    }
}

impl Library {
    fn image(self, others: Vec<(PathBuf, Range<Addr>)>) -> GoImage {
        GoImage { bytes: self.bytes, path: self.path, is_library: true, others }
    }
}

/// Why a file is no Go program, if it is none; one that is broken or too old says so when it is read.
fn not_go(bytes: &[u8]) -> Option<RuntimeError> {
    let found = ElfImage::parse(bytes).and_then(|image| FuncTable::locate(&image));
    found.err().filter(|error| matches!(error, RuntimeError::NotElf(_) | RuntimeError::NotGo(_)))
}

fn none_is_go(unread: &[PathBuf]) -> String {
    let none = "neither its executable nor a library that it has loaded is a Go program";
    match unread {
        [] => none.to_owned(),
        unread => {
            let paths: Vec<String> = unread.iter().map(|path| path.display().to_string()).collect();
            format!(
                "{none}; these could not be read (--library names one that lies elsewhere): {}",
                paths.join(", ")
            )
        }
    }
}

/// The start of a file, which is where a library's headers are; `[vdso]` and the like are no files.
fn may_be_library(mapping: &Mapping) -> bool {
    mapping.offset == 0 && mapping.path.starts_with('/')
}

/// The path of a mapping's file, without the kernel's remark that it is gone.
fn file_of(mapping: &Mapping) -> PathBuf {
    let path = mapping.path.as_str();
    PathBuf::from(path.strip_suffix(" (deleted)").unwrap_or(path))
}

fn listed(libraries: &[Library]) -> String {
    let paths: Vec<String> = libraries.iter().map(|library| library.path.display().to_string()).collect();
    paths.join(", ")
}
