//! A committed table of layouts, and what it says of one build.
//!
//! `cargo xtask layouts` writes them from the source of each release. One line says one thing:
//!
//! ```text
//! settled arenas jsonv2                       experiments that change nothing in this release
//! struct mspan 160 next:0:8 prev:8:8          its size, then name:offset:width of each field
//! const mSpanInUse 1
//! names gStatusStrings idle|runnable|running  the strings of a table in memory, from index 0 on
//! when arm64 nogreenteagc                     what follows holds where all of these hold, and replaces what was said
//! without struct spanInlineMarkBits           there is none of it
//! ```

use super::{Layout, Slot};

/// The processor that lines before the first `when` are for.
const BASE: &str = "amd64";

/// A line that is none of the above, by its number from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {0} of the table of layouts says nothing that is known")]
pub struct BadLine(pub usize);

/// One table, not yet read for a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table<'t>(pub &'t str);

impl Table<'_> {
    /// The layout on a processor (`amd64`) with these experiments (`nogreenteagc`), the words that the build itself
    /// names.
    pub fn layout(self, arch: &str, experiments: &[String]) -> Result<Layout, BadLine> {
        let holds = |word: &str| word == arch || experiments.iter().any(|known| known == word);
        let mut layout = Layout::default();
        let mut counts = true;
        for (number, line) in (1..).zip(self.0.lines()) {
            match line.split_once(' ') {
                Some(("when", words)) => counts = words.split(' ').all(holds),
                Some(("#" | "settled", _)) => {}
                Some((kind, rest)) if counts => take(&mut layout, kind, rest).ok_or(BadLine(number))?,
                Some(_) => {}
                None => return Err(BadLine(number)),
            }
        }
        Ok(layout)
    }

    /// Whether the table says what this word, a processor or an experiment, changes; if only that it changes nothing.
    pub fn knows(self, word: &str) -> bool {
        let lists =
            self.0.lines().filter_map(|line| line.strip_prefix("settled ").or(line.strip_prefix("when ")));
        word == BASE || lists.flat_map(|list| list.split(' ')).any(|known| known == word)
    }
}

/// Takes one line into the layout; `None` where it is malformed.
fn take(layout: &mut Layout, kind: &str, rest: &str) -> Option<()> {
    let (name, says) = rest.split_once(' ').unwrap_or((rest, ""));
    match kind {
        "struct" => take_struct(layout, name, says)?,
        "const" => drop(layout.constants.insert(name.to_owned(), says.parse().ok()?)),
        "names" => {
            let strings = says.split('|').map(str::to_owned).collect();
            layout.strings.insert(name.to_owned(), strings);
        }
        "without" => forget(layout, name, says)?,
        _ => return None,
    }
    Some(())
}

fn take_struct(layout: &mut Layout, name: &str, says: &str) -> Option<()> {
    forget_struct(layout, name);
    let mut words = says.split(' ');
    layout.sizes.insert(name.to_owned(), words.next()?.parse().ok()?);
    for word in words {
        let (field, place) = word.split_once(':')?;
        let (offset, width) = place.split_once(':')?;
        let slot = Slot { offset: offset.parse().ok()?, width: width.parse().ok()? };
        layout.slots.insert(format!("{name}.{field}"), slot);
    }
    Some(())
}

fn forget(layout: &mut Layout, kind: &str, name: &str) -> Option<()> {
    match kind {
        "struct" => forget_struct(layout, name),
        "const" => drop(layout.constants.remove(name)),
        "names" => drop(layout.strings.remove(name)),
        _ => return None,
    }
    Some(())
}

fn forget_struct(layout: &mut Layout, name: &str) {
    if layout.sizes.remove(name).is_some() {
        let prefix = format!("{name}.");
        layout.slots.retain(|path, _| !path.starts_with(&prefix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "# A table.\nsettled jsonv2\nstruct g 16 m:0:8 sched:8:8\nstruct abi.Type 48 Kind_:23:1\n\
                        const mSpanInUse 1\nnames gStatusStrings idle||running\nwhen arm64\nstruct g 24 m:16:8\n\
                        when arm64 trial\nwithout struct g\nwithout const mSpanInUse\n";

    fn layout(arch: &str, experiments: &[&str]) -> Layout {
        let experiments: Vec<_> = experiments.iter().map(|&word| word.to_owned()).collect();
        Table(TEXT).layout(arch, &experiments).unwrap()
    }

    #[test]
    fn a_build_takes_the_base_and_what_holds_for_it() {
        let amd64 = layout("amd64", &["trial"]);
        assert_eq!(amd64.slot("g.sched"), Some(Slot { offset: 8, width: 8 }));
        assert_eq!(amd64.slot("abi.Type.Kind_"), Some(Slot { offset: 23, width: 1 }));
        assert_eq!((amd64.size("g"), amd64.constant("mSpanInUse")), (Some(16), Some(1)));
        assert_eq!(amd64.strings["gStatusStrings"], ["idle", "", "running"]);
        let arm64 = layout("arm64", &["jsonv2"]);
        assert_eq!((arm64.slot("g.m"), arm64.slot("g.sched")), (Some(Slot { offset: 16, width: 8 }), None));
        let both = layout("arm64", &["trial"]);
        assert_eq!((both.size("g"), both.slot("g.m"), both.constant("mSpanInUse")), (None, None, None));
    }

    #[test]
    fn a_word_is_known_if_it_is_settled_or_changes_something() {
        for (word, known) in
            [("jsonv2", true), ("trial", true), ("arm64", true), ("amd64", true), ("x", false)]
        {
            assert_eq!(Table(TEXT).knows(word), known, "{word}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, line) in [("struct g\n", 1), ("# x\nconst a b\n", 2), ("struct g 8 m:0\n", 1), ("word", 1)]
        {
            assert_eq!(Table(text).layout("amd64", &[]), Err(BadLine(line)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_table_panics(text: String, at: usize, byte: u8) {
            let _ = Table(&text).layout("amd64", &[]);
            let mut bytes = TEXT.as_bytes().to_vec();
            let len = bytes.len();
            bytes[at % len] = byte;
            let text = String::from_utf8_lossy(&bytes);
            let _ = (Table(&text).layout("arm64", &["trial".to_owned()]), Table(&text).knows("trial"));
        }
    }
}
