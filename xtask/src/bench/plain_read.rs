//! One plain read of all that a process may write to: no tool that looks at a heap can be cheaper.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

const AT_ONCE: usize = 1 << 20;

/// Reads every private writable mapping of `pid` once and prints how many bytes that were.
///
/// # Errors
/// When the process is not there or not ours to read.
pub fn read_all(pid: u32) -> Result<()> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).with_context(|| format!("process {pid}"))?;
    let memory =
        File::open(format!("/proc/{pid}/mem")).with_context(|| format!("memory of process {pid}"))?;
    let mut buffer = vec![0; AT_ONCE];
    let mut read = 0;
    for (mut from, to) in maps.lines().filter_map(writable) {
        while from < to {
            let want = usize::try_from(to - from).map_or(AT_ONCE, |left| left.min(AT_ONCE));
            let part = buffer.get_mut(..want).unwrap_or_default();
            // The kernel keeps a few mappings, such as [vvar], to itself.
            let Ok(got @ 1..) = memory.read_at(part, from) else { break };
            from += got as u64;
            read += got as u64;
        }
    }
    ensure!(read > 0, "process {pid} has no memory that can be read");
    println!("{{\"bytes\":{read}}}");
    Ok(())
}

/// The bounds of a line of `maps`, if the mapping is private and writable.
fn writable(line: &str) -> Option<(u64, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (from, to) = range.split_once('-')?;
    rest.starts_with("rw-p").then_some(())?;
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
}
