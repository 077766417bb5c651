//! The separate file of a program's debug information: asked for by the user, or looked for where such files lie.

use std::fmt::Write as _;

use anyhow::{Result, anyhow};
use leakscope_collect::debug_files::{self, DebugFile, FoundBy, Places, Root, Tried, Wanted, checksum};
use leakscope_goruntime::ElfImage;
use leakscope_model::Gap;

use crate::args::DebugInfoArgs;

/// Whose debug information is looked for.
pub(super) struct Program<'p> {
    /// The executable's or library's bytes.
    pub(super) bytes: &'p [u8],
    /// Where the process's files may be found, the likeliest first.
    pub(super) roots: Vec<Root>,
}

/// What was found, and where it was looked for.
#[derive(Debug, Default)]
pub(super) struct SeparateDebugInfo {
    file: Option<DebugFile>,
    /// Why the file is not trusted in full.
    doubt: Option<String>,
    tried: Vec<Tried>,
    /// Whether there is neither debug information in the program nor a file.
    missing: bool,
}

impl SeparateDebugInfo {
    /// The file that the user names, else, for a program without debug information, the one that belongs to it.
    ///
    /// A file that the user names and that cannot be read or does not belong is an error; any other is passed over.
    pub(super) fn find(program: &Program<'_>, asked: &DebugInfoArgs) -> Result<SeparateDebugInfo> {
        let Ok(image) = ElfImage::parse(program.bytes) else { return Ok(SeparateDebugInfo::default()) };
        let wanted = wanted(&image);
        let belongs = |bytes: &[u8], by: FoundBy| belongs(&image, &wanted, bytes, by).map(|_| ());
        if let Some(path) = &asked.debug_file {
            let refused =
                |why| anyhow!("{} cannot be used as the debug file of this program: {why}", path.display());
            let found = debug_files::named(path, &belongs).map_err(refused)?;
            let proof = self::belongs(&image, &wanted, &found.file, FoundBy::Name).unwrap_or(Proof::None);
            let doubt = (proof == Proof::None).then(|| {
                format!("neither build ID nor checksum shows that {} belongs to the program", found.place)
            });
            return Ok(SeparateDebugInfo { file: Some(found), doubt, ..SeparateDebugInfo::default() });
        }
        let servers = asked.servers()?;
        if image.has_dwarf() {
            return Ok(SeparateDebugInfo::default());
        }
        let places = Places { roots: program.roots.clone(), folders: asked.folders.clone() };
        let search = debug_files::search(&wanted, &places, servers.as_ref(), &belongs);
        let missing = search.found.is_none();
        Ok(SeparateDebugInfo { file: search.found, doubt: None, tried: search.tried, missing })
    }

    /// The bytes of the file.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        self.file.as_ref().map(|found| &*found.file)
    }

    /// What is to be known of the search beside the answer.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        let doubt = self.doubt.iter().map(|doubt| Gap::new("debug information", doubt.clone()));
        let none = self.missing.then(|| Gap::new("debug information", self.searched()));
        // A file that was passed over on the way to the right one may be a mistake of whoever installed it.
        let refused = self.tried.iter().filter(|tried| !self.missing && tried.outcome != "not there");
        let refused =
            refused.map(|tried| Gap::new("debug information", format!("{}: {}", tried.place, tried.outcome)));
        doubt.chain(none).chain(refused).collect()
    }

    /// Says in an error what was looked for in vain.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match self.missing {
            true => error.context(self.searched()),
            false => error,
        }
    }

    fn searched(&self) -> String {
        let mut text = "the program carries no debug information, and no file of it was found".to_owned();
        for (index, Tried { place, outcome }) in self.tried.iter().enumerate() {
            let _ = write!(text, "{} {place} ({outcome})", if index == 0 { ": looked at" } else { "," });
        }
        text.push_str("; --debug-file, --debug-dir or --debuginfod name more places");
        text
    }
}

fn wanted(image: &ElfImage<'_>) -> Wanted {
    let go = || image.go_build_id().map(|id| id.bytes().map(|byte| format!("{byte:02x}")).collect());
    let link = image.debuglink().map(|(name, crc)| (name.to_owned(), crc));
    Wanted { build_id: image.gnu_build_id().or_else(go), link }
}

/// What shows that a file belongs to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// The same build ID.
    BuildId,
    /// The checksum in the program's link.
    Checksum,
    /// Nothing, and nothing against it.
    None,
}

/// Whether the file with these bytes is debug information of that very build, and what shows it.
fn belongs(
    program: &ElfImage<'_>,
    wanted: &Wanted,
    bytes: &[u8],
    found_by: FoundBy,
) -> Result<Proof, String> {
    let file = ElfImage::parse(bytes).map_err(|error| error.to_string())?;
    if file.arch != program.arch {
        return Err(format!("it is for {}, the program for {}", file.arch.name(), program.arch.name()));
    }
    if !file.has_dwarf() {
        return Err("it holds no debug information".to_owned());
    }
    let ids = [
        (program.gnu_build_id(), file.gnu_build_id()),
        (program.go_build_id().map(str::to_owned), file.go_build_id().map(str::to_owned)),
    ];
    let both: Vec<_> = ids.into_iter().filter_map(|(ours, theirs)| Some((ours?, theirs?))).collect();
    if let Some((ours, theirs)) = both.iter().find(|(ours, theirs)| ours != theirs) {
        return Err(format!("of another build: its build ID is {theirs}, the program's is {ours}"));
    }
    match (found_by, both.is_empty(), &wanted.link) {
        (_, false, _) => Ok(Proof::BuildId),
        (FoundBy::BuildId, true, _) => Err("it has no build ID".to_owned()),
        (FoundBy::Link, true, _) => Ok(Proof::Checksum),
        (FoundBy::Name, true, None) => Ok(Proof::None),
        (FoundBy::Name, true, Some((_, crc))) if checksum(bytes) == *crc => Ok(Proof::Checksum),
        (FoundBy::Name, true, Some(_)) => {
            Err("its checksum is not the one that the program's .gnu_debuglink asks for".to_owned())
        }
    }
}
