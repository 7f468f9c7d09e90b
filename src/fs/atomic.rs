//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempPath;

use crate::Result;
use crate::error::IoContext;
use crate::system::{self, Name};

/// Begins the name of everything unfinished, so that readers of a registry take it for internal.
pub(crate) const STAGE_PREFIX: &str = "..tmp-";

/// A file without its final name. Dropped, it leaves nothing; [`persist`] gives it its name.
///
/// Not a `NamedTempFile`: writing through that one hides the number of the system's error.
#[derive(Debug)]
pub(crate) struct Staged {
    file: File,
    /// None if it has no name at all: when this process is killed, it is gone.
    path: Option<TempPath>,
}

impl Staged {
    /// The open file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

/// Opens an unfinished file in `folder`, with `mode` less the umask from birth.
pub(crate) fn stage(folder: &Path, mode: u32) -> Result<Staged> {
    let path = folder.join(unused_name());
    let file = system::new_file(&path, mode).at(folder)?;
    Ok(Staged { file, path: Some(TempPath::try_from_path(path).at(folder)?) })
}

/// As [`stage`], without any name where the file system has such files.
pub(crate) fn stage_nameless(folder: &Path, mode: u32) -> Result<Staged> {
    match system::nameless_file(folder, mode).at(folder)? {
        Some(file) => Ok(Staged { file, path: None }),
        None => stage(folder, mode),
    }
}

/// A name that no other process has, nor this one before: without asking the system for random
/// bytes for each of a million files. It tells whose it is: see [`is_left_by_dead`].
fn unused_name() -> String {
    // Not a `OnceLock`: another thread could hold its lock during a fork.
    static BASE: AtomicU64 = AtomicU64::new(0);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    if BASE.load(Ordering::Relaxed) == 0 {
        let fresh = rand::random_range(1..=u64::MAX);
        // Fails if another thread was first: its number is as good.
        let _ = BASE.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed);
    }
    let base = BASE.load(Ordering::Relaxed);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // The base is shared with forked processes, and the process id with other machines.
    format!("{STAGE_PREFIX}{base:016x}-{:x}-{:x}-{count:x}", processes(), std::process::id())
}

/// [`system::processes`], asked once.
fn processes() -> u64 {
    static KNOWN: AtomicU64 = AtomicU64::new(0);
    if KNOWN.load(Ordering::Relaxed) == 0 {
        KNOWN.store(system::processes(), Ordering::Relaxed);
    }
    KNOWN.load(Ordering::Relaxed)
}

/// True for the name of something unfinished if the process that made it is certainly dead.
pub(crate) fn is_left_by_dead(name: &str) -> bool {
    let mut parts = name.strip_prefix(STAGE_PREFIX).unwrap_or_default().split('-').skip(1);
    let number = |part: Option<&str>| part.and_then(|part| u64::from_str_radix(part, 16).ok());
    let (whose, process) = (number(parts.next()), number(parts.next()));
    // Of an id that has been given away since then nothing is known.
    whose.is_some_and(|whose| whose != 0 && whose == processes())
        && process.and_then(|id| i32::try_from(id).ok()).is_some_and(system::is_dead)
}

/// An unfinished folder, which goes away with its content when dropped.
#[derive(Debug)]
pub(crate) struct StagedFolder {
    path: PathBuf,
}

impl StagedFolder {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it to whoever has given it another name.
    pub(crate) fn keep(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for StagedFolder {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty() {
            // What stays is found by its name when it is old.
            let _ = remove_tree(&self.path);
        }
    }
}

/// Makes an unfinished folder in `folder`.
pub(crate) fn stage_folder(folder: &Path) -> Result<StagedFolder> {
    let path = folder.join(unused_name());
    fs::create_dir(&path).at(folder)?;
    Ok(StagedFolder { path })
}

/// Gives a staged file its final name, replacing what is there, once closing it has succeeded.
pub(crate) fn persist(staged: Staged, target: &Path) -> Result<()> {
    let Staged { file, path } = staged;
    let Some(path) = path else { return name(&file, target).at(target) };
    system::close(file).at(target)?;
    match path.persist(target) {
        Err(error) if error.error.kind() == ErrorKind::CrossesDevices => {
            copy_over(&error.path, target)
        }
        other => other.map_err(|error| error.error).at(target),
    }
}

/// Gives a finished file, which is closed, its final name, replacing what is there.
pub(crate) fn rename(file: &Path, target: &Path) -> Result<()> {
    match fs::rename(file, target) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => {
            copy_over(file, target)?;
            remove_file(file)
        }
        other => other.at(target),
    }
}

/// Places a copy of a file on another file system: a folder may be a link to one. Nothing is left
/// beside the target, whose folder is for finished files alone.
fn copy_over(file: &Path, target: &Path) -> Result<()> {
    let folder = folder_of(target);
    let mut from = File::open(file).at(file)?;
    let mode = system::mode_of(&from.metadata().at(file)?.permissions());
    let staged = stage_nameless(folder, mode & 0o777)?;
    io::copy(&mut from, &mut staged.file()).at(target)?;
    persist(staged, target)
}

/// Gives a name to a file that has none, replacing what is there.
fn name(file: &File, target: &Path) -> io::Result<()> {
    // There is nothing left to tell when the other descriptor, which it is named by, is closed.
    system::close(file.try_clone()?)?;
    replace(target, |path| system::give_name(file, path))
}

