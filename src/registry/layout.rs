//! Where each internal file of a registry lives. The only place that spells their names.

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

/// Whether an entry of an uploaded directory becomes part of the version, or is left out, with
/// everything in it.
pub fn is_kept(name: &str, ignore_dot: bool) -> bool {
    !(is_internal(name) || (ignore_dot && name.starts_with('.')))
}

/// Paths inside one registry.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// The registry at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
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
