//! Sorted listings of a folder that others may change meanwhile.
//!
//! Why not `walkdir`, which lists our own caches: it goes by paths, so that a folder which becomes a link
//! leads it elsewhere, and reads on one thread. 200,000 empty files take 45 ms here, on two, and 176 ms
//! with `os.walk` (row W1 of `benches/README.md`).

use std::ffi::CStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::error::IoContext;
use crate::fs::once_more_if_stale;
use crate::job::Job;
use crate::parallel::try_map;
pub(crate) use crate::system::Kind;
use crate::system::{self, Buffer, Folder as Handle, Links, Stat};
use crate::{Error, Result, runtime};

/// So many folders are read by all threads; fewer are read before the threads have begun.
const WORTH_SHARING: usize = 16;
/// Batches for each thread: enough for folders of unequal size.
const BATCHES: usize = 8;

/// One entry below the root of a walk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
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
pub(crate) fn entries(folder: &Path) -> Result<Vec<(String, Kind)>> {
    let mut found = Vec::new();
    let handle = open(folder)?;
    read(
        &handle,
        || folder.to_owned(),
        &mut system::buffer(),
        |name, _, kind| {
            found.push((name.to_owned(), kind));
            Ok(())
        },
    )?;
    found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

fn open(folder: &Path) -> Result<Handle> {
    once_more_if_stale(|| Handle::open(folder, Links::Follow)).at(folder)
}

/// Calls `each` with the name and kind of every entry, in the order of the file system.
fn read(
    handle: &Handle,
    folder: impl Fn() -> PathBuf,
    buffer: &mut Buffer,
    mut each: impl FnMut(&str, &CStr, Kind) -> Result<()>,
) -> Result<()> {
    let failed = |source| Error::Io { path: folder(), source };
    handle.each(buffer, failed, |name, kind| {
        let text = name.to_str().map_err(|_| Error::UnsafePath {
            path: folder().join(system::text(name.to_bytes())).to_string_lossy().into_owned(),
            why: "the name is not valid UTF-8; rename the file",
        })?;
        // Some file systems do not tell the kind with the name.
        let kind = match kind {
            Some(kind) => kind,
            None => handle.kind_of(name).or_else(|error| Err(error).at(folder().join(text)))?,
        };
        each(text, name, kind)
    })
}

/// Folders that one thread has read, their names and steps each in one piece of memory: threads
/// that allocate little do not wait for each other.
#[derive(Default)]
struct Batch {
    names: String,
    steps: Vec<Step>,
    folders: Vec<Folder>,
}

/// A folder that was read.
struct Folder {
    /// Its place among the batches.
    batch: usize,
    /// Its steps there, sorted by names.
    steps: Range<usize>,
    /// How many of the steps are contents of folders.
    folders: usize,
    /// Where the first of these contents is; the others follow it.
    contents: usize,
    /// Path relative to the root; empty, or with a `/` at its end.
    path: String,
}

/// An entry, or the content of a folder, which comes at its own place in the order of whole paths.
struct Step {
    /// Where the name is; that of a content has a `/` at its end.
    name: Range<usize>,
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
    handle: Handle,
    keep: Keep<'a>,
    sizes: Sizes,
    job: &'a Job,
}

impl Walk<'_> {
    /// Reads every folder, level by level.
    fn tree(&self) -> Result<Tree> {
        let mut first = Batch::default();
        self.folder(&self.handle, String::new(), &mut system::buffer(), &mut first)?;
        let mut tree = Tree::default();
        tree.add(first);
        let mut level = 0;
        while level < tree.folders.len() {
            let next = tree.folders.len();
            let paths = tree.contents(level);
            for batch in self.level(&paths)? {
                tree.add(batch);
            }
            level = next;
        }
        Ok(tree)
    }

    /// The folders at these paths.
    fn level(&self, paths: &[String]) -> Result<Vec<Batch>> {
        let read = |buffer: &mut Buffer, paths: &&[String]| {
            let mut batch = Batch::default();
            for path in *paths {
                let handle = self.handle.folder(path);
                let handle =
                    handle.or_else(|error| Err(error).at(self.root.join(path.as_str())))?;
                self.folder(&handle, path.clone(), buffer, &mut batch)?;
            }
            Ok(batch)
        };
        if paths.len() < WORTH_SHARING {
            return Ok(vec![read(&mut system::buffer(), &paths)?]);
        }
        let count = paths.len().div_ceil(runtime::threads() * BATCHES);
        try_map(&paths.chunks(count).collect::<Vec<_>>(), system::buffer, read)
    }

    fn folder(
        &self,
        handle: &Handle,
        path: String,
        buffer: &mut Buffer,
        batch: &mut Batch,
    ) -> Result<()> {
        self.job.check()?;
        let place = || self.root.join(&path);
        let Batch { names, steps, folders: done } = batch;
        let start = steps.len();
        let mut folders = 0;
        read(handle, place, buffer, |name, c_name, kind| {
            if !(self.keep)(name) {
                return Ok(());
            }
            let size = if self.sizes == Sizes::Wanted && kind != Kind::Folder {
                handle.size_of(c_name).or_else(|error| Err(error).at(place().join(name)))?
            } else {
                0
            };
            let begin = names.len();
            names.push_str(name);
            steps.push(Step { name: begin..names.len(), size, kind, is_content: false });
            if kind == Kind::Folder {
                folders += 1;
                names.push('/');
                steps.push(Step { name: begin..names.len(), size, kind, is_content: true });
            }
            Ok(())
        })?;
        let name = |step: &Step| &names.as_bytes()[step.name.clone()];
        steps[start..].sort_unstable_by(|one, other| name(one).cmp(name(other)));
        done.push(Folder { batch: 0, steps: start..steps.len(), folders, contents: 0, path });
        Ok(())
    }
}

