//! What goes on, on a terminal's standard error, once it has gone on for a second.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal;

/// How long a command may take in silence.
const SILENCE: Duration = Duration::from_secs(1);

/// A line that says what is being done; gone when dropped.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Progress {
    /// Nothing is shown yet, and never where standard error is no terminal.
    pub(crate) fn new() -> Progress {
        let bar = terminal::shows_progress().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            let style = ProgressStyle::with_template("{spinner} {msg}");
            style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
        });
        Progress { bar, started: Instant::now() }
    }

    /// Says what is done next.
    pub(crate) fn says(&self, doing: &str) {
        let Some(bar) = &self.bar else { return };
        bar.set_message(doing.to_owned());
        if self.started.elapsed() >= SILENCE && bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        bar.tick();
    }

    /// Waits until `end`, counting down.
    pub(crate) fn waits(&self, end: Instant) {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.says(&format!("the next snapshot follows in {} s", left.as_secs() + 1));
            std::thread::sleep(left.min(Duration::from_millis(250)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
