//! Where each internal file of a registry lives. The only place that spells their names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::names::ProjectName;

/// Begins the name of every internal file.
pub const INTERNAL_PREFIX: &str = "..";
/// Files and links of a version.
pub const MANIFEST: &str = "..manifest";
/// Who uploaded a version, and when.
pub const SUMMARY: &str = "..summary";
/// Links of one directory of a version.
pub const LINKS: &str = "..links";
/// Latest version of an asset.
pub const LATEST: &str = "..latest";
/// Owners and uploaders of a project or asset.
pub const PERMISSIONS: &str = "..permissions";
/// Begins the names of notes of changes under way.
pub const PENDING_PREFIX: &str = "..tmp-pending-";
/// Bytes used by a project.
pub const USAGE: &str = "..usage";
/// Bytes allowed to a project.
pub const QUOTA: &str = "..quota";
/// Folder of the registry's logs.
pub const LOGS: &str = "..logs";
/// Lock of a directory.
pub const LOCK: &str = "..LOCK";
/// Lock for entering or making the children of a directory.
pub const LOCK_NEWDIR: &str = "..LOCK_NEWDIR";
/// Lock around each change of a project's usage.
pub const LOCK_USAGE: &str = "..LOCK_USAGE";

/// All lock files of a directory.
pub const LOCKS: [&str; 3] = [LOCK, LOCK_NEWDIR, LOCK_USAGE];

/// True for the names of lock files.
pub fn is_lock(name: &str) -> bool {
    LOCKS.contains(&name)
}

/// True for names that no uploaded file can have.
pub fn is_internal(name: &str) -> bool {
    name.starts_with(INTERNAL_PREFIX)
}

/// True for keys of internal objects, which do not count towards the usage.
pub fn is_internal_key(key: &str) -> bool {
    key.split('/').any(is_internal)
}

/// Whether an entry of an uploaded directory becomes part of the version, or is left out, with
/// everything in it.
pub fn is_kept(name: &str, ignore_dot: bool) -> bool {
    !(is_internal(name) || (ignore_dot && name.starts_with('.')))
}

/// Paths inside one registry.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    /// Directories outside whose folders may be projects, by links.
    allowed: Vec<PathBuf>,
}

/// Where a project is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere.
    Missing,
    /// A folder of the registry.
    Inside,
    /// A folder in one of the allowed directories, which a link leads to; this is its real path.
    Allowed(PathBuf),
    /// A link leads to a folder anywhere else.
    Refused,
}

impl Layout {
    /// The registry at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), allowed: Vec::new() }
    }

    /// The same with projects that may be links to folders in the directories `allowed`.
    #[must_use]
    pub fn allowing(self, allowed: Vec<PathBuf>) -> Self {
        Self { allowed, ..self }
    }

    /// The directories outside in which projects may be.
    pub fn allowed(&self) -> &[PathBuf] {
        &self.allowed
    }

    /// Finds out where a project is.
    pub fn place(&self, project: &str) -> Place {
        let path = self.root.join(project);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => Place::Inside,
            Ok(found) if found.is_symlink() => match fs::canonicalize(&path) {
                Ok(real) if !real.is_dir() => Place::Missing,
                Ok(real) if self.is_allowed(&real) => Place::Allowed(real),
                Ok(_) => Place::Refused,
                Err(_) => Place::Missing,
            },
            _ => Place::Missing,
        }
    }

    fn is_allowed(&self, real: &Path) -> bool {
        self.allowed.iter().any(|folder| {
            fs::canonicalize(folder).is_ok_and(|root| real.starts_with(&root) && real != root)
        })
    }

    /// Where a path really begins: a project in an allowed directory stands for its link. `path` is
    /// relative to the registry; gives a folder without links and what is inside of it.
    pub fn anchor<'path>(&self, path: &'path str) -> (PathBuf, &'path str) {
        let (project, inside) = path.split_once('/').unwrap_or((path, ""));
        match self.place_of_link(project) {
            Some(real) => (real, inside),
            None => (self.root.clone(), path),
        }
    }

    /// The real path of a project in an allowed directory.
    pub fn place_of_link(&self, project: &str) -> Option<PathBuf> {
        if self.allowed.is_empty() {
            return None;
        }
        match self.place(project) {
            Place::Allowed(real) => Some(real),
            Place::Missing | Place::Inside | Place::Refused => None,
        }
    }

    /// The registry's own folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of the registry's logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join(LOGS)
    }

    /// Folder of a project.
    pub fn project(&self, project: &ProjectName) -> PathBuf {
        self.root.join(project)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_internal_kept_or_locks() {
        for (name, internal, kept, kept_without_dots) in [
            ("f", false, true, true),
            (".f", false, true, false),
            ("..f", true, false, false),
            ("...", true, false, false),
            ("f..", false, true, true),
        ] {
            assert_eq!(is_internal(name), internal, "{name}");
            let found = [false, true].map(|ignore_dot| is_kept(name, ignore_dot));
            assert_eq!(found, [kept, kept_without_dots], "{name}");
        }
        for (key, internal) in
            [("p/a/v/f", false), ("..logs/x", true), ("p/..usage", true), ("p/a..b/c", false)]
        {
            assert_eq!(is_internal_key(key), internal, "{key}");
        }
        assert!(LOCKS.into_iter().all(is_lock) && !is_lock("..LOCKS") && !is_lock("LOCK"));
    }

    #[test]
    fn a_project_is_where_its_link_may_lead() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["r/inside", "allowed/p", "allowed-too", "elsewhere/p"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        fs::write(path("r/file"), "").unwrap();
        for (name, target) in [
            ("allowed", "allowed/p"),
            ("root", "allowed"),
            ("beside", "allowed-too"),
            ("elsewhere", "elsewhere/p"),
            ("broken", "none"),
            ("to-file", "r/file"),
        ] {
            crate::system::new_link(path(target), path("r").join(name)).unwrap();
        }
        let layout = Layout::new(path("r")).allowing(vec![path("allowed")]);
        let real = fs::canonicalize(path("allowed/p")).unwrap();
        for (name, place) in [
            ("inside", Place::Inside),
            ("allowed", Place::Allowed(real.clone())),
            ("root", Place::Refused),
            ("beside", Place::Refused),
            ("elsewhere", Place::Refused),
            ("broken", Place::Missing),
            ("to-file", Place::Missing),
            ("file", Place::Missing),
            ("none", Place::Missing),
        ] {
            assert_eq!(layout.place(name), place, "{name}");
        }
        assert_eq!(layout.anchor("allowed/a/v"), (real.clone(), "a/v"));
        assert_eq!(layout.anchor("allowed"), (real, ""));
        assert_eq!(layout.anchor("inside/a"), (path("r"), "inside/a"));
        assert_eq!(Layout::new(path("r")).place_of_link("allowed"), None);
    }
}
