//! The Go process that is looked at: a fixture that tells how long it stood still and collects on demand.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::measured_run::{Run, now};
use super::rows::Row;

/// How long the process may take to build its heap, and to collect it.
const PATIENCE: Duration = Duration::from_secs(300);

/// The process of the fixture; it is ended when this is dropped.
pub struct Subject {
    /// Its process id.
    pub pid: u32,
    /// What it said of itself when it was ready.
    pub ready: Value,
    child: Child,
    said: Arc<Mutex<Said>>,
}

/// What the process has said since it is ready.
#[derive(Default)]
struct Said {
    ready: Option<Value>,
    /// End in nanoseconds since 1970, and length in microseconds, of every gap of its 1 ms ticker.
    gaps: Vec<(u128, u64)>,
    /// Seconds of CPU of every forced collection, by gctrace.
    collections: Vec<f64>,
    /// How often it said that it has collected.
    collected: usize,
}

impl Subject {
    /// Starts the fixture of a row and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start or is not ready in time.
    pub fn start(program: &Path, row: &Row) -> Result<Subject> {
        let huge_pages = row.huge_pages.then_some(("HUGE_PAGES", "1"));
        let mut child = Command::new(program)
            .args(&row.arguments)
            .env("GODEBUG", "gctrace=1")
            .envs(huge_pages)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let said = Arc::new(Mutex::new(Said::default()));
        listen(child.stdout.take(), &said);
        listen(child.stderr.take(), &said);
        let mut subject = Subject { pid: child.id(), ready: Value::Null, child, said };
        subject.ready =
            subject.wait_for(|said| said.ready.clone()).context("the process did not become ready")?;
        Ok(subject)
    }

    /// A number that it said of itself when it was ready; 0 for one that it did not say.
    pub fn figure(&self, name: &str) -> u64 {
        self.ready.get(name).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Lets it collect once and says what that cost, in seconds of CPU: both stops, assists, and all workers.
    ///
    /// By gctrace, or by the kernel where that is less: gctrace counts the time in which others had the processor.
    ///
    /// # Errors
    /// When it is gone or does not collect in time.
    pub fn collect(&self) -> Result<f64> {
        let (before, collected) = self.ask(|said| (said.collections.len(), said.collected));
        let cpu_before = cpu_of_threads(self.pid);
        let pid = i32::try_from(self.pid).context("a process id")?;
        kill(Pid::from_raw(pid), Signal::SIGUSR1).context("asking the process to collect")?;
        let by_trace = self
            .wait_for(|said| said.collections.get(before).copied())
            .context("the process did not collect")?;
        // The process says that it has collected after gctrace; the little that it does besides counts with it.
        self.wait_for(|said| (collected < said.collected).then_some(()))
            .context("the process did not collect")?;
        Ok(by_trace.min(cpu_of_threads(self.pid) - cpu_before))
    }

    /// The longest gap of its ticker over half a second in which nobody looks at it, in milliseconds.
    pub fn idle_gap(&self) -> f64 {
        let from = now();
        thread::sleep(Duration::from_millis(500));
        self.longest_gap_between(from, now())
    }

    /// The longest gap of its ticker during `run`, in milliseconds; 0 if none was worth telling.
    pub fn longest_gap(&self, run: &Run) -> f64 {
        thread::sleep(Duration::from_millis(100)); // a gap is told at its end
        self.longest_gap_between(run.span.0, run.span.1 + 50_000_000)
    }

    fn longest_gap_between(&self, from: u128, to: u128) -> f64 {
        self.ask(|said| {
            let during = said.gaps.iter().filter(|(end, _)| (from..to).contains(end));
            during.map(|&(_, micros)| micros).max().unwrap_or(0) as f64 / 1e3
        })
    }

    fn wait_for<T>(&self, answer: impl Fn(&Said) -> Option<T>) -> Result<T> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(answer) = self.ask(&answer) {
                return Ok(answer);
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("process {} said nothing for {} s", self.pid, PATIENCE.as_secs())
    }

    fn ask<T>(&self, question: impl FnOnce(&Said) -> T) -> T {
        question(&self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may be gone already; either way nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of CPU that all threads of a process have had, as the scheduler counts them (`/proc/PID/task/*/schedstat`).
fn cpu_of_threads(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e9
}

/// Reads the process's words on a thread until it ends.
fn listen(pipe: Option<impl Read + Send + 'static>, said: &Arc<Mutex<Said>>) {
    let said = Arc::clone(said);
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            said.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(&line);
        }
    });
}

impl Said {
    fn take(&mut self, line: &str) {
        if let Some(text) = line.strip_prefix("READY ") {
            self.ready = serde_json::from_str(text).ok();
        } else if let Some(gap) = line.strip_prefix("GAP ") {
            let numbers = gap.split_once(' ');
            self.gaps
                .extend(numbers.and_then(|(end, micros)| Some((end.parse().ok()?, micros.parse().ok()?))));
        } else if line.starts_with("COLLECTED ") {
            self.collected += 1;
        } else if line.ends_with("(forced)") && self.ready.is_some() {
            self.collections.extend(cpu_of(line));
        }
    }
}

/// The CPU of a line of gctrace: `… ms clock, A+B/C/D+E ms cpu, …`, where A and E are the stops, B the assists, C the
/// workers and D the idle workers, in milliseconds (`runtime/extern.go`).
fn cpu_of(line: &str) -> Option<f64> {
    let text = line.split(", ").find_map(|part| part.strip_suffix(" ms cpu"))?;
    let numbers: Vec<f64> = text.split(['+', '/']).map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[first_stop, assists, workers, idle, second_stop] = numbers.as_slice() else { return None };
    Some((first_stop + assists + workers + idle + second_stop) / 1e3)
}

#[cfg(test)]
mod tests {
    use super::{Said, cpu_of};

    const LINE: &str = "gc 12 @5.675s 14%: 0.44+283+0.005 ms clock, 0.89+0/130/355+0.011 ms cpu, \
                        293->293->293 MB, 586 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)";

    #[test]
    fn a_line_of_gctrace_gives_the_collectors_cpu() {
        assert!((cpu_of(LINE).unwrap() - 0.485_901).abs() < 1e-9);
    }

    #[test]
    fn what_it_says_before_it_is_ready_does_not_count() {
        let mut said = Said::default();
        for line in
            [LINE, "READY {\"pid\":1}", LINE, "GAP 1795466524270237634 42725", "gc 13 @6.6s 13%: not forced"]
        {
            said.take(line);
        }
        assert_eq!(
            (said.collections.len(), said.gaps.as_slice()),
            (1, [(1_795_466_524_270_237_634, 42_725)].as_slice())
        );
    }
}
