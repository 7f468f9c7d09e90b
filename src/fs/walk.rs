//! Sorted listings of a folder.

use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rayon::prelude::*;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, statat};

use crate::error::IoContext;
use crate::job::Job;
use crate::{Error, Result, runtime};

/// Bytes of names that the system gives at a time.
const BUFFER_BYTES: usize = 64 * 1024;
/// So many folders are read by all threads; fewer are read before the threads have begun.
const WORTH_SHARING: usize = 16;

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
    let handle = open(folder)?;
    read(&handle, folder, &mut new_buffer(), |name, _, kind| {
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

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn open(folder: &Path) -> Result<OwnedFd> {
    openat(CWD, folder, FOLDER, Mode::empty()).at(folder)
}

/// Calls `each` with the name and kind of every entry, in the order of the file system.
fn read(
    handle: &OwnedFd,
    folder: &Path,
    buffer: &mut Buffer,
    mut each: impl FnMut(&str, &CStr, Kind) -> Result<()>,
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
        each(text, name, Kind::of(kind))
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

/// A folder that was read.
struct Folder {
    /// The paths of all steps in one text.
    paths: String,
    /// Sorted by paths.
    steps: Vec<Step>,
    /// How many of the steps are contents of folders.
    folders: usize,
    /// Where the first of these contents is; the others follow it.
    contents: usize,
}

/// An entry, or the content of a folder, which comes at its own place in the order of whole paths.
struct Step {
    /// Where the path is, relative to the root; that of a content has a `/` at its end.
    path: Range<usize>,
    size: u64,
    kind: Kind,
    is_content: bool,
}

/// Whether the sizes of files and links are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sizes {
    Wanted,
    Unknown,
}

type Keep<'a> = &'a (dyn Fn(&str) -> bool + Sync);

/// What is the same for all folders of a walk.
struct Walk<'a> {
    root: &'a Path,
    handle: OwnedFd,
    keep: Keep<'a>,
    sizes: Sizes,
    job: &'a Job,
}

impl Walk<'_> {
    /// Reads every folder, level by level.
    fn tree(&self) -> Result<Tree> {
        let mut folders = vec![self.folder(&self.handle, "", &mut new_buffer())?];
        let mut level = 0;
        while level < folders.len() {
            let next = folders.len();
            let mut contents = next;
            for folder in &mut folders[level..] {
                folder.contents = contents;
                contents += folder.folders;
            }
            let found = self.level(&folders[level..])?;
            folders.extend(found);
            level = next;
        }
        Ok(Tree(folders))
    }

    /// The contents of all folders in these folders.
    fn level(&self, folders: &[Folder]) -> Result<Vec<Folder>> {
        let mut paths = Vec::new();
        for folder in folders.iter().filter(|folder| folder.folders > 0) {
            let contents = folder.steps.iter().filter(|step| step.is_content);
            paths.extend(contents.map(|step| &folder.paths[step.path.clone()]));
        }
        let read = |buffer: &mut Buffer, path: &&str| {
            let flags = FOLDER | OFlags::NOFOLLOW;
            let handle =
                openat(&self.handle, *path, flags, Mode::empty()).at(self.root.join(path))?;
            self.folder(&handle, path, buffer)
        };
        if paths.len() < WORTH_SHARING {
            let mut buffer = new_buffer();
            return paths.iter().map(|path| read(&mut buffer, path)).collect();
        }
        let read: Vec<_> =
            runtime::current()?.install(|| paths.par_iter().map_init(new_buffer, read).collect());
        // The first error in order, whichever thread met one first.
        read.into_iter().collect()
    }

    fn folder(&self, handle: &OwnedFd, path: &str, buffer: &mut Buffer) -> Result<Folder> {
        self.job.check()?;
        let place = self.root.join(path);
        let mut paths = String::new();
        let mut steps = Vec::new();
        let mut folders = 0;
        read(handle, &place, buffer, |name, c_name, kind| {
            if !(self.keep)(name) {
                return Ok(());
            }
            let size = if self.sizes == Sizes::Wanted && kind != Kind::Folder {
                size_of(handle, c_name).or_else(|error| Err(error).at(place.join(name)))?
            } else {
                0
            };
            let begin = paths.len();
            paths.push_str(path);
            paths.push_str(name);
            steps.push(Step { path: begin..paths.len(), size, kind, is_content: false });
            if kind == Kind::Folder {
                folders += 1;
                paths.push('/');
                steps.push(Step { path: begin..paths.len(), size, kind, is_content: true });
            }
            Ok(())
        })?;
        let name = |step: &Step| &paths.as_bytes()[step.path.start + path.len()..step.path.end];
        steps.sort_unstable_by(|one, other| name(one).cmp(name(other)));
        Ok(Folder { paths, steps, folders, contents: 0 })
    }
}