/// All that is below a folder, in byte order of the paths.
#[derive(Default)]
pub(crate) struct Tree {
    batches: Vec<Batch>,
    /// Those of all batches.
    folders: Vec<Folder>,
}

impl Tree {
    fn read(root: &Path, keep: Keep<'_>, sizes: Sizes, job: &Job) -> Result<Self> {
        Walk { root, handle: open(root)?, keep, sizes, job }.tree()
    }

    fn add(&mut self, mut batch: Batch) {
        for mut folder in batch.folders.drain(..) {
            folder.batch = self.batches.len();
            self.folders.push(folder);
        }
        self.batches.push(batch);
    }

    /// Paths of all contents of folders from this one on, which will be added in this order.
    fn contents(&mut self, level: usize) -> Vec<String> {
        let mut paths = Vec::new();
        let first = self.folders.len();
        for folder in &mut self.folders[level..] {
            folder.contents = first + paths.len();
            if folder.folders > 0 {
                let batch = &self.batches[folder.batch];
                let steps = batch.steps[folder.steps.clone()].iter();
                paths.extend(steps.filter(|step| step.is_content).map(|step| {
                    let name = &batch.names[step.name.clone()];
                    [&folder.path, name].concat()
                }));
            }
        }
        paths
    }

    /// What `make` makes of path and size of everything but folders.
    pub(crate) fn files<T>(
        &self,
        make: impl FnMut(&str, u64) -> T,
    ) -> impl ExactSizeIterator<Item = T> {
        let steps: usize = self.batches.iter().map(|batch| batch.steps.len()).sum();
        let folders: usize = self.folders.iter().map(|folder| folder.folders).sum();
        Files { visits: Visits::new(self), left: steps - 2 * folders, make }
    }
}

/// Everything in a tree but folders, one after the other.
struct Files<'a, F> {
    visits: Visits<'a>,
    left: usize,
    make: F,
}

impl<T, F: FnMut(&str, u64) -> T> Iterator for Files<'_, F> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            match self.visits.next()? {
                Visit::Entry(_, Kind::Folder, _) | Visit::Empty(_) => {}
                Visit::Entry(path, _, size) => {
                    self.left -= 1;
                    return Some((self.make)(path, size));
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T, F: FnMut(&str, u64) -> T> ExactSizeIterator for Files<'_, F> {}

/// A way through a tree.
struct Visits<'a> {
    tree: &'a Tree,
    /// An explicit stack: a deep tree must not exhaust the thread's own.
    stack: Vec<Place<'a>>,
    path: String,
}

/// How far a folder has been gone through.
struct Place<'a> {
    steps: std::slice::Iter<'a, Step>,
    names: &'a str,
    /// Number of the next content.
    contents: usize,
    /// Length of the folder's own path.
    length: usize,
}

impl<'a> Visits<'a> {
    fn new(tree: &'a Tree) -> Self {
        let mut visits = Self { tree, stack: Vec::new(), path: String::new() };
        visits.enter(&tree.folders[0]);
        visits
    }

    fn enter(&mut self, folder: &'a Folder) {
        let batch = &self.tree.batches[folder.batch];
        self.stack.push(Place {
            steps: batch.steps[folder.steps.clone()].iter(),
            names: &batch.names,
            contents: folder.contents,
            length: self.path.len(),
        });
    }

