//! Where downloaded objects are kept. The layout is shared with caches of other clients:
//!
//! ```text
//! CACHE/bucket/{project}/{asset}/{version}/{path}       the objects, and nothing else
//!      /status/{project}/{asset}/{version}/COMPLETE     all of the version is there
//!      /status/{project}/{asset}/{version}/LOCK         held while a version is being saved
//!      /tmp/                                            unfinished
//! ```

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::client::cache::{self, Link, Standing};
use crate::fs::lock::{LockGuard, Mode};
use crate::fs::owner::make_folders;
use crate::fs::{atomic, litter};
use crate::job::Job;
use crate::relpath::RelPath;
use crate::system;
use crate::{Error, Result};

const BUCKET: &str = "bucket";
const SCRATCH: &str = "tmp";
const MARKER: &str = "COMPLETE";
const LOCK: &str = "LOCK";
/// The cache in one folder.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in `root`, which is made when something is to be kept.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        litter::clear_once(&root.join(SCRATCH));
        Self { root }
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
        let scratch = self.root.join(SCRATCH);
        make_folders(&scratch)?;
        Ok(scratch)
    }

    fn status(&self, version: &str) -> Result<PathBuf> {
        Ok(checked(version)?.under(&self.root.join("status")))
    }

    /// Whether all of the version is there.
    pub(super) fn standing(&self, version: &str) -> Result<Standing> {
        Ok(cache::standing(&self.status(version)?, MARKER))
    }

    /// Notes whether all of the version is there.
    pub fn set_complete(&self, version: &str, is_complete: bool) -> Result<()> {
        let folder = self.status(version)?;
        if !is_complete {
            return atomic::remove_file(&folder.join(MARKER));
        }
        cache::mark(&folder, MARKER)
    }

    /// Keeps other processes from saving the same version at the same time; `None` if another user
    /// lets nobody lock it. Each file is placed only when it is whole, so work may be done twice.
    pub fn lock(&self, version: &str, job: &Job) -> Result<Option<LockGuard<'static>>> {
        let folder = self.status(version)?;
        let file = folder.join(LOCK);
        let locked = make_folders(&folder)
            .and_then(|()| cache::locks().lock_unless_foreign(&file, Mode::Exclusive, job));
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

#[cfg(test)]
mod tests {
    use std::fs;

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
        let standing = || cache.standing("p/a/v").unwrap();
        assert_eq!(standing(), Standing::Incomplete);
        drop(cache.lock("p/a/v", &Job::default()).unwrap());
        cache.set_complete("p/a/v", true).unwrap();
        assert_eq!(standing(), Standing::Complete);
        for name in ["COMPLETE", "LOCK"] {
            assert!(folder.path().join("status/p/a/v").join(name).is_file());
        }
        cache.set_complete("p/a/v", false).unwrap();
        assert_eq!(standing(), Standing::Incomplete);
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
}
