//! Sorted listings of a folder.

use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, statat};

use crate::error::IoContext;
use crate::job::Job;
use crate::{Error, Result};

/// Bytes of names that the system gives at a time.
const BUFFER_BYTES: usize = 64 * 1024;

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
    fn of(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Symlink => Self::Link,
            FileType::Directory => Self::Folder,
            _ => Self::Special,
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
    let handle = open(folder, OFlags::empty())?;
    read(&handle, folder, &mut new_buffer(), |name, kind| {
        found.push((name.to_owned(), kind));
        Ok(())
    })?;
    found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

type Buffer = Vec<MaybeUninit<u8>>;

fn new_buffer() -> Buffer {
    vec![MaybeUninit::uninit(); BUFFER_BYTES]
}

fn open(folder: &Path, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(folder, flags, Mode::empty()).at(folder)
}

/// Calls `each` with the name and kind of every entry, in the order of the file system.
fn read(
    handle: &OwnedFd,
    folder: &Path,
    buffer: &mut Buffer,
    mut each: impl FnMut(&str, Kind) -> Result<()>,
) -> Result<()> {
    let mut entry = |name: &CStr, kind: FileType| {
        if matches!(name.to_bytes(), b"." | b"..") {
            return Ok(());
        }
        let text = name.to_str().map_err(|_| Error::UnsafePath {
            path: folder.join(OsStr::from_bytes(name.to_bytes())).to_string_lossy().into_owned(),
            why: "the name is not valid UTF-8; rename the file",
        })?;
        // Some file systems do not tell the kind with the name.
        let kind = if kind == FileType::Unknown {
            let found = statat(handle, name, AtFlags::SYMLINK_NOFOLLOW).at(folder.join(text))?;
            FileType::from_raw_mode(found.st_mode)
        } else {
            kind
        };
        each(text, Kind::of(kind))
    };
    #[cfg(target_os = "linux")]
    {
        let mut listing = rustix::fs::RawDir::new(handle, buffer);
        while let Some(found) = listing.next() {
            let found = found.at(folder)?;
            entry(found.file_name(), found.file_type())?;
        }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = buffer;
        for found in rustix::fs::Dir::read_from(handle).at(folder)? {
            let found = found.at(folder)?;
            entry(found.file_name(), found.file_type())?;
        }
    }
    Ok(())
}

/// What there is to do in a folder whose entries were read, in the order of whole paths.
struct Step {
    /// A name; with a `/` at its end, the content of the folder of that name.
    name: String,
    kind: Kind,
    size: u64,
}

/// A folder that is being walked.
struct Level {
    steps: std::vec::IntoIter<Step>,
    /// Length of the folder's own path, with its `/`.
    prefix: usize,
}

/// Whether the sizes of files and links are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sizes {
    Wanted,
    Unknown,
}

/// Goes through everything below `root` for which `keep(name)` holds, in byte order of the paths.
fn visit(
    root: &Path,
    keep: &dyn Fn(&str) -> bool,
    sizes: Sizes,
    job: &Job,
    mut each: impl FnMut(Visit<'_>),
) -> Result<()> {
    let mut buffer = new_buffer();
    let mut read_level = |path: &str, flags: OFlags| -> Result<Vec<Step>> {
        job.check()?;
        let folder = root.join(path);
        let handle = open(&folder, flags)?;
        let mut steps = Vec::new();
        read(&handle, &folder, &mut buffer, |name, kind| {
            if keep(name) {
                let size = if sizes == Sizes::Wanted && kind != Kind::Folder {
                    size_of(&handle, name).at(folder.join(name))?
                } else {
                    0
                };
                steps.push(Step { name: name.to_owned(), kind, size });
                if kind == Kind::Folder {
                    steps.push(Step { name: format!("{name}/"), kind, size });
                }
            }
            Ok(())
        })?;
        steps.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Ok(steps)
    };
    let mut path = String::new();
    // An explicit stack: a deep tree must not exhaust the thread's own.
    let mut levels = vec![Level { steps: read_level("", OFlags::empty())?.into_iter(), prefix: 0 }];
    while let Some(level) = levels.last_mut() {
        let Some(step) = level.steps.next() else {
            levels.pop();
            continue;
        };
        path.truncate(level.prefix);
        path.push_str(&step.name);
        if step.name.ends_with('/') {
            let steps = read_level(&path, OFlags::NOFOLLOW)?;
            if steps.is_empty() {
                each(Visit::Empty(path.trim_end_matches('/')));
            }
            levels.push(Level { steps: steps.into_iter(), prefix: path.len() });
        } else {
            each(Visit::Entry(&path, step.kind, step.size));
        }
    }
    Ok(())
}

enum Visit<'a> {
    /// Path, kind and size of an entry.
    Entry(&'a str, Kind, u64),
    /// A folder that was visited before turned out to be empty.
    Empty(&'a str),
}

fn size_of(folder: &OwnedFd, name: &str) -> rustix::io::Result<u64> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{StatxFlags, statx};
        statx(folder, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::SIZE).map(|found| found.stx_size)
    }
    #[cfg(not(target_os = "linux"))]
    {
        statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
            .map(|found| u64::try_from(found.st_size).unwrap_or_default())
    }
}

/// Lists everything below `root` for which `keep(name)` holds, in byte order of the paths; links
/// are never followed.
pub fn walk(root: &Path, keep: &dyn Fn(&str) -> bool, job: &Job) -> Result<Vec<Entry>> {
    let mut found: Vec<Entry> = Vec::new();
    visit(root, keep, Sizes::Unknown, job, |visit| match visit {
        Visit::Entry(path, kind, _) => {
            found.push(Entry { path: path.to_owned(), kind, is_empty: false });
        }
        Visit::Empty(path) => {
            // A folder is an entry before it is visited.
            if let Ok(at) = found.binary_search_by(|entry| entry.path.as_str().cmp(path)) {
                found[at].is_empty = true;
            }
        }
    })?;
    Ok(found)
}

/// Paths of everything below `root` but folders, sorted.
pub fn files(root: &Path, job: &Job) -> Result<Vec<String>> {
    let mut found = Vec::new();
    visit(root, &|_| true, Sizes::Unknown, job, |visit| match visit {
        Visit::Entry(path, kind, _) if kind != Kind::Folder => found.push(path.to_owned()),
        Visit::Entry(..) | Visit::Empty(_) => {}
    })?;
    Ok(found)
}

/// Like [`files`], each with its size; that of a link is its own.
pub fn files_with_sizes(root: &Path, job: &Job) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    visit(root, &|_| true, Sizes::Wanted, job, |visit| match visit {
        Visit::Entry(path, kind, size) if kind != Kind::Folder => {
            found.push((path.to_owned(), size));
        }
        Visit::Entry(..) | Visit::Empty(_) => {}
    })?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs;

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
    fn paths_are_in_byte_order() {
        let root = tempfile::tempdir().unwrap();
        for path in ["a/x", "a.b", "a/b/c", "a b", "a0/z", "a-/y"] {
            let full = root.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, "").unwrap();
        }
        let found = walk(root.path(), &|_| true, &Job::default()).unwrap();
        let paths: Vec<String> = found.into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, ["a", "a b", "a-", "a-/y", "a.b", "a/b", "a/b/c", "a/x", "a0", "a0/z"]);
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
