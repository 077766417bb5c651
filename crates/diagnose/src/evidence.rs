//! The ledger of facts that findings stand on, and the commands that show them.

use leakscope_model::{Evidence, Source};

/// Facts in the order in which they were entered; findings point into it.
#[derive(Debug, Default)]
pub struct Ledger {
    rows: Vec<Evidence>,
}

impl Ledger {
    /// Enters a fact and answers with its place.
    pub fn enter(&mut self, fact: Evidence) -> usize {
        self.rows.push(fact);
        self.rows.len() - 1
    }

    /// Every fact, in order.
    pub fn into_rows(self) -> Vec<Evidence> {
        self.rows
    }
}

/// An exact figure read from the heap.
pub fn counted(says: String, value: f64, how: String) -> Evidence {
    Evidence { source: Source::Heap, says, value, error: 0.0, how }
}

/// Commands that show what was seen, with the word by which the user named the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    word: String,
}

impl Commands {
    /// Commands on the target that the user called `word`.
    pub fn on(word: &str) -> Commands {
        Commands { word: quoted(word) }
    }

    /// The retaining paths of objects of a type.
    pub fn why(&self, ty: &str) -> String {
        format!("leakscope heap why {} {}", self.word, quoted(ty))
    }

    /// Types by retained bytes.
    pub fn types(&self) -> String {
        format!("leakscope heap types {}", self.word)
    }

    /// Goroutines by stack.
    pub fn goroutines(&self, wait: &str) -> String {
        match wait {
            "" => format!("leakscope goroutines {} --group stack", self.word),
            wait => format!("leakscope goroutines {} --wait {} --group stack", self.word, quoted(wait)),
        }
    }
}

/// As a shell takes it for one word.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_the_shell() {
        let commands = Commands::on("4711");
        assert_eq!(commands.why("context.timerCtx"), "leakscope heap why 4711 context.timerCtx");
        assert_eq!(commands.why("*main.T[int]"), "leakscope heap why 4711 '*main.T[int]'");
        assert_eq!(
            commands.goroutines("chan receive"),
            "leakscope goroutines 4711 --wait 'chan receive' --group stack"
        );
        assert_eq!(Commands::on("it's.core").types(), r"leakscope heap types 'it'\''s.core'");
    }
}
