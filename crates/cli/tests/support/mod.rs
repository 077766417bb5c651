//! Runs `leakscope` and looks at what it says.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod debuggers;
pub(crate) mod matrix;

use std::process::{Command, Output};

use serde_json::Value;

/// What a run printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Run {
        Run {
            status: output.status.code().expect("it was not killed"),
            out: String::from_utf8(output.stdout).expect("it prints UTF-8"),
            err: String::from_utf8(output.stderr).expect("it prints UTF-8"),
        }
    }

    /// Its standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Holds that the work could not be done, and that standard error says all of `words`.
    pub(crate) fn could_not(&self, words: &[&str]) {
        assert_eq!((self.status, self.out.as_str()), (2, ""), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "{word:?} is not in:\n{}", self.err);
        }
    }
}

/// The command with a known environment.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leakscope"));
    command.args(arguments).env_remove("COLUMNS").env_remove("NO_COLOR");
    command
}

/// Runs to the end.
pub(crate) fn leakscope(arguments: &[&str]) -> Run {
    Run::of(command(arguments).output().expect("it starts"))
}

/// Runs a shell line in which `$LEAKSCOPE` is the program.
pub(crate) fn shell(line: &str) -> Run {
    let output =
        Command::new("sh").args(["-c", line]).env("LEAKSCOPE", env!("CARGO_BIN_EXE_leakscope")).output();
    Run::of(output.expect("there is a shell"))
}