    fn next(&mut self) -> Option<Visit<'_>> {
        loop {
            let place = self.stack.last_mut()?;
            let Some(step) = place.steps.next() else {
                self.stack.pop();
                continue;
            };
            self.path.truncate(place.length);
            self.path.push_str(&place.names[step.name.clone()]);
            if !step.is_content {
                return Some(Visit::Entry(&self.path, step.kind, step.size));
            }
            let content = &self.tree.folders[place.contents];
            place.contents += 1;
            self.enter(content);
            if content.steps.is_empty() {
                return Some(Visit::Empty(self.path.trim_end_matches('/')));
            }
        }
    }
}

enum Visit<'a> {
    /// Path, kind and size of an entry.
    Entry(&'a str, Kind, u64),
    /// A folder that was visited before turned out to be empty.
    Empty(&'a str),
}

/// Lists everything below `root` for which `keep(name)` holds, in byte order of the paths; links
/// are never followed.
pub(crate) fn walk(root: &Path, keep: Keep<'_>, job: &Job) -> Result<Vec<Entry>> {
    let tree = Tree::read(root, keep, Sizes::Unknown, job)?;
    let mut found: Vec<Entry> = Vec::new();
    let mut visits = Visits::new(&tree);
    while let Some(visit) = visits.next() {
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
    }
    Ok(found)
}

/// Everything below `root`; sizes are not looked at, but 0.
pub(crate) fn tree(root: &Path, job: &Job) -> Result<Tree> {
    Tree::read(root, &|_| true, Sizes::Unknown, job)
}

/// Like [`tree`], with the sizes of files; that of a link is its own.
pub(crate) fn tree_with_sizes(root: &Path, job: &Job) -> Result<Tree> {
    Tree::read(root, &|_| true, Sizes::Wanted, job)
}

/// Whether `is_it` holds for `path`, or for anything below it, whatever that is called; links are
/// never followed. What is removed or replaced meanwhile is passed over.
pub(crate) fn any(path: &Path, mut is_it: impl FnMut(&Stat) -> bool) -> io::Result<bool> {
    let Some(stat) = unless_gone(fs::symlink_metadata(path))? else { return Ok(false) };
    let stat = Stat::from(&stat);
    let holds = is_it(&stat);
    if holds || stat.kind != Kind::Folder {
        return Ok(holds);
    }
    let Some(root) = unless_gone(Handle::open(path, Links::Refuse))? else { return Ok(false) };
    let mut buffer = system::buffer();
    let mut found = false;
    // Paths, not handles: a deep tree must not use up those of this process.
    let mut waiting = Vec::new();
    let mut look = |folder: &Handle, inside: &Path, waiting: &mut Vec<PathBuf>| {
        folder.each(&mut buffer, io::Error::from, |name, _| {
            if !found && let Some(stat) = unless_gone(folder.stat(name))? {
                found = is_it(&stat);
                if stat.kind == Kind::Folder {
                    waiting.push(inside.join(system::text(name.to_bytes())));
                }
            }
            Ok::<_, io::Error>(())
        })?;
        Ok::<_, io::Error>(found)
    };
    let mut holds = look(&root, Path::new(""), &mut waiting)?;
    while !holds && let Some(inside) = waiting.pop() {
        if let Some(folder) = unless_gone(root.folder_beneath(&inside))? {
            holds = look(&folder, &inside, &mut waiting)?;
        }
    }
    Ok(holds)
}

/// `None` for what is not there any more, or something else by now.
fn unless_gone<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotADirectory || system::is_loop(&error) => {
            Ok(None)
        }
        other => other.map(Some),
    }
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
    fn whatever_is_there_is_looked_at_but_nothing_through_a_link() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let odd = root.path().join("d").join(system::text(b"\xff"));
        fs::create_dir_all(&odd).unwrap();
        fs::write(odd.join("f"), "seven..").unwrap();
        fs::write(outside.path().join("g"), "eleven bytes".repeat(2)).unwrap();
        system::new_link(outside.path(), root.path().join("l")).unwrap();
        let any_of = |size| any(root.path(), |stat| stat.size() == size).unwrap();
        assert!(any_of(7));
        assert!(!any_of(24));
        assert!(any(&root.path().join("l"), |stat| stat.kind == Kind::Link).unwrap());
        assert!(!any(&root.path().join("none"), |_| true).unwrap());
    }

    #[test]
    fn links_are_kept_and_empty_folders_are_marked() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("d/e")).unwrap();
        fs::write(root.path().join("d/.f"), "").unwrap();
        fs::write(root.path().join("a"), "").unwrap();
        system::new_link("d", root.path().join("l")).unwrap();
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
        system::new_link("d/f", root.path().join("l")).unwrap();
        let job = Job::default();
        let files = |tree: Tree| {
            let files = tree.files(|path, size| (path.to_owned(), size));
            let count = files.len();
            let found: Vec<_> = files.collect();
            assert_eq!(found.len(), count);
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
