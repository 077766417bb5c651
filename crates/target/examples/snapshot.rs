//! Takes snapshots of a Go process and says what they cost: `snapshot PID [auto|fork|stop|live] [HOLD_MS] [TIMES]`.
//!
//! The tests kill this program at random instants. It finds its way by the symbol table of an unstripped
//! program; `leakscope` itself needs none.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example speaks to its user")]
#![allow(clippy::disallowed_methods, reason = "and reads its arguments")]

#[path = "../tests/support/gadgets.rs"]
mod gadgets;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use leakscope_target::snapshot::watchdog;
use leakscope_target::{LiveProcess, Mode, Snapshot, SnapshotOptions};

fn main() -> ExitCode {
    if let Some(status) = watchdog::run_if_asked() {
        return status;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            let cause = err.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            eprintln!("{err}{cause}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let pid: u32 = arguments.next().ok_or("which process?")?.parse()?;
    let mode = match arguments.next().as_deref() {
        Some("fork") => Mode::Fork,
        Some("stop") => Mode::Stop,
        Some("live") => Mode::Live,
        _ => Mode::Auto,
    };
    let hold = Duration::from_millis(arguments.next().map_or(Ok(0), |text| text.parse())?);
    let times: u32 = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let process = LiveProcess::open(pid)?;
    let options = SnapshotOptions { mode, max_pause: Duration::from_millis(200) };
    for _ in 0..times {
        let snapshot = Snapshot::take(&process, gadgets::gadgets_of(&process), options)?;
        println!("held {} threads {}", snapshot.mappings().len(), snapshot.threads().len());
        std::thread::sleep(hold);
        println!("{:?}", snapshot.release());
    }
    Ok(())
}
