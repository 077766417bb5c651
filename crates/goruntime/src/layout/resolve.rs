//! Which layout holds for a binary. Here alone are versions of Go compared.

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

/// Chooses the layout for `version` on `arch`.
///
/// Fails for a release older than Go 1.21, and where the executable has no debug information.
pub fn resolve(version: &GoVersion, arch: Arch, debug: &DebugInfo<'_>) -> Result<Resolved, RuntimeError> {
    let release = (version.major, version.minor);
    let unknown = |remedy| RuntimeError::NoLayout {
        version: version.text.clone(),
        arch: arch.name().to_owned(),
        remedy,
    };
    if release < OLDEST {
        return Err(unknown(
            "this release keeps its heap in a way that leakscope cannot read; rebuild with Go 1.21 or later",
        ));
    }
    let layout = debug.layout().filter(|layout| !layout.slots.is_empty());
    let layout = layout.ok_or_else(|| {
        unknown(
            "the executable has no debug information (built with -ldflags=-w or -s, or stripped); \
             rebuild it without these flags",
        )
    })?;
    let caution = (release > NEWEST).then(|| {
        format!("{version} is newer than any release that was checked; its layout comes from its debug information")
    });
    Ok(Resolved { layout, origin: LayoutOrigin::Dwarf, caution })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let version = GoVersion::parse(text).unwrap();
        resolve(&version, Arch::Amd64, &DebugInfo::default()).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_read_says_why_and_what_to_do() {
        assert!(
            error("go1.20.14").contains("go1.20.14 on amd64")
                && error("go1.20.14").contains("Go 1.21 or later")
        );
        assert!(error("go1.26.6").contains("no debug information") && error("go1.26.6").contains("rebuild"));
    }
}
