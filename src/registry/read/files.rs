//! Objects that are kept as the files of a folder.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::{Content, Keys, Registry, Stat, Tree, is_absent};
use crate::job::Job;
use crate::relpath::RelPath;
use crate::{Error, Result};

/// The folder in which a gypsum service keeps its objects, read with the rights of the user. Links may
/// be only noted there, so it is read by way of [`super::Linked`].
#[derive(Debug, Clone)]
pub struct Files(Tree);

impl Files {
    /// The objects in `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self(Tree::new(root))
    }
}

/// What is no object, as buckets have no folders.
fn object<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(error) if is_none(&error) => Ok(None),
        other => other.map(Some),
    }
}

fn is_none(error: &Error) -> bool {
    let is_folder =
        matches!(error.io_kind(), Some(ErrorKind::IsADirectory | ErrorKind::NotADirectory));
    is_folder || is_absent(error)
}

impl Keys for Files {
    fn list(&self, prefix: &str, is_recursive: bool, job: &Job) -> Result<Vec<String>> {
        // Only whole folders are asked for.
        let folder = prefix.strip_suffix('/').map(RelPath::parse).transpose()?;
        let names = object(self.0.list(folder.as_ref(), is_recursive, job))?.unwrap_or_default();
        Ok(names.into_iter().map(|name| format!("{prefix}{name}")).collect())
    }

    fn size(&self, key: &str, job: &Job) -> Result<Option<u64>> {
        Ok(match object(self.0.stat(&RelPath::parse(key)?, job))? {
            Some(Stat::File { size }) => Some(size),
            Some(Stat::Folder) | None => None,
        })
    }

    fn open(&self, key: &str, job: &Job) -> Result<Option<Content>> {
        object(self.0.open(&RelPath::parse(key)?, job))
    }
}