/// All that is below a folder, in byte order of the paths.
pub struct Tree(Vec<Folder>);

impl Tree {
    fn read(root: &Path, keep: Keep<'_>, sizes: Sizes, job: &Job) -> Result<Self> {
        Walk { root, handle: open(root)?, keep, sizes, job }.tree()
    }

    /// Calls `each` with path and size of everything but folders.
    pub fn files<E>(
        &self,
        mut each: impl FnMut(&str, u64) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        self.visit(|visit| match visit {
            Visit::Entry(path, kind, size) if kind != Kind::Folder => each(path, size),
            Visit::Entry(..) | Visit::Empty(_) => Ok(()),
        })
    }

    fn visit<'a, E>(
        &'a self,
        mut each: impl FnMut(Visit<'a>) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        // An explicit stack: a deep tree must not exhaust the thread's own.
        let begin = |folder: &'a Folder| (folder, folder.steps.iter(), folder.contents);
        let mut stack = vec![begin(&self.0[0])];
        while let Some((folder, steps, contents)) = stack.last_mut() {
            let Some(step) = steps.next() else {
                stack.pop();
                continue;
            };
            let path = &folder.paths[step.path.clone()];
            if step.is_content {
                let content = &self.0[*contents];
                *contents += 1;
                if content.steps.is_empty() {
                    each(Visit::Empty(path.trim_end_matches('/')))?;
                }
                stack.push(begin(content));
            } else {
                each(Visit::Entry(path, step.kind, step.size))?;
            }
        }
        Ok(())
    }
}

enum Visit<'a> {
    /// Path, kind and size of an entry.
    Entry(&'a str, Kind, u64),
    /// A folder that was visited before turned out to be empty.
    Empty(&'a str),
}

fn size_of(folder: &OwnedFd, name: &CStr) -> rustix::io::Result<u64> {
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
pub fn walk(root: &Path, keep: Keep<'_>, job: &Job) -> Result<Vec<Entry>> {
    let mut found: Vec<Entry> = Vec::new();
    Tree::read(root, keep, Sizes::Unknown, job)?.visit(|visit| {
        match visit {
            Visit::Entry(path, kind, _) => {
                found.push(Entry { path: path.to_owned(), kind, is_empty: false });
            }
            Visit::Empty(path) => {
                // A folder is an entry before it is visited.
                if let Ok(at) = found.binary_search_by(|entry| entry.path.as_str().cmp(path)) {
                    found[at].is_empty = true;
                }
            }
        }
        Ok::<_, Error>(())
    })?;
    Ok(found)
}

/// Everything below `root`; sizes are not looked at, but 0.
pub fn tree(root: &Path, job: &Job) -> Result<Tree> {
    Tree::read(root, &|_| true, Sizes::Unknown, job)
}

/// Like [`tree`], with the sizes of files; that of a link is its own.
pub fn tree_with_sizes(root: &Path, job: &Job) -> Result<Tree> {
    Tree::read(root, &|_| true, Sizes::Wanted, job)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn paths(root: &Path, keep: Keep<'_>) -> Vec<String> {
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
        let files = |tree: Tree| {
            let mut found = Vec::new();
            tree.files(|path, size| {
                found.push((path.to_owned(), size));
                Ok::<_, Error>(())
            })
            .unwrap();
            found
        };
        let names_only = files(tree(root.path(), &job).unwrap());
        assert_eq!(names_only, [("d/f".to_owned(), 0), ("l".to_owned(), 0)]);
        let sized = files(tree_with_sizes(root.path(), &job).unwrap());
        assert_eq!(sized, [("d/f".to_owned(), 3), ("l".to_owned(), 3)]);
    }

    #[test]
    fn a_missing_folder_is_an_error() {
        let error = walk(Path::new("/does/not/exist"), &|_| true, &Job::default()).unwrap_err();
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::NotFound));
    }
}
