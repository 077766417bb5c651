//! The tables that are part of this program, one a minor version of Go.

use super::table::Table;

/// A minor version's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The 26 of Go 1.26.
    pub(crate) minor: u32,
    /// Its file, for people.
    pub(crate) file: &'static str,
    /// What it says.
    pub(crate) table: Table<'static>,
}

macro_rules! committed {
    ($($minor:literal),*) => {
        &[$(Committed {
            minor: $minor,
            file: concat!("go1.", $minor, ".layout"),
            table: Table(include_str!(concat!("../../data/go1.", $minor, ".layout"))),
        }),*]
    };
}

/// In order of age.
pub(crate) const TABLES: &[Committed] = committed!(21, 22, 23, 24, 25, 26, 27);

/// The table of the minor version that is nearest to `minor`.
pub(crate) fn nearest(minor: u32) -> Option<Committed> {
    TABLES.iter().copied().min_by_key(|table| table.minor.abs_diff(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_can_be_read_for_every_word_that_it_knows() {
        for Committed { file, table, .. } in TABLES {
            let lists = table.0.lines().filter_map(|line| line.strip_prefix("when "));
            for words in lists.chain(["amd64", "arm64"]) {
                let experiments: Vec<String> = words.split(' ').map(str::to_owned).collect();
                let arch = if words.contains("arm64") { "arm64" } else { "amd64" };
                let layout =
                    table.layout(arch, &experiments).unwrap_or_else(|error| panic!("{file}: {error}"));
                assert!(layout.sizes.len() > 90 && layout.slots.len() > 700, "{file}: {words}");
                assert_eq!(layout.strings.len(), 2, "{file}: {words}");
            }
        }
    }

    #[test]
    fn a_version_without_a_table_gets_the_nearest() {
        let file = |minor| nearest(minor).unwrap().minor;
        assert_eq!((file(21), file(26), file(28), file(90), file(3)), (21, 26, 27, 27, 21));
    }
}
