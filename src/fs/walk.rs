//! Sorted listings of a folder.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::error::IoContext;
use crate::job::Job;
use crate::{Error, Result};

/// What an entry is, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A symbolic link, wherever it leads.
    Link,
    /// A folder.
    Folder,
    /// A FIFO, socket or device.
    Special,
}

impl Kind {
    fn of(kind: fs::FileType) -> Self {
        if kind.is_dir() {
            Self::Folder
        } else if kind.is_symlink() {
            Self::Link
        } else if kind.is_fifo()
            || kind.is_socket()
            || kind.is_block_device()
            || kind.is_char_device()
        {
            Self::Special
        } else {
            Self::File
        }
    }
}

/// One entry below the root of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path relative to the root, with `/` between components.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// True for a folder in which no entry was kept.
    pub is_empty: bool,
}

/// Lists the direct entries of `folder`, sorted by name in byte order.
///
/// Fails if a name is not UTF-8.
pub fn entries(folder: &Path) -> Result<Vec<(String, Kind)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).at(folder)? {
        let entry = entry.at(folder)?;
        let kind = Kind::of(entry.file_type().at(entry.path())?);
        let name = entry.file_name().into_string().map_err(|name| Error::UnsafePath {
            path: folder.join(name).to_string_lossy().into_owned(),
            why: "the name is not valid UTF-8; rename the file",
        })?;
        found.push((name, kind));
    }
    found.sort_unstable();
    Ok(found)
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

/// Lists everything below `root` for which `keep(name)` holds, folders before their content.
///
/// Names are visited in byte order within each folder; links are never followed.
pub fn walk(root: &Path, keep: &dyn Fn(&str) -> bool, job: &Job) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    // An explicit stack: a deep tree must not exhaust the thread's own.
    let mut stack = vec![(String::new(), None::<usize>)];
    while let Some((path, parent)) = stack.pop() {
        job.check()?;
        let folder = root.join(&path);
        let listing = entries(&folder)?;
        let mut kept = 0;
        for (name, kind) in listing {
            if !keep(&name) {
                continue;
            }
            kept += 1;
            let path = if path.is_empty() { name } else { format!("{path}/{name}") };
            found.push(Entry { path: path.clone(), kind, is_empty: false });
            if kind == Kind::Folder {
                stack.push((path, Some(found.len() - 1)));
            }
        }
        if kept == 0
            && let Some(parent) = parent
        {
            found[parent].is_empty = true;
        }
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Paths of everything below `root` but folders, sorted.
pub fn files(root: &Path, job: &Job) -> Result<Vec<String>> {
    let mut found = walk(root, &|_| true, job)?;
    found.retain(|entry| entry.kind != Kind::Folder);
    Ok(found.into_iter().map(|entry| entry.path).collect())
}

/// Like [`files`], each with its size; that of a link is its own.
pub fn files_with_sizes(root: &Path, job: &Job) -> Result<Vec<(String, u64)>> {
    let size = |path: String| {
        let file = root.join(&path);
        let size = fs::symlink_metadata(&file).at(&file)?.len();
        Ok((path, size))
    };
    files(root, job)?.into_iter().map(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(root: &Path, keep: &dyn Fn(&str) -> bool) -> Vec<String> {
        walk(root, keep, &Job::default())
            .unwrap()
            .into_iter()
            .map(|entry| {
                let mark = match entry.kind {
                    Kind::Folder if entry.is_empty => "/!",
                    Kind::Folder => "/",
                    Kind::Link => "@",
                    Kind::File => "",
                    Kind::Special => "?",
                };
                entry.path + mark
            })
            .collect()
    }

    #[test]
    fn links_are_kept_and_empty_folders_are_marked() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("d/e")).unwrap();
        fs::write(root.path().join("d/.f"), "").unwrap();
        fs::write(root.path().join("a"), "").unwrap();
        std::os::unix::fs::symlink("d", root.path().join("l")).unwrap();
        assert_eq!(paths(root.path(), &|_| true), ["a", "d/", "d/.f", "d/e/!", "l@"]);
        assert_eq!(paths(root.path(), &|name| !name.starts_with('.')), ["a", "d/", "d/e/!", "l@"]);
    }

    #[test]
    fn files_are_listed_with_their_own_sizes() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("d/e")).unwrap();
        fs::write(root.path().join("d/f"), "abc").unwrap();
        std::os::unix::fs::symlink("d/f", root.path().join("l")).unwrap();
        let job = Job::default();
        assert_eq!(files(root.path(), &job).unwrap(), ["d/f", "l"]);
        let sized = files_with_sizes(root.path(), &job).unwrap();
        assert_eq!(sized, [("d/f".to_owned(), 3), ("l".to_owned(), 3)]);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = walk(Path::new("/does/not/exist"), &|_| true, &Job::default()).unwrap_err();
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    }
}
