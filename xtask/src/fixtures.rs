//! Builds the programs that tests look at: every Go module and C program under `fixtures/` and `cases/`.
//!
//! A Go program becomes `NAME-goVERSION` in the fixtures folder, a C program `NAME`. What is built with which
//! toolchain stands in the program's own `fixture.json` (see [`Recipe`]); most need none.

mod recipe;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cache_dir::{fixtures_dir, repository_root};
use crate::go_toolchain::Toolchain;
use crate::source_stamp::stamp_of;
use crate::subprocess::run;
use recipe::{Build, Recipe};

/// Which programs to build.
#[derive(Args)]
pub struct FixtureArgs {
    /// Only the program of this name or in the folder of this name, such as grpc-context.
    #[arg(long)]
    only: Option<String>,
    /// Only with this Go version, such as 1.26.6; also one that the program's recipe does not list.
    #[arg(long)]
    go: Option<String>,
}

impl FixtureArgs {
    /// Asks for one program with one toolchain.
    pub fn one(name: &str, go: &str) -> FixtureArgs {
        FixtureArgs { only: Some(name.to_owned()), go: Some(go.to_owned()) }
    }
}

/// Builds what `args` asks for and tells on stderr where each program lies.
///
/// # Errors
/// When no program matches, a recipe cannot be read, or a build fails.
pub fn build_all(args: &FixtureArgs) -> Result<()> {
    let only = args.only.as_deref();
    let out = fixtures_dir()?;
    fs::create_dir_all(out.join(".stamps")).with_context(|| format!("making {}", out.display()))?;
    let mut built = 0;
    for folder in program_folders(&repository_root())? {
        built += if folder.join("go.mod").is_file() {
            build_go_programs(&folder, args, &out)?
        } else if only.is_none_or(|name| folder.ends_with(name)) {
            build_c_program(&folder, &out)?
        } else {
            0
        };
    }
    ensure!(built > 0, "no program named {} under fixtures/ or cases/", only.unwrap_or("at all"));
    Ok(())
}

/// The folders under `fixtures/` and `cases/` that hold a program, sorted.
fn program_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for parent in ["fixtures", "cases"] {
        let parent = root.join(parent);
        for entry in fs::read_dir(&parent).with_context(|| format!("listing {}", parent.display()))? {
            let path = entry?.path();
            if path.join("go.mod").is_file() || c_source(&path).is_file() {
                folders.push(path);
            }
        }
    }
    folders.sort();
    Ok(folders)
}

/// Builds what `args` asks for of the module in `folder`; how many programs that were.
fn build_go_programs(folder: &Path, args: &FixtureArgs, out: &Path) -> Result<usize> {
    let mut builds = Recipe::of(folder)?.builds(args.go.as_deref());
    builds
        .retain(|build| args.only.as_deref().is_none_or(|name| folder.ends_with(name) || build.name == name));
    for build in &builds {
        let target = out.join(format!("{}-go{}", build.name, build.go));
        unless_up_to_date(folder, &target, &build.described(), || build_go_program(folder, build, &target))
            .with_context(|| format!("building {} with Go {}", build.name, build.go))?;
    }
    Ok(builds.len())
}

fn build_go_program(folder: &Path, build: &Build, target: &Path) -> Result<()> {
    let mut go = Toolchain::of(&build.go)?.go()?;
    go.current_dir(folder).args(["build", "-buildvcs=false"]);
    if !build.full_paths {
        go.arg("-trimpath");
    }
    if let Some(modfile) = &build.modfile {
        go.arg(format!("-modfile={modfile}"));
    }
    if let Some(mode) = &build.buildmode {
        go.arg(format!("-buildmode={mode}"));
    }
    if let Some(ldflags) = &build.ldflags {
        go.arg(format!("-ldflags={ldflags}"));
    }
    run(go.envs(&build.env).arg("-o").arg(target).arg(&build.package))
}

fn build_c_program(folder: &Path, out: &Path) -> Result<usize> {
    let source = c_source(folder);
    let target = out.join(source.file_stem().unwrap_or_default());
    unless_up_to_date(folder, &target, "cc", || {
        run(Command::new("cc").args(["-O1", "-g", "-Wall", "-o"]).arg(&target).arg(&source))
            .context("a C compiler is needed (Debian: apt-get install build-essential)")
    })?;
    Ok(1)
}

/// `fixtures/NAME/NAME.c`.
fn c_source(folder: &Path) -> PathBuf {
    folder.join(folder.file_name().unwrap_or_default()).with_extension("c")
}

/// Runs `build` into place unless `target` was built from these very sources by this very recipe.
fn unless_up_to_date(
    folder: &Path,
    target: &Path,
    recipe: &str,
    build: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stamp = stamp_of(folder, recipe)?;
    let name = target.file_name().unwrap_or_default();
    let stamp_file = target.with_file_name(".stamps").join(name);
    if target.is_file() && fs::read_to_string(&stamp_file).is_ok_and(|known| known == stamp) {
        eprintln!("{} (up to date)", target.display());
        return Ok(());
    }
    build()?;
    fs::write(&stamp_file, stamp).with_context(|| format!("writing {}", stamp_file.display()))?;
    eprintln!("{}", target.display());
    Ok(())
}
