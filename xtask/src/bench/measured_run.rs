//! One run of a program with what it took: time, CPU, memory.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};

/// How often the memory of a running program is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What one run took.
pub struct Run {
    /// Seconds from start to end.
    pub wall: f64,
    /// Seconds of CPU, user and system, of the program and all that it waited for.
    pub cpu: f64,
    /// The most anonymous memory, in bytes, that the program and its children were seen to have.
    pub peak_anonymous: u64,
    /// Start and end in nanoseconds since 1970.
    pub span: (u128, u128),
    /// What it wrote to stdout.
    pub output: Vec<u8>,
}

/// The sum over the steps of a tool.
#[derive(Default, Clone)]
pub struct Figures {
    /// Seconds.
    pub wall: f64,
    /// Seconds.
    pub cpu: f64,
    /// Bytes; the largest of the steps.
    pub peak_anonymous: u64,
    /// Milliseconds; the largest of the steps.
    pub longest_gap_ms: f64,
    /// The pause that the tool itself says it caused, in milliseconds.
    pub said_pause_ms: Option<f64>,
}

impl Figures {
    /// Adds a step that held the process up for at most `gap_ms`.
    pub fn add(&mut self, run: &Run, gap_ms: f64) {
        self.wall += run.wall;
        self.cpu += run.cpu;
        self.peak_anonymous = self.peak_anonymous.max(run.peak_anonymous);
        self.longest_gap_ms = self.longest_gap_ms.max(gap_ms);
        let answer = serde_json::from_slice::<serde_json::Value>(&run.output).ok();
        let said = answer.and_then(|answer| answer.pointer("/snapshot/pause_ms")?.as_f64());
        self.said_pause_ms = said.or(self.said_pause_ms);
    }
}

/// Runs `command` to its end. No other child of ours may end meanwhile: CPU is counted over all of them.
///
/// # Errors
/// When it does not start or ends with another status than 0; the error carries the end of its stderr.
pub fn run(mut command: Command, input: Option<File>) -> Result<Run> {
    let stdin = input.map_or_else(Stdio::null, Stdio::from);
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (cpu_before, began, start) = (cpu_of_children()?, now(), Instant::now());
    let mut child =
        command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
    let output = drain(child.stdout.take());
    let complaint = drain(child.stderr.take());
    let mut peak = 0;
    let status = loop {
        peak = peak.max(anonymous_of_tree(child.id()));
        if let Some(status) = ended(&mut child)? {
            break status;
        }
        thread::sleep(LOOK_EVERY);
    };
    let wall = start.elapsed().as_secs_f64();
    let span = (began, now());
    let (output, complaint) = (output.join().unwrap_or_default(), complaint.join().unwrap_or_default());
    if !status.success() {
        bail!("{} ended with {status}\n{}", command.get_program().display(), last_lines(&complaint));
    }
    Ok(Run { wall, cpu: cpu_of_children()? - cpu_before, peak_anonymous: peak, span, output })
}

fn ended(child: &mut Child) -> Result<Option<std::process::ExitStatus>> {
    child.try_wait().context("waiting for a measured program")
}

/// Reads a pipe to its end, on a thread, so that nobody blocks on a full one.
fn drain(pipe: Option<impl std::io::Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read up to an error is all there is to show.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(10)).copied().collect::<Vec<_>>().join("\n")
}

fn cpu_of_children() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("asking for the CPU time of children")?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// Nanoseconds since 1970, the clock of the looked-at process's GAP lines.
pub fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos())
}

/// Anonymous memory of a process and its children, in bytes; 0 once it is gone.
fn anonymous_of_tree(pid: u32) -> u64 {
    let folder = Path::new("/proc").join(pid.to_string());
    let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let own = own.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024;
    let children = fs::read_to_string(folder.join(format!("task/{pid}/children"))).unwrap_or_default();
    own + children
        .split_whitespace()
        .filter_map(|child| child.parse().ok())
        .map(anonymous_of_tree)
        .sum::<u64>()
}