/// Makes `target` by a function that does not replace what is there, and replaces it.
pub(crate) fn replace(target: &Path, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    match make(target) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let spare = target.with_file_name(unused_name());
            make(&spare)?;
            let renamed = fs::rename(&spare, target);
            // Renaming one name of a file over another does nothing.
            let _ = fs::remove_file(&spare);
            renamed
        }
        other => other,
    }
}

/// Renames something, unless the new name is taken.
pub(crate) fn rename_new(old: &Path, new: &Path) -> std::io::Result<()> {
    match system::rename_new(Name::Path(old), Name::Path(new)) {
        // File systems without that: the caller's locks or random names keep others away.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
            fs::rename(old, new)
        }
        other => other,
    }
}

/// Replaces `target` by `content` in one step; `durable` syncs the file and its folder.
pub(crate) fn write(target: &Path, content: &[u8], mode: u32, durable: bool) -> Result<()> {
    write_through(folder_of(target), target, content, mode, durable)
}

/// As [`write`], by way of a file in `scratch`: where what is unfinished is looked for.
pub(crate) fn write_through(
    scratch: &Path,
    target: &Path,
    content: &[u8],
    mode: u32,
    durable: bool,
) -> Result<()> {
    let staged = stage(scratch, mode)?;
    staged.file().write_all(content).at(target)?;
    if durable {
        staged.file().sync_all().at(target)?;
    }
    persist(staged, target)?;
    if durable { sync_folder(folder_of(target)) } else { Ok(()) }
}

fn folder_of(target: &Path) -> &Path {
    target.parent().unwrap_or_else(|| Path::new("."))
}

/// Makes the entries of a folder durable.
///
/// By then they are there, so a failure would be told of what was done: the whole file system is
/// synced before that.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let handle = File::open(folder).at(folder)?;
    handle.sync_all().or_else(|_| system::sync_file_system(&handle)).at(folder)
}

/// Makes everything written to the file system of `path` durable, in one call where there is one.
pub(crate) fn sync_file_system(path: &Path) -> Result<()> {
    File::open(path).and_then(|handle| system::sync_file_system(&handle)).at(path)
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.at(path),
    }
}

/// Removes a folder with everything in it, never following links; one that is not there is fine.
pub(crate) fn remove_tree(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other.at(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_write_replaces_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        write(&target, b"one", 0o644, false).unwrap();
        write(&target, b"two", 0o644, true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["file"]);
    }

    #[test]
    fn a_name_tells_that_its_process_is_dead() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ours = unused_name();
        let (id, child_id) = (std::process::id(), child.id());
        let theirs = ours.replace(&format!("-{id:x}-"), &format!("-{child_id:x}-"));
        assert!(!is_left_by_dead(&ours) && !is_left_by_dead(&theirs));
        child.wait().unwrap();
        assert_eq!(is_left_by_dead(&theirs), processes() != 0);
        let elsewhere = theirs.replace(&format!("-{:x}-", processes()), "-1-");
        for name in [&elsewhere, "..tmp-1", "..tmp-0123456789abcdef", ".tmpX", ""] {
            assert!(!is_left_by_dead(name), "{name}");
        }
    }

    #[test]
    fn a_staged_file_that_is_dropped_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let staged = stage(folder.path(), 0o600).unwrap();
        assert!(names(folder.path())[0].starts_with(STAGE_PREFIX));
        drop(staged);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn whatever_has_no_name_yet_replaces_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("file");
        for (content, stage) in [("one", stage as fn(&Path, u32) -> _), ("two", stage_nameless)] {
            for _ in 0..2 {
                let staged = stage(folder.path(), 0o600).unwrap();
                staged.file().write_all(content.as_bytes()).unwrap();
                persist(staged, &target).unwrap();
                assert_eq!(fs::read_to_string(&target).unwrap(), content);
            }
        }
        let other = folder.path().join("other");
        fs::write(&other, "three").unwrap();
        for _ in 0..2 {
            copy_over(&other, &target).unwrap();
            replace(&folder.path().join("link"), |name| fs::hard_link(&target, name)).unwrap();
        }
        assert_eq!(fs::read_to_string(folder.path().join("link")).unwrap(), "three");
        assert_eq!(names(folder.path()), ["file", "link", "other"]);
    }

    #[test]
    fn the_number_of_the_systems_error_is_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let number = |error: crate::Error| match error {
            crate::Error::Io { source, .. } => source.raw_os_error(),
            _ => None,
        };
        let wanted = system::code_of(ErrorKind::NotFound);
        assert_eq!(number(stage(&missing, 0o600).unwrap_err()), wanted);
        assert_eq!(number(stage_nameless(&missing, 0o600).unwrap_err()), wanted);
        assert_eq!(number(stage_folder(&missing).unwrap_err()), wanted);
        assert_eq!(number(write(&missing.join("f"), b"", 0o600, false).unwrap_err()), wanted);
        let staged = stage(folder.path(), 0o600).unwrap();
        assert_eq!(number(persist(staged, &missing.join("f")).unwrap_err()), wanted);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn removing_what_is_not_there_is_fine() {
        let folder = tempfile::tempdir().unwrap();
        remove_file(&folder.path().join("none")).unwrap();
        remove_tree(&folder.path().join("none")).unwrap();
    }
}
