//! The rows of the measurement: a process to look at, and what is to be reached on it.

use super::statistics::{Round, median, summary};
use super::subject::Subject;
use super::tools::{LEAKSCOPE, ONE_CORE};

/// One process and what is measured on it.
pub struct Row {
    /// Its name on the command line.
    pub name: &'static str,
    /// The fixture.
    pub fixture: &'static str,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Whether its memory is put into huge pages.
    pub huge_pages: bool,
    /// Whether the peers are let at it.
    pub with_peers: bool,
    goals: &'static [Aim],
}

/// What is to be reached.
#[derive(Clone, Copy)]
enum Aim {
    /// CPU, as a multiple of one forced collection of the same heap.
    Collections(f64),
    /// CPU seconds.
    Cpu(f64),
    /// Anonymous memory, in bytes.
    Memory(f64),
    /// Anonymous memory: so many bytes an object, and 50 MB.
    BytesAnObject(f64),
    /// The stop, in milliseconds, as leakscope says it.
    Stop(f64),
    /// Less time on all processors than on one.
    FasterThanOnOne,
}

/// A goal, and how near it is.
pub struct Goal {
    /// What is measured, with its unit.
    pub what: String,
    /// What is to be reached at most.
    pub at_most: f64,
    /// What was measured.
    pub measured: f64,
}

impl Goal {
    /// Whether it is reached.
    pub fn is_reached(&self) -> bool {
        self.measured <= self.at_most
    }
}

/// Every row.
pub fn all() -> Vec<Row> {
    let cache = |name, megabytes: &str, huge_pages, with_peers, goals| Row {
        name,
        fixture: "cache",
        arguments: vec![megabytes.to_owned()],
        huge_pages,
        with_peers,
        goals,
    };
    vec![
        cache("300mb", "300", false, true, &[Aim::Collections(6.0), Aim::BytesAnObject(40.0)]),
        cache(
            "1gb",
            "1000",
            false,
            true,
            &[Aim::Collections(1.2), Aim::Memory(400e6), Aim::FasterThanOnOne, Aim::Stop(60.0)],
        ),
        cache("1gb-huge-pages", "1000", true, false, &[Aim::Stop(2.0)]),
        Row {
            name: "goroutines",
            fixture: "leak",
            arguments: vec!["20000".to_owned()],
            huge_pages: false,
            with_peers: true,
            goals: &[Aim::Cpu(0.3)],
        },
    ]
}

/// A hundred million objects on 32 GB, most of which the process never wrote to: no row of every measurement, since it
/// takes several gigabytes of memory.
pub fn hundred_million(objects: u64) -> Row {
    Row {
        name: "100-million",
        fixture: "many",
        arguments: vec![objects.to_string(), "29".to_owned()],
        huge_pages: false,
        with_peers: false,
        goals: &[Aim::BytesAnObject(40.0)],
    }
}

impl Row {
    /// Its goals, measured.
    pub fn goals(&self, subject: &Subject, rounds: &[Round]) -> Vec<Goal> {
        self.goals.iter().map(|aim| aim.goal(subject, rounds)).collect()
    }
}

impl Aim {
    fn goal(self, subject: &Subject, rounds: &[Round]) -> Goal {
        let ours = summary(rounds, LEAKSCOPE);
        let objects = subject.figure("heap_objects") as f64;
        let goal = |what: &str, at_most, measured| Goal { what: what.to_owned(), at_most, measured };
        match self {
            Aim::Collections(most) => goal("CPU, in forced collections", most, ours.collections),
            Aim::Cpu(most) => goal("CPU, s", most, ours.cpu),
            Aim::Memory(most) => goal("anonymous memory, MB", most / 1e6, ours.peak_anonymous / 1e6),
            Aim::BytesAnObject(bytes) => {
                let what = format!("anonymous memory, MB ({bytes} bytes an object and 50 MB)");
                goal(&what, (bytes * objects + 50e6) / 1e6, ours.peak_anonymous / 1e6)
            }
            Aim::Stop(most) => {
                let said = rounds.iter().filter_map(|round| round.of(LEAKSCOPE)?.said_pause_ms);
                let least = said.clone().fold(f64::INFINITY, f64::min);
                goal(&format!("stop, ms (least of the rounds: {least:.1})"), most, median(said.collect()))
            }
            Aim::FasterThanOnOne => {
                goal("time, s (on one processor)", summary(rounds, ONE_CORE).wall, ours.wall)
            }
        }
    }
}
