//! The release binary: one static file, proved by running it where there is nothing else.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache_dir::repository_root;
use crate::subprocess::{run, stdout_of};

/// The binary must stay below this.
const LARGEST: u64 = 25 << 20;

/// Naming the target, even that of this machine, keeps the flags below away from build scripts and macros.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds `target/dist/leakscope`, checks its size, and runs it in a root that holds no other file.
///
/// # Errors
/// When the build fails, the file is too large or not static, or it does not do its main job alone.
pub fn build_and_prove() -> Result<()> {
    let binary = build()?;
    let size = fs::metadata(&binary).with_context(|| format!("looking at {}", binary.display()))?.len();
    ensure!(size < LARGEST, "{} has {size} bytes, {LARGEST} or more", binary.display());
    println!("{} {:.1} MB", binary.display(), size as f64 / 1e6);
    prove(&binary)
}

fn build() -> Result<PathBuf> {
    let root = repository_root();
    run(Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&root)
        .args(["build", "--release", "--package", "leakscope", "--target", TARGET])
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", "-C target-feature=+crt-static"))?;
    let dist = root.join("target/dist");
    fs::create_dir_all(&dist).with_context(|| format!("making {}", dist.display()))?;
    let binary = dist.join("leakscope");
    let built = root.join("target").join(TARGET).join("release/leakscope");
    fs::copy(&built, &binary).with_context(|| format!("copying {}", built.display()))?;
    Ok(binary)
}

/// Runs the version and the demo in an empty root: no library, no /proc, no /tmp is there.
fn prove(binary: &Path) -> Result<()> {
    let empty = repository_root().join("target/empty-root");
    if empty.exists() {
        fs::remove_dir_all(&empty).with_context(|| format!("emptying {}", empty.display()))?;
    }
    fs::create_dir_all(&empty).with_context(|| format!("making {}", empty.display()))?;
    fs::copy(binary, empty.join("leakscope")).context("copying the binary into the empty root")?;
    let version = stdout_of(alone(&empty).arg("--version"))?;
    ensure!(version.starts_with("leakscope "), "in an empty root, --version says {version:?}");
    println!("in an empty root: {version}");
    let report = stdout_of(alone(&empty).arg("demo"))?;
    ensure!(
        report.contains("interceptor.go"),
        "in an empty root, the demo does not name the line:\n{report}"
    );
    println!("in an empty root: the demo names the leak");
    Ok(())
}

/// The binary in `root` as the only file there; without root's rights, in a user namespace.
fn alone(root: &Path) -> Command {
    let am_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    let mut command = if am_root {
        let mut chroot = Command::new("chroot");
        chroot.arg(root);
        chroot
    } else {
        let mut unshare = Command::new("unshare");
        unshare.arg("--map-root-user").arg(format!("--root={}", root.display()));
        unshare
    };
    command.arg("/leakscope").env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}
