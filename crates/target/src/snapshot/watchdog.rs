//! A small process that outlives us: if we are killed, it has the target bury the child that we leave behind.
//!
//! It is this same program, started again with a hidden argument, in a session of its own, so that neither the
//! terminal's Ctrl-C nor its end reaches it. It waits at a pipe whose other end only we hold. One byte through
//! the pipe sends it home; the end of the pipe without a byte means that we are dead.
//!
//! A program that wants one calls [`run_if_asked`] first thing in `main`. Without that call there is no
//! watchdog, and what a killed run left is buried by the next run.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use leakscope_model::Addr;

use crate::proc_files;
use crate::snapshot::{Gadgets, reap};
use crate::sys;

/// The argument that makes this program a watchdog.
pub const SUBCOMMAND: &str = "__watchdog";
/// When to look for the dead, in milliseconds after our end: soon, and again as long as a child may still turn
/// up, since the kernel may have been in the middle of making it.
const LOOKS_MS: [u64; 9] = [10, 30, 70, 150, 300, 600, 1000, 1400, 1800];
/// What is sent through the pipe when all is well.
const GO_HOME: &[u8] = b".";

/// Whether the running program has promised to answer to [`SUBCOMMAND`].
static AVAILABLE: AtomicBool = AtomicBool::new(false);

/// To be called first thing in `main`: does the watchdog's work and answers its exit status, if this process
/// was started to be one; otherwise notes that it can be started as one.
pub fn run_if_asked() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((first, rest)) if first == SUBCOMMAND => Some(watchdog_main(rest)),
        _ => {
            AVAILABLE.store(true, Ordering::Relaxed);
            None
        }
    }
}

/// The watchdog's life; `arguments` are those behind [`SUBCOMMAND`].
pub fn watchdog_main(arguments: &[String]) -> ExitCode {
    let Some((pid, gadgets)) = parse(arguments) else { return ExitCode::from(2) };
    // Tells who started us that nothing of the terminal reaches us any more.
    let _ = io::stdout().write_all(GO_HOME).and_then(|()| io::stdout().flush());
    match io::stdin().read(&mut [0]) {
        Ok(1) => ExitCode::SUCCESS,
        Ok(_) | Err(_) => bury_leftovers(pid, &gadgets),
    }
}

/// Waits for the children of a dead run to die, and has the target bury them.
fn bury_leftovers(pid: u32, gadgets: &Gadgets) -> ExitCode {
    let end = Instant::now();
    for look in LOOKS_MS.map(Duration::from_millis) {
        std::thread::sleep(look.saturating_sub(end.elapsed()));
        if !proc_files::is_alive(pid) {
            break;
        }
        reap::reap_leftovers(pid, *gadgets);
    }
    ExitCode::SUCCESS
}

/// The watchdog of one snapshot, seen from here; sent home when dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    process: Child,
    pipe: ChildStdin,
}

impl Watchdog {
    /// Starts one for `pid`; `None` where the program has not promised to answer.
    pub(super) fn start(pid: u32, gadgets: &Gadgets) -> io::Result<Option<Watchdog>> {
        if !AVAILABLE.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut command = Command::new("/proc/self/exe");
        command.arg0("leakscope").arg(SUBCOMMAND).args(arguments(pid, gadgets));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).current_dir("/");
        let mut process = sys::in_new_session(&mut command).spawn()?;
        let (Some(pipe), Some(mut ready)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        ready.read_exact(&mut [0])?;
        Ok(Some(Watchdog { process, pipe }))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        let _ = self.pipe.write_all(GO_HOME);
        let _ = self.process.wait();
    }
}

fn arguments(pid: u32, gadgets: &Gadgets) -> [String; 5] {
    let Gadgets { syscall, sigreturn, exit, stack_word } = gadgets;
    [
        pid.to_string(),
        syscall.get().to_string(),
        sigreturn.get().to_string(),
        exit.get().to_string(),
        stack_word.to_string(),
    ]
}

fn parse(arguments: &[String]) -> Option<(u32, Gadgets)> {
    let [pid, syscall, sigreturn, exit, stack_word] = arguments else { return None };
    let addr = |text: &String| text.parse().ok().map(Addr::new);
    let gadgets = Gadgets {
        syscall: addr(syscall)?,
        sigreturn: addr(sigreturn)?,
        exit: addr(exit)?,
        stack_word: stack_word.parse().ok()?,
    };
    Some((pid.parse().ok()?, gadgets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arguments_arrive_as_they_were_sent(pid: u32, syscall: u64, sigreturn: u64, exit: u64, stack_word: i64) {
            let [syscall, sigreturn, exit] = [syscall, sigreturn, exit].map(Addr::new);
            let gadgets = Gadgets { syscall, sigreturn, exit, stack_word };
            prop_assert_eq!(parse(&arguments(pid, &gadgets)), Some((pid, gadgets)));
        }

        #[test]
        fn wrong_arguments_are_refused(words in proptest::collection::vec("[a-z0-9-]{0,30}", 0..8)) {
            if words.len() != 5 {
                prop_assert_eq!(parse(&words), None);
            }
        }
    }
}
