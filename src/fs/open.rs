//! The one way to open a file that must be a regular one: by its path, or below a directory without
//! ever following a symbolic link, and what tells that it is still the same.
//!
//! The owner of a directory may change it while it is read: a component that is swapped for a link
//! must not make us read what only we may read, and a FIFO in place of a file must not make us wait.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::error::IoContext;
use crate::system::{self, Folder, Kind, Links, Stat};
use crate::{Error, Result};

/// No less than the resolution of the times of files.
const TICK: Duration = Duration::from_millis(20);
/// So long a file that changes all the time is waited for.
const MOST_TICKS: usize = 5;
const NOT_REGULAR: &str = "it is not a regular file";

/// A file that was opened, and what messages call it.
pub(crate) type Named<'a> = (&'a File, &'a Path);

/// Opens a regular file for reading, and looks at it. A FIFO, socket or device is an error instead of
/// a wait.
pub(crate) fn regular(path: &Path, links: Links) -> Result<(File, Stat)> {
    checked(system::open(path, links), path)
}

/// As [`regular`], by a name in an open folder; a link is refused. `path` is for messages.
pub(crate) fn regular_in(folder: &Folder, name: &str, path: &Path) -> Result<(File, Stat)> {
    checked(folder.file(name), path)
}

#[inline]
fn checked(opened: io::Result<File>, path: &Path) -> Result<(File, Stat)> {
    let (file, stat) = opened.and_then(looked_at).at(path)?;
    if stat.kind == Kind::File {
        Ok((file, stat))
    } else {
        Err(Error::UnsafePath { path: path.display().to_string(), why: NOT_REGULAR })
    }
}

#[inline]
fn looked_at(file: File) -> io::Result<(File, Stat)> {
    let stat = Stat::of(&file)?;
    Ok((file, stat))
}

/// A directory that stays the same whatever happens to its name.
#[derive(Debug)]
pub(crate) struct Root {
    handle: Folder,
}

impl Root {
    /// Opens a directory; a link to one is refused.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { handle: Folder::open(path, Links::Refuse)? })
    }

    /// The directory itself.
    pub(crate) fn handle(&self) -> &Folder {
        &self.handle
    }

    /// Opens the regular file at the relative path `path` for reading, and looks at it.
    ///
    /// A FIFO, socket or device is an error instead of a wait.
    pub(crate) fn regular(&self, path: &str) -> io::Result<(File, Stat)> {
        let (file, stat) = looked_at(self.handle.file_beneath(path)?)?;
        if stat.kind == Kind::File {
            Ok((file, stat))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, NOT_REGULAR))
        }
    }

    /// Looks at what is at `path` now. The directories on the way there may be links: nothing may be
    /// done with the answer but compare it with that of an opened file.
    pub(crate) fn look_at(&self, path: &str) -> io::Result<Stat> {
        self.handle.stat(path)
    }

    /// Opens the directory that holds `path`, and gives the last component of `path`.
    pub(crate) fn open_parent<'path>(&self, path: &'path str) -> io::Result<(Folder, &'path str)> {
        match path.rsplit_once('/') {
            None => Ok((self.handle.try_clone()?, path)),
            Some((parent, name)) => Ok((self.handle.folder_beneath(parent)?, name)),
        }
    }
}

/// What tells that a file is still the same: its size, and the times of its modification and of its
/// change in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Size in bytes.
    pub size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of an open file.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        Stat::of(file).map(|stat| Self::of_stat(&stat))
    }

    /// The stamp of a file that was looked at.
    pub(crate) fn of_stat(stat: &Stat) -> Self {
        let Stat { identity, changed, .. } = *stat;
        Self { size: identity.size, modified: identity.modified, changed }
    }

    /// The stamp of a file that was looked at in the way of the standard library.
    pub(crate) fn of_metadata(found: &std::fs::Metadata) -> Self {
        Self::of_stat(&found.into())
    }

    /// True if the file may have changed within the present tick.
    fn is_fresh(&self) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let since = u64::try_from(seconds).unwrap_or_default();
        let nanoseconds = u32::try_from(nanoseconds).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + Duration::new(since, nanoseconds);
        // What is said to come from the future was changed by another machine's clock.
        SystemTime::now().duration_since(changed).is_ok_and(|age| age < TICK)
    }
}

/// The stamp of an open file, seen to have `stamp`, that has come to rest. Of two changes within one
/// tick of the system's clock the second one cannot be seen, so a file that has only just changed is
/// waited for.
pub(crate) fn at_rest(mut stamp: Stamp, (file, path): Named<'_>) -> Result<Stamp> {
    for _ in 0..MOST_TICKS {
        if !stamp.is_fresh() {
            return Ok(stamp);
        }
        std::thread::sleep(TICK);
        stamp = Stamp::of(file).at(path)?;
    }
    Err(changed(path))
}

/// The error of a file that does not come to rest.
pub(crate) fn changed(path: &Path) -> Error {
    let why = "it has changed while it was copied; start again";
    Error::invalid("file", path.to_string_lossy(), why)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::system::new_link;

    #[test]
    fn no_component_may_be_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/f"), "inside").unwrap();
        std::fs::write(outside.path().join("f"), "secret").unwrap();
        new_link(outside.path(), folder.path().join("l")).unwrap();
        new_link("d/f", folder.path().join("k")).unwrap();
        let root = Root::open(folder.path()).unwrap();
        let mut text = String::new();
        root.regular("d/f").unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inside");
        for path in ["l/f", "k", "../x", "d", "none"] {
            assert!(root.regular(path).is_err(), "{path}");
        }
        assert!(root.open_parent("l/f").is_err());
        assert_eq!(root.open_parent("d/f").unwrap().1, "f");
        assert!(Root::open(&folder.path().join("l")).is_err());
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        system::testing::fifo(&fifo);
        assert!(matches!(regular(&fifo, Links::Follow), Err(Error::UnsafePath { .. })));
        let link = folder.path().join("link");
        new_link("/etc/passwd", &link).unwrap();
        assert!(regular(&link, Links::Refuse).is_err());
        assert!(regular(&link, Links::Follow).is_ok());
    }
}
