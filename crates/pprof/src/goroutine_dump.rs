//! The text of `goroutine?debug=2`, of `runtime.Stack` and of a crash: one block a goroutine.
//!
//! Authority: runtime/traceback.go, goroutineheader, traceback2 and printcreatedby1, of Go 1.21 to 1.27.

use leakscope_model::{Addr, Frame, Gap, Goroutine};

use crate::error::PprofError;
use crate::frame_text::{Names, function_and_arguments};
use crate::recognise::not_a_dump;

/// Statuses that are no wait reason (`gStatusStrings`); `waiting` without a reason stands as itself.
const STATUSES: [&str; 9] =
    ["idle", "runnable", "running", "syscall", "waiting", "dead", "copystack", "preempted", "leaked"];

/// One goroutine of a dump, with what only the text tells.
#[derive(Debug, Clone, PartialEq)]
pub struct DumpedGoroutine {
    /// The goroutine.
    pub goroutine: Goroutine,
    /// The goroutine that started it; `None` for the main goroutine and before Go 1.21.
    pub created_by_goroutine: Option<u64>,
    /// The address of its `runtime.g`; only dumps of crashes tell it.
    pub g: Option<Addr>,
    /// Locked to its thread by `runtime.LockOSThread`.
    pub locked: bool,
    /// The collector proved that nothing can wake it (profile `goroutineleak`).
    pub leaked: bool,
    /// Frames that the runtime left out of the middle or the end of a deep stack; 0 for none, `u32::MAX` if it
    /// does not say how many.
    pub frames_elided: u32,
}

/// A parsed dump.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GoroutineDump {
    /// In the order of the text.
    pub entries: Vec<DumpedGoroutine>,
    /// What could not be read: a dump that was cut off, a block of unknown form.
    pub gaps: Vec<Gap>,
}

impl GoroutineDump {
    /// Parses a dump; lines before the first goroutine, such as the message of a panic, are skipped.
    ///
    /// # Errors
    /// Says what the text is instead, if it holds no goroutine.
    pub fn parse(dump: &[u8]) -> Result<GoroutineDump, PprofError> {
        let text = String::from_utf8_lossy(dump);
        let mut parser = Parser::default();
        text.lines().for_each(|line| parser.line(line.trim_end_matches('\r')));
        let cut_off = !dump.is_empty() && !dump.ends_with(b"\n");
        let parsed = parser.finish(cut_off, dump.len());
        match parsed.entries.is_empty() {
            true => Err(not_a_dump(dump, "a goroutine dump")),
            false => Ok(parsed),
        }
    }

    /// The goroutines alone.
    pub fn goroutines(self) -> Vec<Goroutine> {
        self.entries.into_iter().map(|entry| entry.goroutine).collect()
    }
}

/// What the next place line belongs to.
#[derive(Default)]
enum Expected {
    /// None: a header, a function or an empty line may follow.
    #[default]
    Anything,
    /// The place of this function.
    FramePlace { function: String, inlined: bool },
    /// The place of the `go` statement in this function.
    CreatorPlace { function: String },
    /// Nothing of the stacks of ancestors (GODEBUG=tracebackancestors) is taken.
    Ancestor,
}

#[derive(Default)]
struct Parser {
    dump: GoroutineDump,
    current: Option<DumpedGoroutine>,
    expected: Expected,
    names: Names,
}

impl Parser {
    fn line(&mut self, line: &str) {
        if let Some(entry) = header(line) {
            self.drop_pending();
            self.close();
            self.current = Some(entry);
            return;
        }
        let Some(entry) = &mut self.current else { return };
        match std::mem::take(&mut self.expected) {
            Expected::FramePlace { function, .. } | Expected::CreatorPlace { function }
                if line.is_empty() =>
            {
                self.unread(&function);
                self.close();
            }
            _ if line.is_empty() => self.close(),
            Expected::Ancestor => self.expected = Expected::Ancestor,
            Expected::FramePlace { function, inlined } => match self.names.frame(&function, line, inlined) {
                Some(frame) => entry.goroutine.stack.push(frame),
                None => self.unread(&function),
            },
            Expected::CreatorPlace { function } => match self.names.frame(&function, line, false) {
                Some(frame) => entry.goroutine.created_by = Some(frame),
                None => self.unread(&function),
            },
            Expected::Anything => self.head_of_frame(line),
        }
    }

    /// A line that is not the place of a frame begun before it.
    fn head_of_frame(&mut self, line: &str) {
        let Some(entry) = &mut self.current else { return };
        if let Some(elided) = elided_frames(line) {
            entry.frames_elided = elided;
        } else if line.starts_with("[originating from goroutine ") {
            self.expected = Expected::Ancestor;
        } else if let Some(creator) = line.strip_prefix("created by ") {
            let (function, by) = creator.rsplit_once(" in goroutine ").unwrap_or((creator, ""));
            entry.created_by_goroutine = by.parse().ok();
            self.expected = Expected::CreatorPlace { function: function.to_owned() };
        } else if let Some((function, arguments)) = function_and_arguments(line) {
            let inlined = arguments == "...";
            self.expected = Expected::FramePlace { function: function.to_owned(), inlined };
        }
        // Anything else stands between goroutines: `goroutine running on other thread; stack unavailable`, the
        // registers of a crash, log lines of the program.
    }

