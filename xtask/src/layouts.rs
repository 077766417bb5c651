//! Writes `crates/goruntime/data/go1.N.layout`: what the runtime of a minor version looks like in memory, for each
//! processor and with each experiment that changes it.
//!
//! A small Go program (`layouts/probe.go`) asks go/types about the toolchain's own source; what it is asked for
//! stands in `layouts/wanted.txt`. The form of the files is described in `crates/goruntime/src/layout/table.rs`.

mod overlay;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cache_dir::{cache_dir, repository_root};
use crate::go_toolchain::{FOR_TOOLS, Toolchain, VERSIONS};
use crate::subprocess::{run, stdout_of};
use overlay::{Lines, Overlays};

/// The processor that the base of a table is of, and those whose differences follow.
const BASE_ARCH: &str = "amd64";
const OTHER_ARCHES: [&str; 1] = ["arm64"];
/// Where a toolchain lists its experiments.
const EXPERIMENTS: &str = "src/internal/goexperiment/flags.go";
/// What the go command calls the build tag of an experiment.
const EXPERIMENT_TAG: &str = "goexperiment.";

/// Which tables to write.
#[derive(Args)]
pub struct LayoutArgs {
    /// Only of these versions, such as 1.26.6; of every toolchain in the table when none is given.
    versions: Vec<String>,
    /// Writes nothing; fails where a committed table is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Writes, or compares, the tables that `args` asks for.
///
/// # Errors
/// When a toolchain cannot be had or refuses its own source, and where `--check` finds a difference.
pub fn write_all(args: &LayoutArgs) -> Result<()> {
    let table: Vec<String> = VERSIONS.iter().map(|&version| version.to_owned()).collect();
    let probe = build_probe()?;
    for version in if args.versions.is_empty() { &table } else { &args.versions } {
        let text = Release { toolchain: Toolchain::of(version)?, probe: &probe }.table()?;
        let path = table_path(version);
        if args.check {
            let committed = fs::read_to_string(&path).unwrap_or_default();
            ensure!(committed == text, "{} is out of date: run cargo xtask layouts", path.display());
        } else {
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        eprintln!("{}", path.display());
    }
    Ok(())
}

fn table_path(version: &str) -> PathBuf {
    let minor = version.rsplit_once('.').map_or(version, |(minor, _)| minor);
    repository_root().join(format!("crates/goruntime/data/go{minor}.layout"))
}

fn sources() -> PathBuf {
    repository_root().join("xtask/src/layouts")
}

/// Builds the program that asks go/types, into the cache.
fn build_probe() -> Result<PathBuf> {
    let probe = cache_dir()?.join("bin/layout-probe");
    let mut go = Toolchain::of(FOR_TOOLS)?.go()?;
    run(go.current_dir(sources()).arg("build").arg("-o").arg(&probe).arg("probe.go"))?;
    Ok(probe)
}

/// One toolchain, and what asks it.
struct Release<'p> {
    toolchain: Toolchain,
    probe: &'p Path,
}

impl Release<'_> {
    /// The whole file.
    fn table(&self) -> Result<String> {
        let mut overlays = Overlays::new(self.lines(BASE_ARCH, &[])?);
        for arch in OTHER_ARCHES {
            overlays.add(&[arch], &self.lines(arch, &[])?);
        }
        let mut settled = Vec::new();
        let mut changing = Vec::new();
        for flip in self.flips()? {
            // An experiment that cannot be chosen alone has no build either.
            let Ok(lines) = self.lines(BASE_ARCH, &[&flip]) else { continue };
            match overlays.add(&[&flip], &lines) {
                true => changing.push(flip),
                false => settled.push(flip),
            }
        }
        self.add_combinations(&mut overlays, &changing)?;
        let version = &self.toolchain.version;
        Ok(format!(
            "# The runtime of Go {version}, by its own source; written by `cargo xtask layouts`.\n\
             settled {}\n{}",
            settled.join(" "),
            overlays.text()
        ))
    }

    /// What two experiments at once, or one on another processor, change beyond the sum of both.
    fn add_combinations(&self, overlays: &mut Overlays, changing: &[String]) -> Result<()> {
        let pairs = changing.iter().enumerate().flat_map(|(at, one)| {
            changing.iter().skip(at + 1).map(move |other| vec![one.as_str(), other.as_str()])
        });
        let sets: Vec<Vec<&str>> = changing.iter().map(|one| vec![one.as_str()]).chain(pairs).collect();
        for set in &sets {
            if set.len() > 1
                && let Ok(lines) = self.lines(BASE_ARCH, set)
            {
                overlays.add(set, &lines);
            }
            for arch in OTHER_ARCHES {
                if let Ok(lines) = self.lines(arch, set) {
                    let conditions: Vec<&str> = [arch].into_iter().chain(set.iter().copied()).collect();
                    overlays.add(&conditions, &lines);
                }
            }
        }
        Ok(())
    }

    /// Every experiment of this release the other way round than it is by default: `nogreenteagc`, `arenas`.
    fn flips(&self) -> Result<BTreeSet<String>> {
        let path = self.toolchain.root().join(EXPERIMENTS);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let fields = text.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?.to_lowercase();
            (words.next() == Some("bool")).then_some(name)
        });
        let (_, on) = self.tags(BASE_ARCH, &[])?;
        let is_on = |name: &str| on.split(',').any(|tag| tag.strip_prefix(EXPERIMENT_TAG) == Some(name));
        Ok(fields.map(|name| if is_on(&name) { format!("no{name}") } else { name }).collect())
    }

    /// The build tags of the release and of the experiments that are on.
    fn tags(&self, arch: &str, experiments: &[&str]) -> Result<(String, String)> {
        let mut go = self.toolchain.go()?;
        go.env("GOOS", "linux").env("GOARCH", arch).env("GOEXPERIMENT", experiments.join(","));
        go.args([
            "list",
            "-f",
            r#"{{join context.ReleaseTags ","}} {{join context.ToolTags ","}}"#,
            "runtime",
        ]);
        let text = stdout_of(&mut go)?;
        let (release, tools) = text.split_once(' ').unwrap_or((&text, ""));
        Ok((release.to_owned(), tools.to_owned()))
    }

    /// What the probe prints.
    fn lines(&self, arch: &str, experiments: &[&str]) -> Result<Lines> {
        let (release, tools) = self.tags(arch, experiments)?;
        let mut probe = std::process::Command::new(self.probe);
        probe.arg("-goroot").arg(self.toolchain.root()).args(["-goarch", arch]);
        probe.args(["-release-tags", &release, "-tool-tags", &tools]);
        let text = stdout_of(probe.arg("-wanted").arg(sources().join("wanted.txt")))?;
        Ok(overlay::lines_of(&text))
    }
}
