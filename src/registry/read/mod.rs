//! Reading a registry, wherever it is.
//!
//! A folder tree, a bucket in a directory or an S3 store, and both kinds of service implement
//! [`Registry`] and pass one suite (`tests/integration/read.rs`), so that a listing of a folder and
//! one of a URL cannot differ. What is unfinished, and locks, are not seen; a link is read as the file
//! that it leads to.

mod check;
mod files;
mod keys;
mod table;
mod tree;

use std::fmt::Debug;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::format::layout::{self, MANIFEST, SUMMARY};
use super::format::model::{Manifest, Summary};
use crate::error::IoContext;
use crate::fs::atomic::STAGE_PREFIX;
use crate::job::Job;
use crate::relpath::RelPath;
use crate::{Error, Result};

pub use check::{CheckOptions, Checked, State, check};
pub use files::Files;
pub use keys::{Keys, Linked};
pub use table::{Change, Child, Row, Sums, Table};
pub use tree::Tree;

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stat {
    /// A file of that many bytes, or a link to one.
    File {
        /// Size in bytes.
        size: u64,
    },
    /// A directory.
    Folder,
}

/// The content of a file.
pub type Content = Box<dyn Read + Send>;

/// A registry that is read. Of what is not there, [`is_absent`] is true for the error.
pub trait Registry: Debug + Send + Sync {
    /// Names in a directory, or in the root, in byte order; directories end with `/`.
    ///
    /// A recursive listing has the paths of all files, and of the directories that hold nothing.
    fn list(&self, folder: Option<&RelPath>, is_recursive: bool, job: &Job) -> Result<Vec<String>>;

    /// What is at a path.
    fn stat(&self, path: &RelPath, job: &Job) -> Result<Stat>;

    /// Opens a file.
    fn open(&self, path: &RelPath, job: &Job) -> Result<Content>;

    /// The whole content of a small file.
    fn read(&self, path: &RelPath, job: &Job) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        self.open(path, job)?.read_to_end(&mut content).at(path.as_str())?;
        Ok(content)
    }

    /// The manifest of a version, in byte order of the paths.
    fn manifest(&self, version: &RelPath, job: &Job) -> Result<Manifest> {
        document(self, version, MANIFEST, job)
    }

    /// The summary of a version.
    fn summary(&self, version: &RelPath, job: &Job) -> Result<Summary> {
        document(self, version, SUMMARY, job)
    }
}

fn document<T: DeserializeOwned>(
    registry: &(impl Registry + ?Sized),
    version: &RelPath,
    name: &str,
    job: &Job,
) -> Result<T> {
    let path = RelPath::parse(format!("{version}/{name}"))?;
    parse(path.as_str(), &registry.read(&path, job)?)
}

/// Parses a document of a registry.
fn parse<T: DeserializeOwned>(path: &str, text: &[u8]) -> Result<T> {
    super::format::json::read(text).map_err(|source| Error::Json {
        origin: path.to_owned(),
        text: String::from_utf8_lossy(text).into_owned(),
        start: None,
        source,
    })
}

/// True if an error says that there is nothing at a path.
pub fn is_absent(error: &Error) -> bool {
    let root = error.root();
    root.io_kind() == Some(ErrorKind::NotFound)
        || matches!(root, Error::Status { status: 404, .. } | Error::Registry { status: 404, .. })
}

/// There is nothing at a path.
pub(crate) fn absent(path: impl AsRef<Path>) -> Error {
    Error::Io { path: path.as_ref().to_owned(), source: io::Error::from(ErrorKind::NotFound) }
}

/// False for names that nobody else is to see: of locks and of what is unfinished.
pub(crate) fn is_seen(name: &str) -> bool {
    !layout::is_lock(name) && !name.starts_with(STAGE_PREFIX)
}

/// The same for paths.
pub(crate) fn is_visible(path: &str) -> bool {
    path.split('/').all(is_seen)
}
