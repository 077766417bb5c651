//! Which layout holds for a binary. Here alone are versions of Go compared.

use super::committed::{self, Committed};
use super::{Layout, LayoutOrigin};
use crate::buildinfo::GoVersion;
use crate::dwarf::DebugInfo;
use crate::elf::Arch;
use crate::error::RuntimeError;

/// The oldest release whose heap the schemes of this crate describe.
const OLDEST: (u32, u32) = (1, 21);
/// The newest release that they were checked with.
const NEWEST: (u32, u32) = (1, 27);

/// What is known of a build's layout.
#[derive(Debug)]
pub struct Resolved {
    /// The layout.
    pub layout: Layout,
    /// Where it comes from.
    pub origin: LayoutOrigin,
    /// What speaks against full trust in it: a release newer than any that was checked.
    pub caution: Option<String>,
}

/// Chooses the layout for `version` on `arch`: that of the debug information, else that of our table.
///
/// Fails for a release older than Go 1.21.
pub fn resolve(version: &GoVersion, arch: Arch, debug: &DebugInfo<'_>) -> Result<Resolved, RuntimeError> {
    let release = (version.major, version.minor);
    if release < OLDEST {
        return Err(RuntimeError::NoLayout {
            version: version.text.clone(),
            arch: arch.name().to_owned(),
            remedy: "this release keeps its heap in a way that leakscope cannot read; rebuild with Go 1.21 or later",
        });
    }
    let Some(layout) = debug.layout().filter(|layout| !layout.slots.is_empty()) else {
        return by_table(version, arch);
    };
    let caution = (release > NEWEST).then(|| {
        format!("{version} is newer than any release that was checked; its layout comes from its debug information")
    });
    Ok(Resolved { layout, origin: LayoutOrigin::Dwarf, caution })
}

/// The layout of our table, of the nearest where there is none for this build.
fn by_table(version: &GoVersion, arch: Arch) -> Result<Resolved, RuntimeError> {
    let no_layout = |remedy| RuntimeError::NoLayout {
        version: version.text.clone(),
        arch: arch.name().to_owned(),
        remedy,
    };
    let found = committed::nearest(version.minor).filter(|_| version.major == NEWEST.0);
    let found = found.ok_or_else(|| no_layout("it is no Go 1; rebuild it with debug information"))?;
    let layout = found.table.layout(arch.name(), &version.experiments);
    let layout = layout.map_err(|_| no_layout("our table is damaged; rebuild it with debug information"))?;
    let file = found.file;
    match doubts(version, &found).as_slice() {
        [] => Ok(Resolved { layout, origin: LayoutOrigin::Table { file }, caution: None }),
        doubts => {
            let caution = format!(
                "{version} was stripped and there is no table for {}: it is read by the nearest, {file}, and what is \
                 found is possible at best; debug information makes it certain",
                doubts.join(" and ")
            );
            Ok(Resolved { layout, origin: LayoutOrigin::NearestTable { file }, caution: Some(caution) })
        }
    }
}

/// What of this build the table does not speak of.
fn doubts(version: &GoVersion, found: &Committed) -> Vec<String> {
    let mut doubts = Vec::new();
    if found.minor != version.minor {
        doubts.push("this release".to_owned());
    }
    if ["rc", "beta", "-devel", "-pre"].iter().any(|early| version.suffix.starts_with(early))
        || version.text.starts_with("devel")
    {
        doubts.push("a state before the release".to_owned());
    }
    let unknown = version.experiments.iter().filter(|experiment| !found.table.knows(experiment));
    doubts.extend(unknown.map(|experiment| format!("the experiment {experiment}")));
    doubts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<Resolved, RuntimeError> {
        resolve(&GoVersion::parse(text).unwrap(), Arch::Amd64, &DebugInfo::default())
    }

    #[test]
    fn what_cannot_be_read_says_why_and_what_to_do() {
        let error = |text| resolved(text).unwrap_err().to_string();
        assert!(error("go1.20.14").contains("go1.20.14 on amd64"));
        assert!(error("go1.20.14").contains("Go 1.21 or later"));
        assert!(error("go2.0").contains("no Go 1"));
    }

    #[test]
    fn a_stripped_build_takes_the_table_of_its_release_and_experiments() {
        let of = |text| {
            let found = resolved(text).unwrap();
            assert_eq!(found.caution, None, "{text}");
            (found.origin, found.layout.slot("spanInlineMarkBits.marks").is_some())
        };
        assert_eq!(of("go1.26.6"), (LayoutOrigin::Table { file: "go1.26.layout" }, true));
        assert_eq!(of("go1.26.6-X:nogreenteagc"), (LayoutOrigin::Table { file: "go1.26.layout" }, false));
        assert_eq!(of("go1.25.1 X:greenteagc,jsonv2"), (LayoutOrigin::Table { file: "go1.25.layout" }, true));
        assert_eq!(of("go1.22.5-custom"), (LayoutOrigin::Table { file: "go1.22.layout" }, false));
    }

    #[test]
    fn a_build_without_a_table_takes_the_nearest_and_says_so() {
        for (text, doubt, table) in [
            ("go1.28.1", "this release", "go1.27.layout"),
            ("go1.27rc1", "a state before the release", "go1.27.layout"),
            ("devel go1.27-0123abcd Mon Jan 2 15:04:05 2026", "a state before the release", "go1.27.layout"),
            ("go1.26.6-X:nogreenteagc,newidea", "the experiment newidea", "go1.26.layout"),
        ] {
            let found = resolved(text).unwrap();
            assert_eq!(found.origin, LayoutOrigin::NearestTable { file: table }, "{text}");
            let caution = found.caution.unwrap();
            assert!(
                caution.contains(doubt) && caution.contains(table) && caution.contains("possible"),
                "{caution}"
            );
        }
    }
}