    /// A function whose place did not follow is a gap.
    fn drop_pending(&mut self) {
        match std::mem::take(&mut self.expected) {
            Expected::FramePlace { function, .. } | Expected::CreatorPlace { function } => {
                self.unread(&function)
            }
            Expected::Anything | Expected::Ancestor => {}
        }
    }

    fn unread(&mut self, function: &str) {
        let id = self.current.as_ref().map_or(0, |entry| entry.goroutine.id);
        let reason = format!("goroutine {id}: no file and line behind {function}");
        self.dump.gaps.push(Gap::new("goroutines", reason));
    }

    /// Ends the goroutine at hand.
    fn close(&mut self) {
        self.expected = Expected::Anything;
        let Some(mut entry) = self.current.take() else { return };
        let goroutine = &mut entry.goroutine;
        let outermost = goroutine.stack.iter().rev().find(|frame| &*frame.function != "runtime.goexit");
        // The main goroutine has no creator, and its outermost frame is hidden or runtime.main.
        goroutine.start = outermost.filter(|_| goroutine.created_by.is_some()).cloned();
        goroutine.system = goroutine.start.as_ref().is_some_and(is_system_start);
        self.dump.entries.push(entry);
    }

    fn finish(mut self, cut_off: bool, len: usize) -> GoroutineDump {
        let unfinished = !matches!(self.expected, Expected::Anything | Expected::Ancestor);
        let last = self.current.as_ref().map_or(0, |entry| entry.goroutine.id);
        self.close();
        if unfinished || (cut_off && !self.dump.entries.is_empty()) {
            let reason = format!("the dump is cut off at byte {len}, in goroutine {last}; ask for it again");
            self.dump.gaps.push(Gap::new("goroutines", reason));
        }
        self.dump
    }
}

/// `goroutine 18 gp=0xc000002380 m=0 mp=0x5c1ae0 [chan receive (scan), 5 minutes, locked to thread]:`
fn header(line: &str) -> Option<DumpedGoroutine> {
    let rest = line.strip_prefix("goroutine ")?.strip_suffix(':')?;
    let (id, rest) = rest.split_once(' ')?;
    let id = id.parse().ok()?;
    let (registers, rest) = rest.split_once('[')?;
    // Labels may hold brackets: inside in Go 1.26 (` labels:{"k": "v"}]:`), behind in 1.27 (`] {k: v}:`).
    let (inside, _) = rest.split_once(']')?;
    let inside = inside.split(" labels:{").next().unwrap_or(inside);
    let mut parts = inside.split(", ");
    let state = State::of(parts.next()?);
    let mut entry = empty(id, state);
    entry.g = gp(registers);
    for part in parts {
        if let Some(minutes) = part.strip_suffix(" minutes").and_then(|minutes| minutes.parse::<f64>().ok()) {
            entry.goroutine.wait_seconds = Some(minutes * 60.0);
        }
        entry.locked |= part == "locked to thread";
    }
    Some(entry)
}

/// The first word group inside the brackets.
struct State<'t> {
    text: &'t str,
    leaked: bool,
}

impl State<'_> {
    fn of(text: &str) -> State<'_> {
        let mut state = State { text, leaked: false };
        // Suffixes that the header adds; ` (no cases)`, ` (nil chan)` and ` (idle)` are parts of the reason.
        for suffix in [" (durable)", " (scan)", " (leaked)"] {
            if let Some(shorter) = state.text.strip_suffix(suffix) {
                state.leaked |= suffix == " (leaked)";
                state.text = shorter;
            }
        }
        state
    }
}

fn empty(id: u64, state: State<'_>) -> DumpedGoroutine {
    let is_status = STATUSES.contains(&state.text);
    let goroutine = Goroutine {
        id,
        status: if is_status { state.text } else { "waiting" }.to_owned(),
        wait: (!is_status).then(|| state.text.to_owned()),
        wait_seconds: None,
        stack: Vec::new(),
        created_by: None,
        start: None,
        system: false,
        stack_bytes: 0,
    };
    let leaked = state.leaked || state.text == "leaked";
    DumpedGoroutine {
        goroutine,
        created_by_goroutine: None,
        g: None,
        locked: false,
        leaked,
        frames_elided: 0,
    }
}

fn gp(registers: &str) -> Option<Addr> {
    let word = registers.split(' ').find_map(|word| word.strip_prefix("gp=0x"))?;
    u64::from_str_radix(word, 16).ok().map(Addr::new)
}

/// `...additional frames elided...` or `...23 frames elided...`.
fn elided_frames(line: &str) -> Option<u32> {
    let inner = line.strip_prefix("...")?.strip_suffix(" frames elided...")?;
    Some(inner.parse().unwrap_or(u32::MAX))
}

/// runtime/traceback.go, isSystemGoroutine: started by a function of the runtime, but for these two.
fn is_system_start(start: &Frame) -> bool {
    let name = &*start.function;
    name.starts_with("runtime.") && !matches!(name, "runtime.main" | "runtime.handleAsyncEvent")
}
