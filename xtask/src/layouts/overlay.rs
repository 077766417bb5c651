//! A table as its base and, by condition, what is different: most builds differ from the base in a few lines.

use std::collections::BTreeMap;

/// Lines of the probe: what a line tells of (`struct mspan`) → the whole line.
pub type Lines = BTreeMap<String, String>;

/// What the probe printed, by what each line tells of; a line that was asked for twice counts once.
pub fn lines_of(text: &str) -> Lines {
    let keyed = text.lines().filter_map(|line| {
        let end = line.match_indices(' ').nth(1).map_or(line.len(), |(at, _)| at);
        Some((line.get(..end)?.to_owned(), line.to_owned()))
    });
    keyed.collect()
}

/// The base and the sections that follow it.
pub struct Overlays {
    base: Lines,
    sections: Vec<Section>,
}

struct Section {
    conditions: Vec<String>,
    changed: Lines,
    gone: Vec<String>,
}

impl Overlays {
    /// A table that is the same everywhere.
    pub fn new(base: Lines) -> Overlays {
        Overlays { base, sections: Vec::new() }
    }

    /// Lets the table be `lines` where all of `conditions` hold; whether that needed a section.
    ///
    /// Sections with fewer conditions come first: those that hold here too are already counted.
    pub fn add(&mut self, conditions: &[&str], lines: &Lines) -> bool {
        let so_far = self.under(conditions);
        let changed = lines.iter().filter(|(key, line)| so_far.get(*key) != Some(*line));
        let changed: Lines = changed.map(|(key, line)| (key.clone(), line.clone())).collect();
        let gone: Vec<String> = so_far.keys().filter(|key| !lines.contains_key(*key)).cloned().collect();
        let differs = !changed.is_empty() || !gone.is_empty();
        if differs {
            let conditions = conditions.iter().map(|&condition| condition.to_owned()).collect();
            self.sections.push(Section { conditions, changed, gone });
        }
        differs
    }

    /// The table where `conditions` and no others hold.
    fn under(&self, conditions: &[&str]) -> Lines {
        let mut lines = self.base.clone();
        let holds =
            |section: &&Section| section.conditions.iter().all(|one| conditions.contains(&one.as_str()));
        for section in self.sections.iter().filter(holds) {
            section.gone.iter().for_each(|key| drop(lines.remove(key)));
            lines.extend(section.changed.clone());
        }
        lines
    }

    /// As it is written into a file.
    pub fn text(&self) -> String {
        let mut text: String = self.base.values().map(|line| format!("{line}\n")).collect();
        for section in &self.sections {
            let head = std::iter::once(format!("when {}", section.conditions.join(" ")));
            let gone = section.gone.iter().map(|key| format!("without {key}"));
            for line in head.chain(gone).chain(section.changed.values().cloned()) {
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_holds_only_what_those_before_it_do_not_say() {
        let mut overlays = Overlays::new(lines_of("struct g 8 m:0:8\nstruct p 8\nconst c 1\n"));
        assert!(overlays.add(&["arm64"], &lines_of("struct g 8 m:0:8\nstruct p 16\nconst c 1\n")));
        assert!(overlays.add(&["trial"], &lines_of("struct g 16 m:8:8\nstruct p 8\n")));
        assert!(
            !overlays.add(&["trial"], &lines_of("struct g 16 m:8:8\nstruct p 8\n")),
            "it is said already"
        );
        assert!(!overlays.add(&["arm64", "trial"], &lines_of("struct g 16 m:8:8\nstruct p 16\n")));
        assert!(overlays.add(&["arm64", "trial"], &lines_of("struct g 16 m:8:8\nstruct p 24\n")));
        assert_eq!(
            overlays.text(),
            "const c 1\nstruct g 8 m:0:8\nstruct p 8\nwhen arm64\nstruct p 16\nwhen trial\nwithout const c\n\
             struct g 16 m:8:8\nwhen arm64 trial\nstruct p 24\n"
        );
    }
}
