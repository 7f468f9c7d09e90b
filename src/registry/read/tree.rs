//! A registry that is a tree of folders.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::{Content, Registry, Stat, absent, is_seen, is_visible};
use crate::Result;
use crate::error::IoContext;
use crate::fs::once_more_if_stale;
use crate::fs::walk::{self, Kind};
use crate::job::Job;
use crate::relpath::RelPath;

/// The registry in a folder, read with the rights of the user. Links are followed: whoever may write
/// there could put the file itself in their place.
#[derive(Debug, Clone)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// The registry at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, path: &RelPath) -> Result<PathBuf> {
        if is_visible(path.as_str()) {
            Ok(path.under(&self.root))
        } else {
            Err(absent(path.as_str()))
        }
    }
}

impl Registry for Tree {
    fn list(&self, folder: Option<&RelPath>, is_recursive: bool, job: &Job) -> Result<Vec<String>> {
        let folder = folder.map_or_else(|| Ok(self.root.clone()), |folder| self.path(folder))?;
        let mut names: Vec<String> = if is_recursive {
            let entries = walk::walk(&folder, &is_seen, job)?;
            let name = |entry: walk::Entry| match entry.kind {
                Kind::Folder => entry.is_empty.then(|| entry.path + "/"),
                Kind::File | Kind::Link | Kind::Special => Some(entry.path),
            };
            entries.into_iter().filter_map(name).collect()
        } else {
            // A project may be a link to a directory on another disk.
            let is_folder = |name: &str, kind| {
                kind == Kind::Folder || (kind == Kind::Link && folder.join(name).is_dir())
            };
            let entries = walk::entries(&folder)?.into_iter().filter(|(name, _)| is_seen(name));
            entries
                .map(|(name, kind)| if is_folder(&name, kind) { name + "/" } else { name })
                .collect()
        };
        names.sort_unstable();
        Ok(names)
    }

    fn stat(&self, path: &RelPath, _: &Job) -> Result<Stat> {
        let path = self.path(path)?;
        let found = once_more_if_stale(|| fs::metadata(&path)).at(&path)?;
        Ok(if found.is_dir() { Stat::Folder } else { Stat::File { size: found.len() } })
    }

    fn open(&self, path: &RelPath, _: &Job) -> Result<Content> {
        let path = self.path(path)?;
        let file = once_more_if_stale(|| fs::File::open(&path)).at(&path)?;
        // On Unix a directory can be opened, but not read.
        if file.metadata().at(&path)?.is_dir() {
            return Err(io::Error::from(ErrorKind::IsADirectory)).at(path);
        }
        Ok(Box::new(file))
    }
}
