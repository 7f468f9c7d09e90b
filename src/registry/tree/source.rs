//! The directory of an upload: all its files are reached from there, whatever happens to their names.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::digest::Source;
use crate::fs::open::Root;
use crate::registry::failure::Failure;
use crate::system::Stat;

/// A regular file of the user's directory.
pub(super) struct UserFile<'a> {
    pub(super) root: &'a Root,
    pub(super) source: &'a Path,
    pub(super) path: &'a str,
}

impl Source for UserFile<'_> {
    fn open(&self) -> crate::Result<(File, u64)> {
        let (file, stat) = open_source(self.root, self.path, self.source)?;
        Ok((file, stat.size()))
    }

    fn path(&self) -> PathBuf {
        self.source.join(self.path)
    }
}

/// Opens a source directory: all its files are reached from there, whatever happens to its name.
pub(super) fn open_root(source: &Path, owner: Option<u32>) -> Result<Root, Failure> {
    let system = |error| Failure::system("open", source, &error);
    let root = Root::open(source).map_err(system)?;
    let found = Stat::of(root.handle()).map_err(system)?;
    if owner.is_some_and(|owner| owner != found.user) {
        return Err(Failure::internal(format!(
            "{source:?} was replaced while the request was looked at"
        )));
    }
    Ok(root)
}

pub(super) fn read_link(root: &Root, path: &str, source: &Path) -> Result<String, Failure> {
    let full = source.join(path);
    let (parent, name) =
        root.open_parent(path).map_err(|error| Failure::system("open", &full, &error))?;
    let text =
        parent.read_link(name).map_err(|error| Failure::system("readlink", &full, &error))?;
    text.into_string()
        .map_err(|_| Failure::internal(format!("target of link {full:?} is not valid UTF-8")))
}

pub(super) fn open_source(root: &Root, path: &str, source: &Path) -> Result<(File, Stat), Failure> {
    root.regular(path).map_err(|error| Failure::system("open", &source.join(path), &error))
}
