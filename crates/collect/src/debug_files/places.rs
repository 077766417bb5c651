//! Where debug files lie on a disk.

use std::path::{Component, Path, PathBuf};

use super::{FoundBy, Wanted};

/// Where distributions install debug files.
const USUAL: &str = "/usr/lib/debug";

/// A tree of files, and where the executable lies in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Where we find its first folder: `/`, or `/proc/PID/root` for a process in a container.
    pub at: PathBuf,
    /// The executable, from there.
    pub executable: Option<PathBuf>,
}

/// Where to look, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Where the process's files may be found, the likeliest first.
    pub roots: Vec<Root>,
    /// Folders that the user named; they are ours, whatever the process's root.
    pub folders: Vec<PathBuf>,
}

impl Places {
    /// Every path at which the file may lie, the likeliest first.
    pub(super) fn candidates(&self, wanted: &Wanted) -> Vec<(PathBuf, FoundBy)> {
        let usual = self.roots.iter().map(|root| below(&root.at, Path::new(USUAL)));
        let folders: Vec<PathBuf> = self.folders.iter().cloned().chain(usual).collect();
        let mut found = Vec::new();
        if let Some((start, rest)) = wanted.build_id.as_deref().and_then(|id| id.split_at_checked(2)) {
            let name = format!("{rest}.debug");
            let of = |folder: &PathBuf| folder.join(".build-id").join(start).join(&name);
            found.extend(folders.iter().map(|folder| (of(folder), FoundBy::BuildId)));
        }
        if let Some((name, _)) = &wanted.link {
            let places = self.by_link(&folders).into_iter().map(|place| place.join(file_name(name)));
            found.extend(places.map(|path| (path, FoundBy::Link)));
        }
        // A user's folder may hold the files side by side.
        let side_by_side = wanted.link.iter().flat_map(|(name, _)| {
            self.folders.iter().map(move |folder| (folder.join(file_name(name)), FoundBy::Link))
        });
        found.extend(side_by_side);
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|(path, _)| seen.insert(path.clone()));
        found
    }

    /// Beside the executable, in `.debug` there, and in its folder under each debug folder.
    fn by_link(&self, folders: &[PathBuf]) -> Vec<PathBuf> {
        let homes = self.roots.iter().filter_map(|root| Some((root, root.executable.as_deref()?.parent()?)));
        let homes: Vec<(&Root, &Path)> = homes.collect();
        let beside = homes.iter().map(|(root, home)| below(&root.at, home));
        let beside = beside.flat_map(|home| [home.clone(), home.join(".debug")]);
        let under = folders.iter().flat_map(|folder| homes.iter().map(|(_, home)| below(folder, home)));
        beside.chain(under).collect()
    }
}

/// The last part of the name in a link, which is to be a plain file name.
fn file_name(name: &str) -> PathBuf {
    Path::new(name).file_name().map(PathBuf::from).unwrap_or_default()
}

/// `path` with `root` as its root; `..` does not lead out of it.
fn below(root: &Path, path: &Path) -> PathBuf {
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part),
        _ => None,
    });
    parts.fold(root.to_owned(), |path, part| path.join(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(places: &Places, wanted: &Wanted) -> Vec<String> {
        places.candidates(wanted).into_iter().map(|(path, _)| path.display().to_string()).collect()
    }

    fn root(at: &str, executable: &str) -> Root {
        Root { at: at.into(), executable: Some(executable.into()) }
    }

    #[test]
    fn the_places_are_those_of_the_debugger() {
        let places = Places { roots: vec![root("/", "/srv/bin/orders")], folders: Vec::new() };
        let wanted =
            Wanted { build_id: Some("abcdef".to_owned()), link: Some(("orders.debug".to_owned(), 7)) };
        let expected = [
            "/usr/lib/debug/.build-id/ab/cdef.debug",
            "/srv/bin/orders.debug",
            "/srv/bin/.debug/orders.debug",
            "/usr/lib/debug/srv/bin/orders.debug",
        ];
        assert_eq!(paths(&places, &wanted), expected);
    }

    #[test]
    fn a_container_and_the_users_folders_come_first() {
        let places = Places {
            roots: vec![root("/proc/7/root", "/srv/../app"), root("/", "/box/srv/app")],
            folders: vec!["/home/me/debug".into()],
        };
        let wanted =
            Wanted { link: Some(("../../etc/app.debug".to_owned(), 7)), build_id: Some("a".to_owned()) };
        let expected = [
            "/proc/7/root/srv/app.debug",
            "/proc/7/root/srv/.debug/app.debug",
            "/box/srv/app.debug",
            "/box/srv/.debug/app.debug",
            "/home/me/debug/srv/app.debug",
            "/home/me/debug/box/srv/app.debug",
            "/proc/7/root/usr/lib/debug/srv/app.debug",
            "/proc/7/root/usr/lib/debug/box/srv/app.debug",
            "/usr/lib/debug/srv/app.debug",
            "/usr/lib/debug/box/srv/app.debug",
            "/home/me/debug/app.debug",
        ];
        assert_eq!(paths(&places, &wanted), expected);
    }
}
