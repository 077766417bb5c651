//! A page of text: lines that are wrapped at words and, where asked for, coloured.

/// How text may look; decided by whoever knows the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Whether escape sequences for colour may be written.
    pub colour: bool,
    /// Columns; lines are wrapped at words to fit.
    pub width: usize,
    /// Whether bars may be drawn with signs beyond ASCII.
    pub blocks: bool,
}

impl Default for Look {
    fn default() -> Look {
        Look { colour: false, width: 80, blocks: false }
    }
}

/// What a piece of text is, for those who see colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// A heading.
    Heading,
    /// A leak's title.
    Alarm,
    /// All is well; or the line to change.
    Good,
    /// Of less weight.
    Faint,
}

impl Ink {
    fn code(self) -> &'static str {
        match self {
            Ink::Heading => "1",
            Ink::Alarm => "1;31",
            Ink::Good => "1;32",
            Ink::Faint => "2",
        }
    }
}

/// Text under construction.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    look: Look,
}

impl Page {
    pub(crate) fn new(look: Look) -> Page {
        Page { text: String::new(), look: Look { width: look.width.max(40), ..look } }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    pub(crate) fn width(&self) -> usize {
        self.look.width
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// One line as it is, however long: paths and commands are to be copied whole.
    pub(crate) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Lines that end already, as they are.
    pub(crate) fn lines(&mut self, lines: &str) {
        self.text.push_str(lines);
    }

    /// A heading after an empty line.
    pub(crate) fn heading(&mut self, title: &str) {
        self.blank();
        let inked = self.ink(Ink::Heading, title);
        self.line(&inked);
    }

    /// `text` in colour, where colours are wanted.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        if self.look.colour { format!("\x1b[{}m{text}\x1b[0m", ink.code()) } else { text.to_owned() }
    }

    /// `text` wrapped at words: `first` before the first line, as many blanks before the others.
    pub(crate) fn wrapped(&mut self, first: &str, text: &str) {
        let indent = first.chars().count();
        let room = self.look.width.saturating_sub(indent).max(20);
        let mut line = String::new();
        let mut lead = first.to_owned();
        for word in text.split_whitespace() {
            let needed = line.chars().count() + usize::from(!line.is_empty()) + word.chars().count();
            if needed > room && !line.is_empty() {
                self.line(&format!("{lead}{line}"));
                lead = " ".repeat(indent);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.line(&format!("{lead}{line}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_wrap_under_their_first() {
        let mut page = Page::new(Look { colour: false, width: 40, blocks: false });
        page.wrapped("  fix  ", "call the cancel function on every way out of the interceptor");
        assert_eq!(
            page.finish(),
            "  fix  call the cancel function on every\n       way out of the interceptor\n"
        );
    }

    #[test]
    fn a_long_word_is_not_cut() {
        let mut page = Page::new(Look { colour: false, width: 40, blocks: false });
        let word = "x".repeat(60);
        page.wrapped("a ", &format!("b {word} c"));
        assert_eq!(page.finish(), format!("a b\n  {word}\n  c\n"));
    }

    #[test]
    fn colours_only_where_asked_for() {
        let plain = Page::new(Look::default());
        assert_eq!(plain.ink(Ink::Alarm, "x"), "x");
        let coloured = Page::new(Look { colour: true, width: 80, blocks: false });
        assert_eq!(coloured.ink(Ink::Alarm, "x"), "\x1b[1;31mx\x1b[0m");
    }
}
