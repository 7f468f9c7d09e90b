//! Where downloaded objects are kept. The layout is shared with caches of other clients:
//!
//! ```text
//! CACHE/bucket/{project}/{asset}/{version}/{path}       the objects, and nothing else
//!      /status/{project}/{asset}/{version}/COMPLETE     empty; all of the version is there
//!      /status/{project}/{asset}/{version}/LOCK         held while a version is being saved
//!      /tmp/                                            unfinished
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::client::cache::{self, FILE_MODE, Link};
use crate::error::IoContext;
use crate::fs::atomic;
use crate::fs::lock::{LockGuard, LockTable, Mode};
use crate::fs::owner::{make_folders, other_writer};
use crate::job::Job;
use crate::relpath::RelPath;
use crate::runtime::PerProcess;
use crate::system::{self, Stat};
use crate::{Error, Result};

const BUCKET: &str = "bucket";
const MARKER: &str = "COMPLETE";
const LOCK: &str = "LOCK";
/// Modes of what only the user may read.
const PRIVATE_FILE: u32 = 0o600;
const PRIVATE_FOLDER: u32 = 0o700;
/// Another process may be busy with a large version.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

static LOCKS: PerProcess<LockTable> = PerProcess::empty();

fn locks() -> &'static LockTable {
    LOCKS.get(|| LockTable::new(PATIENCE))
}

/// The cache in one folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in `root`, which is made when something is to be kept.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of all objects.
    pub fn bucket(&self) -> PathBuf {
        self.root.join(BUCKET)
    }

    /// Where an object is kept.
    ///
    /// Keys that would lead out of the bucket are refused.
    pub fn object(&self, key: &str) -> Result<PathBuf> {
        Ok(checked(key)?.under(&self.bucket()))
    }

    /// Where unfinished files go.
    pub fn scratch(&self) -> Result<PathBuf> {
        let scratch = self.root.join("tmp");
        make_folders(&scratch)?;
        Ok(scratch)
    }

    fn status(&self, version: &str) -> Result<PathBuf> {
        Ok(checked(version)?.under(&self.root.join("status")))
    }

    /// True if all of the version is there.
    pub fn is_complete(&self, version: &str) -> Result<bool> {
        Ok(self.status(version)?.join(MARKER).exists())
    }

    /// Notes whether all of the version is there.
    pub fn set_complete(&self, version: &str, is_complete: bool) -> Result<()> {
        let folder = self.status(version)?;
        if !is_complete {
            return atomic::remove_file(&folder.join(MARKER));
        }
        let made = make_folders(&folder);
        cache::unless_refused(
            made.and_then(|()| atomic::write(&folder.join(MARKER), b"", FILE_MODE, false)),
        )
    }

    /// Keeps other processes from saving the same version at the same time; `None` if another user
    /// lets nobody lock it. Each file is placed only when it is whole, so work may be done twice.
    pub fn lock(&self, version: &str, job: &Job) -> Result<Option<LockGuard<'static>>> {
        let folder = self.status(version)?;
        let file = folder.join(LOCK);
        let locked = make_folders(&folder)
            .and_then(|()| locks().lock_unless_foreign(&file, Mode::Exclusive, job));
        match locked {
            Err(error) if error.io_kind() == Some(ErrorKind::PermissionDenied) => Ok(None),
            other => other,
        }
    }

    /// Gives the content of `original` a second name: a hard link, else a symbolic one, else a
    /// copy. What is there is replaced.
    pub fn link(&self, original: &Path, target: &Path) -> Result<()> {
        let symbolic: Link =
            |original, name| system::new_link(std::path::absolute(original)?, name);
        cache::share(original, target, &[cache::HARD, symbolic], &self.scratch()?)
    }

    /// Keeps a small document.
    pub fn keep(&self, file: &Path, content: &[u8]) -> Result<()> {
        cache::keep(&self.scratch()?, file, content)
    }
}

/// A key that stays in the bucket on this system.
pub(super) fn checked(key: &str) -> Result<RelPath> {
    let path = RelPath::parse(key)?;
    // A name like any other elsewhere.
    let is_drive = |part: &str| {
        system::HAS_DRIVES
            && matches!(part.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
    };
    if path.components().any(is_drive) {
        let why = "it has the letter of a drive as a component";
        return Err(Error::UnsafePath { path: key.to_owned(), why });
    }
    Ok(path)
}

/// Replaces a file that only the user may read, from its birth on; its folder is made if need be.
pub fn store_private(file: &Path, content: &[u8], job: &Job) -> Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    if let Some(above) = folder.parent() {
        make_folders(above)?;
    }
    match system::new_folder(folder, PRIVATE_FOLDER) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        other => other.at(folder)?,
    }
    check_private(folder)?;
    let mut lock = file.as_os_str().to_owned();
    lock.push(".LOCK");
    let _guard = locks().lock(Path::new(&lock), Mode::Exclusive, job)?;
    atomic::write(file, content, PRIVATE_FILE, false)
}

/// Fails if a folder of secrets is not the user's own: whoever planted it could replace them.
fn check_private(folder: &Path) -> Result<()> {
    let handle = fs::File::open(folder).at(folder)?;
    let is_own = Stat::of(&handle).at(folder)?.user == system::user_id();
    if is_own && other_writer(&handle).at(folder)?.is_none() {
        return Ok(());
    }
    Err(Error::UnsafePath {
        path: folder.to_string_lossy().into_owned(),
        why: "it is for secrets, but belongs to another user, or others can write to it; remove it, \
              or name another directory for the cache",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_that_of_other_clients() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        assert_eq!(cache.object("p/a/v/x/y").unwrap(), folder.path().join("bucket/p/a/v/x/y"));
        for key in ["../x", "p/../../x", "/x", "p//x", "p/a/v/"] {
            assert!(matches!(cache.object(key), Err(Error::UnsafePath { .. })), "{key}");
        }
        assert_eq!(cache.object("C:/x").is_err(), system::HAS_DRIVES);
        assert!(!cache.is_complete("p/a/v").unwrap());
        drop(cache.lock("p/a/v", &Job::default()).unwrap());
        cache.set_complete("p/a/v", true).unwrap();
        assert!(cache.is_complete("p/a/v").unwrap());
        for name in ["COMPLETE", "LOCK"] {
            assert_eq!(fs::read(folder.path().join("status/p/a/v").join(name)).unwrap(), b"");
        }
        cache.set_complete("p/a/v", false).unwrap();
        assert!(!cache.is_complete("p/a/v").unwrap());
    }

    #[test]
    fn links_share_content_and_may_be_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let (a, b) = (cache.object("a").unwrap(), cache.object("d/b").unwrap());
        fs::create_dir_all(cache.bucket()).unwrap();
        fs::write(&a, "x").unwrap();
        cache.link(&a, &b).unwrap();
        cache.link(&a, &b).unwrap();
        assert_eq!(fs::read(b).unwrap(), b"x");
        assert!(fs::read_dir(cache.scratch().unwrap()).unwrap().next().is_none());
    }

    #[test]
    fn private_files_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new/credentials/token.txt");
        store_private(&file, b"one", &Job::default()).unwrap();
        store_private(&file, b"two", &Job::default()).unwrap();
        let mode = |path: &Path| system::mode_of(&fs::metadata(path).unwrap().permissions());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
        system::set_mode(file.parent().unwrap(), 0o777).unwrap();
        let refused = store_private(&file, b"three", &Job::default());
        assert!(matches!(refused, Err(Error::UnsafePath { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"two");
    }
}
